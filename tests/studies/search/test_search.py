"""cgexp search: trials that fail, are pruned or interrupted; the best; and what is written."""

from __future__ import annotations

import csv
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cgexp.cli.main import main
from cgexp.config.compose import Config
from cgexp.config.identity import run_id
from cgexp.errors import InputError
from cgexp.executor.apart import Outcome
from cgexp.studies.search.book import JOURNAL, Book, excess_of, mend
from cgexp.studies.search.confirm import confirm, verdict
from cgexp.studies.search.found import PAGE, TABLE, Found, command_of, lines
from cgexp.studies.search.search import run_search
from cgexp.studies.search.settings import require_optuna
from cgexp.studies.search.trials import FAILED, Ran
from tests.studies.search.fakes import MadeUp, inline, loss_of, made_up, ran_with

MODULES = [importlib.import_module(f"cgexp.studies.search.{name}") for name in ("search", "confirm")]


def searched(search: MadeUp, patch: pytest.MonkeyPatch, work: Any = None, has_plots: bool = False) -> Found:
    """What the search finds, its trials done in this process."""
    if not has_plots:
        patch.setattr("cgexp.studies.search.found.plots_of", lambda _: {})
    for module in MODULES:
        patch.setattr(module, "do_apart", inline)
        patch.setattr(module, "do_runs", ran_with() if work is None else work)
    return run_search(search, say=lambda _: None)


def journal(search: MadeUp) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (search.folder / JOURNAL).read_text().splitlines()]


@pytest.mark.parametrize("sampler", ["tpe", pytest.param("gp", marks=pytest.mark.slow), "random"])
def test_the_best_is_found_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str) -> None:
    search = made_up(tmp_path, sampler=sampler, seeds=(0, 1))
    found = searched(search, monkeypatch, has_plots=sampler == "tpe")
    assert found.best is not None
    done = [trial.value for trial in found.trials if trial.value is not None]
    assert found.best.value == min(done)
    assert len(done) == 12
    config = search.configs(found.best.params, [0])[0]
    assert found.best.value == pytest.approx(loss_of(config)["w1_x"] + 0.0005)  # the mean over both seeds
    assert len(found.best.runs) == 2
    assert found.best.runs[0] == run_id(config)
    with open(search.folder / TABLE) as file:
        rows = list(csv.DictReader(file))
    assert [int(row["trial"]) for row in rows] == list(range(12))
    assert min(float(row["w1_x"]) for row in rows) == found.best.value
    page = (search.folder / PAGE).read_text()
    assert ("Its figures are Optuna's" in page) == (sampler == "tpe")
    assert "https://cdn" not in page
    assert next(line for line in lines(found)).split()[:2] == ["trial", "w1_x"]


def test_the_first_trial_is_the_default_where_the_space_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = made_up(tmp_path, n_trials=2)
    found = searched(search, monkeypatch)
    default = {"model.width": 128, "scheduler.max_lr": 0.003, "model.activation": "silu"}
    assert [trial.params == default for trial in sorted(found.trials, key=lambda one: one.number)] == [True, False]


def test_the_journal_is_json_that_optuna_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    search = made_up(tmp_path, n_trials=3)
    searched(search, monkeypatch)
    assert all(isinstance(line, dict) for line in journal(search))
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(search.folder / JOURNAL)))
    assert len(optuna.load_study(study_name=search.settings.name, storage=storage).trials) == 3


