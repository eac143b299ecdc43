"""A config from somebody else is data: it makes nothing, reads no environment, writes nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cgexp.build import problems
from cgexp.cli.main import main
from cgexp.config.compose import compose, compose_on
from cgexp.config.jobs import jobs_of
from cgexp.config.overrides import SERVER
from cgexp.config.schema import groups
from cgexp.errors import InputError

HEAD = "# @package _global_\n"
TOUCH = "{_target_: pathlib.Path.touch, self: made}"
FILES = [
    f"hydra: {{callbacks: {{x: {TOUCH}}}}}",
    "hydra: {callbacks: {x: {_target_: shutil.copyfile, src: a, dst: b}}}",
    "hydra: {launcher: {_target_: os.system, command: touch made}}",
    "hydra: {sweeper: {_target_: os.system}}",
    "hydra: {sweeper: {_target_: hydra_plugins.mine.Sweeper}}",
    f"hydra: {{sweeper: {{params: {{x: {TOUCH}}}}}}}",
    "hydra: {job_logging: {handlers: {x: {'()': os.system, command: touch made}}}}",
    "hydra: {hydra_logging: {handlers: {x: {class: logging.FileHandler, filename: made}}}}",
    "hydra: {output_subdir: ../made}",
    "hydra: {run: {dir: ../made}}",
    "hydra: {sweep: {dir: ../made}}",
    "hydra: {sweep: {dir: '${outputs}/.sweeps/../../../made'}}",
    "hydra: {sweep: {subdir: ../../made}}",
    "hydra: {job: {env_set: {CXX: ./made}}}",
    "hydra: {job: {chdir: true}}",
    "parts: [tests]",
    "dataset: {name: ../../made}",
    "dataset: {name: /elsewhere/made}",
    "dataset: {name: .hidden}",
    "dataset: {name: '${oc.env:HOME}'}",
    "outputs: '${oc.env:HOME}/made'",
    "outputs: ../made",
    "outputs: outputs/../../made",
    "outputs: /elsewhere/made",
    "outputs: '${logger.notes}'\nlogger: {notes: /elsewhere/made}",
    "model: {width: '${oc.${kernel}:HOME}'}",
    "model: {_target_: os.system}",
    "model: {_target_: cgexp.store.os.system}",
    "model: {_target_: cgexp.dir/../x.X}",
    "model: {_target_: 'cgexp.../../x.X'}",
    "scheduler: {_target_: cgexp.runs.folder.RunFolder, path: x}",
    "trainer: {callbacks: {x: {_target_: pytorch_lightning.Trainer}}}",
    "trainer: {callbacks: {x: {_target_: cgexp.runs.folder.RunFolder, path: x}}}",
    "defaults: [override /active: loop]\nactive: {proposals: {health: {_target_: cgexp.store.Chunks}}}",
    "defaults: [override /logger: mlflow]\nlogger: {tracking_uri: 'http://elsewhere.org'}",
    "defaults: [override /logger: mlflow]\nlogger: {tracking_uri: 'sqlite:///../made.db'}",
    "defaults: [override /model: ../../made]",
    "seed: &a [*a]",
    "optimizer: {_target_: torch.optim.Optimizer}",
    "optimizer: {lr: {_target_: torch.optim.Adam}}",
]


@pytest.mark.parametrize("text", FILES)
def test_a_hostile_experiment_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "work" / "conf" / "experiment"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    (folder / "hostile.yaml").write_text(f"{HEAD}{text}\n")
    assert main(["check", "-m", "experiment=hostile", "seed=1,2"]) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert len(told) < 600
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["conf", "experiment", "hostile.yaml", "work"]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("/../../outside@logger", "../../outside leads out of its folder"),
        ("../../../outside@logger", "experiment/../../../outside leads out of its folder"),
        ("/{there}/outside@logger", "leads out of its folder"),
        ("/../..@logger: outside", "../../outside leads out of its folder"),
        ("override /model: ../../../outside", "model/../../../outside leads out of its folder"),
        ("override /logger: '{there}/outside'", "unknown logger="),
        ("/nowhere", "no folder of options has nowhere"),
        ("/nowhere/outside", "no folder of options has nowhere/outside"),
    ],
)
def test_no_file_outside_the_folders_of_options_is_read(
    entry: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outside.yaml").write_text("a: [")  # no YAML: reading it would say so
    work = tmp_path / "work"
    work.mkdir()
    _experiment(work, monkeypatch, f"defaults: [{entry.format(there=tmp_path)}]")
    with pytest.raises(InputError, match=re.escape(told.format(there=tmp_path))):
        compose(["experiment=hostile"])


def test_a_runs_folder_does_not_say_where_results_are_sent() -> None:
    recorded = compose(["experiment=toy_cgnet", "logger=mlflow", f"{SERVER}=http://elsewhere.org"])
    with pytest.raises(InputError, match="cannot have results sent elsewhere"):
        compose_on(recorded, [])
    assert compose_on(recorded, [f"{SERVER}=http://mine.org"])["logger"]["tracking_uri"] == "http://mine.org"


def test_an_option_that_the_user_chooses_says_where_results_are_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _experiment(tmp_path, monkeypatch, "defaults: [override /logger: mine]")
    (tmp_path / "conf" / "logger").mkdir()
    mine = "_target_: cgexp.report.loggers.MlflowSettings\ntracking_uri: http://mine.org\n"
    (tmp_path / "conf" / "logger" / "mine.yaml").write_text(mine)
    with pytest.raises(InputError, match="cannot have results sent elsewhere"):
        compose(["experiment=hostile"])
    assert compose(["experiment=toy_cgnet", "logger=mine"])["logger"]["tracking_uri"] == "http://mine.org"


def test_the_environment_is_not_read() -> None:
    with pytest.raises(InputError, match=r"dataset\.name asks for 'HOME' of the environment"):
        compose(["dataset.name=${oc.env:HOME}"])


@pytest.mark.parametrize("name", groups())
def test_every_place_has_a_kind(name: str) -> None:
    spec = {"_target_": "cgexp.simulation.replicas.Replicas"}
    (problem,) = problems(spec, groups()[name].kinds, name)
    assert "which belongs there" in problem


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("model.width=10000000000000000000000000", "up to 65536"),
        ("model.depth=1e25", "up to 1000"),
        ("model.width=true", "positive integer"),
        ("seed=9223372036854775808", "below 2^31"),
        ("prior.terms.wall.force_constant=1e300", "up to 1e+30"),
        ("prior.terms.wall.force_constant=1e-300", "from 1e-30"),
        ("loss.terms.force.weight=1e300", "from 1e-8 to 1e8, or 0"),
        ("loss.terms.force.weight=1e-30", "from 1e-8 to 1e8, or 0"),
        ("simulation.dt=nan", "positive number"),
        ("optimizer.betas=[0.9,1.5]", "below 1"),
        ("optimizer.maximize=true", "unknown key"),
        ("scheduler.div_factor=0", "positive number"),
        ("++trainer.callbacks.x={_target_: cgexp.training.callbacks.EarlyStop, monitor: loss_validaton}", "one of"),
        ("oracle.system={}", "oracle"),
        ("run=[1,2]", "a text or null"),
        (f"{'a' * 10_000}=1", "more than 200"),
        (f"kernel={'a' * 10_000}", "one of"),
    ],
)
def test_numbers_and_texts_beyond_reason_get_a_short_sentence(
    override: str, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", override]) == 2
    told = capsys.readouterr().err
    assert part in told
    assert len(told) < 400


SWEPT = [
    "parts: '[cgexp]'",
    "'+parts': '[cgexp]'",
    "executor: local",
    "launcher: slurm",
    "hydra.launcher.setup: '[touch x]'",
    "logger.tracking_uri: 'http://elsewhere.org'",
    "outputs: ../made",
]
OF_LAUNCHER = [
    'launcher: {partition: "a\\ntouch made\\n"}',
    "launcher: {comment: '${hydra.help.header}'}",
    "launcher: {name: '${hydra.help.header}'}",
    "job: {name: ../../made}",
]


def test_a_file_names_folders_of_the_working_directory_and_the_user_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _experiment(tmp_path, monkeypatch, "outputs: mine/../runs")
    assert compose(["experiment=hostile"])["outputs"] == "mine/../runs"
    assert compose(["experiment=hostile", "outputs=../elsewhere"])["outputs"] == "../elsewhere"
    (tmp_path / "conf" / "experiment" / "hostile.yaml").write_text(f"{HEAD}outputs: ../elsewhere\n")
    with pytest.raises(InputError, match=r"outputs=\.\./elsewhere is set by a config file"):
        compose(["experiment=hostile"])
    assert compose(["experiment=hostile", "outputs=/tmp"])["outputs"] == "/tmp"


@pytest.mark.parametrize("text", SWEPT)
def test_values_that_a_file_lists_for_a_sweeper_are_the_files_word(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _experiment(tmp_path, monkeypatch, f"hydra: {{mode: MULTIRUN, sweeper: {{params: {{{text}}}}}}}")
    with pytest.raises(InputError, match=r"no (file|list of runs) may"):
        jobs_of(["experiment=hostile"])


@pytest.mark.parametrize("text", OF_LAUNCHER)
def test_a_launcher_writes_no_lines_of_a_file_into_its_scripts(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    head = "defaults: [override /hydra/launcher: submitit_slurm]\n"
    _experiment(tmp_path, monkeypatch, f"{head}hydra: {{{text}}}")
    with pytest.raises(InputError, match="is set by a config file"):
        compose(["experiment=hostile"])


def test_a_file_does_not_change_the_executor_that_the_user_chooses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _experiment(tmp_path, monkeypatch, 'executor: {partition: "a\\ntouch made\\n"}')
    with pytest.raises(InputError, match=r"executor\.partition is set by a config file"):
        compose(["experiment=hostile", "executor=slurm"])
    config = compose(["experiment=hostile", "executor=slurm", "executor.partition=mine"])
    assert config["executor"]["partition"] == "mine"


def test_a_check_of_many_writes_nothing_and_uses_no_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[int] = []
    monkeypatch.setattr("cgexp.cli.jobs.check_one", lambda config: checked.append(config["seed"]))
    monkeypatch.chdir(tmp_path)
    assert main(["check", "-m", "launcher=slurm", "seed=1,2"]) == 0
    assert checked == [1, 2]
    assert not list(tmp_path.iterdir())


def test_a_sweepers_values_do_not_read_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _experiment(tmp_path, monkeypatch, "hydra: {mode: MULTIRUN, sweeper: {params: {seed: '1,${oc.env:HOME}'}}}")
    with pytest.raises(InputError, match="asks for 'HOME' of the environment"):
        jobs_of(["experiment=hostile"])


def _experiment(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Make ``experiment=hostile`` of this text, in the working directory ``folder``."""
    monkeypatch.chdir(folder)
    (folder / "conf" / "experiment").mkdir(parents=True)
    (folder / "conf" / "experiment" / "hostile.yaml").write_text(f"{HEAD}{text}\n")
