from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cgexp.config.checks import all_problems, check
from cgexp.config.compose import compose, compose_on
from cgexp.config.jobs import expand
from cgexp.config.paths import conf_dir
from cgexp.errors import InputError


def sentence(*overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        check(compose(overrides))
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_nothing_given_is_a_useful_experiment() -> None:
    config = compose([])
    assert config["choices"]["experiment"] == "toy_cgnet"
    assert config["dataset"]["name"] == "toy_cgnet"
    assert config["prior"]["temperature"] == config["dataset"]["temperature"]
    assert "hydra" not in config


def test_the_command_line_wins_over_the_experiment() -> None:
    config = compose(["experiment=toy_julia", "model=direct_force", "trainer.max_epochs=3"])
    assert config["model"]["_target_"].endswith("DirectForce")
    assert config["trainer"]["max_epochs"] == 3
    assert config["overrides"] == ["experiment=toy_julia", "model=direct_force", "trainer.max_epochs=3"]


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("model=cgnett", ["model=cgnett", "did you mean 'cgnet'", "expected one of"]),
        ("modle=cgnet", ["'modle'", "did you mean 'model'"]),
        ("trainer.max_epocs=3", ["'trainer.max_epocs'", "did you mean 'max_epochs'"]),
        ("simulation.integrator.frction=1", ["did you mean 'friction'"]),
        ("seed=1,2", ["add -m"]),
        ("model=null", ["model=null is not valid", "expected model=<one of average, cgnet"]),
        ("seed={a: 1}", ["seed"]),
        ("seed=[1", ["cannot read the override 'seed=[1'"]),
        ("~model.nothing", ["'model.nothing' does not exist"]),
        ("nonsense", ["cannot read the override 'nonsense'"]),
        ("prior.temperature=${dataset.temprature}", ["prior.temperature", "dataset.temprature"]),
    ],
)
def test_mistakes_are_one_sentence(override: str, parts: list[str]) -> None:
    text = sentence(override)
    for part in parts:
        assert part in text


def test_arguments_that_no_yaml_mentions_can_be_set() -> None:
    assert compose(["optimizer.amsgrad=true"])["optimizer"]["amsgrad"] is True


@pytest.mark.parametrize("plus", ["", "+", "++"])
def test_a_plus_before_a_key_makes_no_difference(plus: str) -> None:
    given = ["experiment=toy_cgnet", "scheduler=none", "seed=3", "model.width=20", "model.depth=2"]
    config = compose([plus + override for override in given])
    assert (config["scheduler"], config["seed"], config["model"]["width"], config["model"]["depth"]) == (None, 3, 20, 2)


def test_a_users_own_experiment_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "conf" / "experiment"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text("# @package _global_\ndefaults:\n  - override /model: direct_force\nseed: 7\n")
    monkeypatch.chdir(tmp_path)
    config = compose(["experiment=mine"])
    assert (config["seed"], config["choices"]["model"]) == (7, "direct_force")


@pytest.mark.parametrize("override", ["model=null", "model=[1,2]", "experiment=3"])
def test_a_group_set_to_nonsense_is_one_sentence(override: str) -> None:
    assert override.split("=")[0] in sentence(override)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("seed: 3\n", "# @package _global_"),
        ("defaults:\n  - override /model: cgnet\n", "lacks its first line: begin it with '# @package _global_'"),
        ("# @package _global_\ndefaults:\n  - toy_cgnett\n", "did you mean 'toy_cgnet'"),
        ("# @package _global_\ntrainer:\n  max_epocs: 3\n", "did you mean 'max_epochs'"),
    ],
)
def test_mistakes_in_a_users_own_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, part: str
) -> None:
    own = tmp_path / "conf" / "experiment"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text(content)
    monkeypatch.chdir(tmp_path)
    assert part in sentence("experiment=mine")


def test_broken_yaml_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "conf" / "experiment"
    own.mkdir(parents=True)
    (own / "broken.yaml").write_text("# @package _global_\nseed: [1\n")
    monkeypatch.chdir(tmp_path)
    assert "broken.yaml" in sentence("experiment=broken")