def test_an_interrupted_search_ends_as_an_undisturbed_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does again the trial that it was in, and chooses the same ones after it."""
    whole = made_up(tmp_path / "whole", sampler="tpe", n_trials=12)
    expected = searched(whole, monkeypatch)
    killed = made_up(tmp_path / "killed", sampler="tpe", n_trials=12)
    done: list[Mapping[str, Any]] = []

    def dies_at(number: int) -> Any:
        def work(unit: Any, ask: Any) -> Ran:
            done.append(unit.configs[0])
            if len(done) == number:
                raise KeyboardInterrupt
            return ran_with()(unit, ask)

        return work

    for number in (5, 12):
        with pytest.raises(KeyboardInterrupt):
            searched(killed, monkeypatch, dies_at(number))
        with open(killed.folder / JOURNAL, "a") as file:
            file.write('{"op_code": 4, "wor')  # what a kill may leave
    found = searched(killed, monkeypatch, dies_at(0))
    assert [(t.number, t.params, t.value) for t in found.trials] == [
        (t.number, t.params, t.value) for t in expected.trials
    ]
    assert len(done) == 12 + 2  # the two that were interrupted are done twice


def test_a_search_that_has_ended_does_nothing_and_goes_on_with_more_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched(made_up(tmp_path, n_trials=3), monkeypatch)
    again = searched(made_up(tmp_path, n_trials=3), monkeypatch, work=lambda *_: pytest.fail("done again"))
    assert len(again.trials) == 3
    assert len(searched(made_up(tmp_path, n_trials=4), monkeypatch).trials) == 4


def test_another_search_in_the_same_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searched(made_up(tmp_path, n_trials=1), monkeypatch)
    with pytest.raises(InputError, match="was begun with objective=w1_x, not with objective=leak"):
        searched(made_up(tmp_path, n_trials=1, objective="leak"), monkeypatch)


def test_trials_that_fail_hang_or_diverge_are_told_and_not_fatal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(unit: Any, ask: Any) -> Ran:
        number = len(numbers)
        numbers.append(number)
        if number == 1:
            return Ran(FAILED, "the training loss is not finite after epoch 3: lower optimizer.lr")
        return ran_with((lambda _: {"w1_x": float("nan")}) if number == 2 else loss_of)(unit, ask)

    def hangs(*arguments: Any) -> Any:
        for name, outcome in inline(*arguments):
            yield name, Outcome(None, 1.0, "no answer within 5 s") if name == 3 else outcome

    numbers: list[int] = []
    monkeypatch.setattr(MODULES[0], "do_apart", hangs)
    monkeypatch.setattr(MODULES[0], "do_runs", work)
    search = made_up(tmp_path, n_trials=6)
    found = run_search(search, say=lambda _: None)
    failed = {trial.number: trial.sentence for trial in found.trials if trial.state == "failed"}
    assert sorted(failed) == [1, 2, 3]
    assert failed[1].startswith("the training loss is not finite")
    assert failed[2] == "w1_x is nan, which is no number"
    assert failed[3] == "no answer within 5 s"
    assert found.notes[0] == "6 trials: 3 done, 3 failed."
    assert "Trial 3 failed: no answer within 5 s" in found.notes


def test_trials_that_break_a_constraint_are_not_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = lambda config: {**loss_of(config), "w1_x": -float(config["model"]["width"])}  # noqa: E731
    free = searched(made_up(tmp_path / "free"), monkeypatch, ran_with(wide))
    held = searched(made_up(tmp_path / "held", constraints="replicas_failed=0"), monkeypatch, ran_with(wide))
    assert free.best is not None
    assert held.best is not None
    assert int(str(free.best.params["model.width"])) > 100 >= int(str(held.best.params["model.width"]))
    assert "break a constraint" in held.notes[0]
    lost = searched(made_up(tmp_path / "lost", constraints="leak<1"), monkeypatch, ran_with(wide))
    assert lost.best is None
    assert "a run has no finite leak, of which a constraint is" in " ".join(lost.notes)


@pytest.mark.parametrize(
    ("text", "value", "excess"),
    [("a=2", 2.5, 0.5), ("a<=2", 1.0, -1.0), ("a<2", 3.0, 1.0), ("a>2", 5.0, -3.0), ("a>=2", 2.0, 0.0)],
)
def test_by_how_much_a_constraint_is_broken(text: str, value: float, excess: float) -> None:
    from cgexp.studies.query import conditions

    assert excess_of(conditions(text)[0], value) == excess
    assert excess_of(conditions("a<2")[0], 2.0) > 0.0


@pytest.mark.parametrize(("direction", "sign"), [("minimize", 1.0), ("maximize", -1.0)])
def test_pruning_saves_epochs_and_keeps_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direction: str, sign: float
) -> None:
    """Learning curves that do not cross: what is stopped is never the best, whichever way the objective goes."""
    work = ran_with(lambda config: {**loss_of(config), "score": sign * loss_of(config)["w1_x"]})
    settings: dict[str, Any] = {"direction": direction, "objective": "score", "n_trials": 15}
    pruned = searched(made_up(tmp_path / "pruned", pruner="halving", **settings), monkeypatch, work)
    whole = searched(made_up(tmp_path / "whole", **settings), monkeypatch, work)
    assert pruned.best is not None
    assert whole.best is not None
    assert pruned.best.params == whole.best.params
    told = pruned.notes[-1]
    assert told.startswith("Pruning saved ")
    assert int(told.split()[2].rstrip("%")) >= 30
    states = {trial.state for trial in pruned.trials}
    assert states == {"done", "pruned"}


def test_the_line_of_the_best_is_one_that_hydra_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = searched(made_up(tmp_path, n_trials=2), monkeypatch)
    assert found.best is not None
    key = next(iter(found.best.params))  # one that is searched is said once
    line = command_of(found.best, ["experiment=toy_cgnet", "logger=csv", "figures=none", f"{key}=7"], 0)
    assert line.count(f"{key}=") == 1
    rate = found.best.params["scheduler.max_lr"]
    assert line.startswith("cgexp run experiment=toy_cgnet model.width=")
    assert f"scheduler.max_lr={rate} " in line
    assert f"model.activation={found.best.params['model.activation']} seed=0" in line


@pytest.mark.parametrize(("better", "words"), [(1.0, "the best is better"), (0.0, "is not shown")])
def test_the_best_is_compared_with_the_default_on_fresh_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, better: float, words: str
) -> None:
    def metrics(config: Config) -> dict[str, float]:
        scatter = 0.01 * ((7 * config["seed"]) % 5)
        is_default = config["model"]["width"] == 128
        return {"w1_x": 1.0 + scatter + (better if is_default else scatter * (-1) ** config["seed"] - 1e-4)}

    search = made_up(tmp_path, n_trials=2, confirm=5)
    found = searched(search, monkeypatch, ran_with(metrics, writes=True))
    assert found.best is not None
    compared, failed = confirm(search, found.best)
    (told,) = verdict(search, compared)
    assert failed == []
    assert words in told
    assert "On 5 fresh seeds" in told


def test_a_journal_is_mended_and_another_lock_removed(tmp_path: Path) -> None:
    path = tmp_path / JOURNAL
    path.write_text('{"a":1}\n{"b"')
    (tmp_path / f"{JOURNAL}.lock").write_text("")
    mend(path)
    assert path.read_text() == '{"a":1}\n'
    assert [one.name for one in tmp_path.iterdir()] == [JOURNAL]


def test_a_trial_without_values_when_it_was_killed_gets_them(tmp_path: Path) -> None:
    search = made_up(tmp_path)
    search.folder.mkdir(parents=True)
    Book(search.folder, search.settings, search.space).begin()
    again = Book(search.folder, search.settings, search.space)
    assert again.interrupted() == [0]
    assert set(again.values(0)) == {one.key for one in search.space}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["experiment=toy_cgnet"], "say what to search for: objective="),
        (["experiment=toy_cgnet", "objective=w1_x", "space=nothing"], "unknown space=nothing"),
        (["experiment=toy_cgnt", "objective=w1_x"], "unknown experiment=toy_cgnt (did you mean 'toy_cgnet'?)"),
        (
            [
                "experiment=toy_cgnet",
                "simulation=none",
                "objective=loss_validation",
                "pruner=halving",
                "loss=force_relative_entropy",
            ],
            "says nothing of loss.terms.relative_entropy: use pruner=none",
        ),
    ],
)
def test_a_mistake_on_the_command_line_is_a_sentence(
    capsys: pytest.CaptureFixture[str], words: list[str], part: str
) -> None:
    assert main(["search", *words]) == 2
    error = capsys.readouterr().err
    assert part in error
    assert len(error.splitlines()) == 1


def test_without_optuna_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgexp.studies.search.settings.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"needs Optuna, which is not installed: run pip install \"cgexp\[search\]\""):
        require_optuna()