def test_a_multirun_expands_to_all_combinations() -> None:
    jobs = expand(["seed=1,2", "model.activation=tanh,silu", "experiment=toy_julia"])
    assert len(jobs) == 4
    assert ["seed=1", "model.activation=tanh", "experiment=toy_julia"] in jobs


def test_losses_callbacks_and_prior_terms_are_never_lists() -> None:
    for path in conf_dir().rglob("*.yaml"):
        content = yaml.safe_load(path.read_text()) or {}
        for key in ("terms", "callbacks"):
            assert not isinstance(content.get(key), list), path


PART = "scheduler={_target_: torch.optim.lr_scheduler.ExponentialLR, gamma: 0.9}"


def test_a_part_may_be_written_out_on_the_command_line() -> None:
    target = "torch.optim.lr_scheduler.ExponentialLR"
    config = compose([PART, "experiment=toy_julia"])
    check(config)
    assert config["scheduler"] == {"_target_": target, "gamma": 0.9}
    assert "scheduler" not in config["choices"]
    assert compose([PART, "scheduler.gamma=0.8"])["scheduler"] == {"_target_": target, "gamma": 0.8}
    assert compose_on(compose([]), [PART])["scheduler"] == {"_target_": target, "gamma": 0.9}


def test_null_is_the_option_none_of_a_group_that_may_be_none() -> None:
    config = compose(["scheduler=null", "experiment=toy_julia"])
    assert (config["scheduler"], config["choices"]["scheduler"]) == (None, "none")


def replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, *overrides: str) -> dict[str, Any]:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{text}\n")
    monkeypatch.chdir(tmp_path)
    return compose(["experiment=mine", *overrides])


@pytest.mark.parametrize(
    ("text", "option", "left_out"),
    [
        ("scheduler: {max_lr: 0.1}", "scheduler=exponential", "scheduler.max_lr"),
        ("prior: {terms: {wall: {upper: 9.0}}}", "prior=toy_box", ""),
        ("prior: {terms: {wall: {upper: 9.0}}}", "prior=toy_harmonic", "prior.terms.wall"),
        ("scheduler: null", "scheduler=onecycle", "scheduler"),
        ("scheduler: {_target_: torch.optim.lr_scheduler.StepLR, step_size: 3}", "scheduler=onecycle", "scheduler"),
    ],
)
def test_what_an_experiment_sets_for_a_part_that_was_replaced_is_left_out_and_said(
    text: str,
    option: str,
    left_out: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config, (group, _, _) = replaced(tmp_path, monkeypatch, text, option), option.partition("=")
    assert [*all_problems(config)] == []
    assert (f"{left_out}: set by the experiment's file for another {group} than was chosen" in caplog.text) == bool(
        left_out
    )
    if left_out:
        assert config[group] == compose([option])[group]


def test_what_a_replacing_part_takes_too_stays_as_the_experiment_says() -> None:
    assert compose(["experiment=chignolin_first", "trainer=gpu"])["trainer"]["max_epochs"] == 8
    assert compose(["experiment=chignolin_first", "simulation=peptide_tempering"])["simulation"]["n_steps"] == 4000


def test_the_command_line_is_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ("scheduler=exponential", "scheduler.max_lr=0.2")
    config = replaced(tmp_path, monkeypatch, "scheduler: {max_lr: 0.1}", *given)
    assert any("unknown key 'scheduler.max_lr'" in problem for problem in all_problems(config))
    given = ("scheduler=onecycle", "scheduler.max_lr=0.2")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text("# @package _global_\nscheduler: null\n")
    assert compose(["experiment=mine", *given])["scheduler"]["max_lr"] == 0.2


def test_an_option_laid_on_a_recorded_run_is_as_its_file_says() -> None:
    """And not as the experiment that is composed where none is named."""
    recorded = compose(["experiment=chignolin_first"])
    assert compose_on(recorded, ["trainer=cpu"])["trainer"] == compose(["experiment=notebook"])["trainer"]
