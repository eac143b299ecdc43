"""cgexp reproduce on a small experiment: runs once, draws, guards its numbers, and updates what is kept."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cgexp.active.rounds import RoundFolder
from cgexp.cli.main import main
from cgexp.config.compose import Config, compose
from cgexp.datasets.packaged import load_packaged
from cgexp.errors import InputError
from cgexp.runs.folder import RunFolder, folder_of
from cgexp.runs.resolve import resolve
from cgexp.store import write_frames, write_json
from cgexp.studies.bounds import violations
from cgexp.studies.reproduce import TABLE_END, TABLE_START, _configs, _Job, _place, load_code, reproduce
from cgexp.studies.results import Results
from cgexp.studies.study import Study
from tests.active.fakes import round_with

STUDY = """
title: Small
seeds: [1, 2]
common: [experiment=toy_julia, debug=fast, figures=none, simulation=none, 'dataset.seed=${seed}']
columns: [force_rmse_relative, answer]
arms:
  direct: {label: direct, overrides: [model=direct_force]}
  energy: {label: energy, start_from: direct}
  folds: {label: folds, seeds: [3], overrides: ['trainer.fold=0,1']}
  by_code: {label: by code, computed: true}
"""
FIGURES = """
from matplotlib.figure import Figure
from .sibling import ANSWER, compute

def numbers(results):
    return {"by_code.answer": results.cached("answer", compute)["answer"]}

def figures(results):
    assert len(results.runs("direct")[0].history["loss_train_running"]) == 2
    return {"loss": Figure((1, 1))}  # what is in it is no matter here
"""
SIBLING = """
from pathlib import Path
ANSWER = 42.0

def compute():
    with open(Path(__file__).parent / "calls.txt", "a") as file:
        file.write("x")
    return {"answer": [ANSWER, ANSWER]}
"""
PART = """
title: A part
seeds: [1]
verb: active
common: [experiment=toy_julia, debug=fast, figures=none, simulation=none]
columns: [whole]
arms:
  plain: {label: plain}
"""
PART_FIGURES = """
from matplotlib.figure import Figure
from ..sibling import ANSWER

def numbers(results):
    return {"plain.whole": [ANSWER for run in results.runs("plain") if run.metrics["rounds"] == 3]}

def figures(results):
    return {"empty": Figure((1, 1))}
"""
BASIC = ["launcher=basic"]


def quiet(text: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiments")
    (folder / "small").mkdir()
    files = {
        "study.yaml": STUDY,
        "expected.yaml": "by_code.answer: {each: [41, 43]}\nenergy.force_rmse_relative: {mean: [0, 100]}\n",
        "figures.py": FIGURES,
        "sibling.py": SIBLING,
        "README.md": f"# Small\n\n{TABLE_START}\n{TABLE_END}\n\nThe end.\n",
    }
    part = {
        "study.yaml": PART,
        "expected.yaml": "plain.whole: {each: [42, 42]}\n",
        "figures.py": PART_FIGURES,
        "README.md": f"# Its part\n\n{TABLE_START}\n{TABLE_END}\n",
    }
    (folder / "small" / "part").mkdir()
    for name, text in files.items():
        (folder / "small" / name).write_text(text)
    for name, text in part.items():
        (folder / "small" / "part" / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def outputs(experiments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs")
    study = Study.load("small", experiments)
    assert reproduce(study, [*BASIC, f"outputs={folder}"], update=True, say=quiet)
    return folder


def test_figures_numbers_and_table_are_written(experiments: Path, outputs: Path) -> None:
    place = outputs / "reproduced" / "small"
    assert {path.name for path in (place / "figures").iterdir()} == {"loss.png", "loss.pdf"}
    numbers = json.loads((place / "numbers.json").read_text())
    assert len(numbers["energy.force_rmse_relative"]) == 2
    assert len(numbers["folds.loss_validation"]) == 2
    kept = experiments / "small"
    assert json.loads((kept / "numbers.json").read_text()) == numbers
    assert (kept / "figures" / "loss.png").is_file()
    readme = (kept / "README.md").read_text()
    assert "| by code |" in readme
    assert readme.startswith("# Small")
    assert readme.endswith("The end.\n")


def test_a_second_call_runs_nothing(experiments: Path, outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgexp.studies.reproduce.launch", lambda *_: pytest.fail("ran again"))
    assert reproduce(Study.load("small", experiments), [*BASIC, f"outputs={outputs}"], say=quiet)
    assert (experiments / "small" / "calls.txt").read_text() == "x"  # what is cached is not computed again


def test_an_arm_starts_from_the_run_of_its_own_seed(experiments: Path, outputs: Path) -> None:
    configs = _configs(Study.load("small", experiments), [f"outputs={outputs}"])
    starts = [Path(config["trainer"]["start_from"]) for config in configs["energy"]]
    assert all((start / "potential.npz").is_file() for start in starts)
    assert len(set(starts)) == 2


def test_results_by_arm_and_metric(experiments: Path, outputs: Path) -> None:
    study = Study.load("small", experiments)
    from cgexp.runs.load import Run

    by_arm = {
        arm: [Run(folder_of(config)) for config in configs]
        for arm, configs in _configs(study, [f"outputs={outputs}"]).items()
    }
    results = Results(study, by_arm, outputs)
    assert results.seeds == (1, 2)
    assert results.values("direct", "force_rmse_relative").shape == (2,)
    with pytest.raises(InputError, match="did you mean 'force_rmse_relative'"):
        results.values("direct", "force_rmse_relativ")
    with pytest.raises(InputError, match="did you mean 'direct'"):
        results.runs("direkt")


def test_a_number_that_leaves_its_bounds_is_named(experiments: Path) -> None:
    study = Study.load("small", experiments)
    numbers = {"by_code.answer": [42.0, 44.0], "energy.force_rmse_relative": [np.nan]}
    found = list(violations(study, numbers))
    assert found[0] == "OUTSIDE by_code.answer: each 44, expected within [41, 43]"
    assert "mean nan" in found[1]
    assert "there is no such number" in next(iter(violations(study, {})))


def test_exit_code_1_and_2(
    experiments: Path, outputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--experiments", str(experiments)]
    assert main(["reproduce", "smal", *where]) == 2
    assert "did you mean 'small'" in capsys.readouterr().err
    assert main(["reproduce", *where]) == 2
    assert "there are small" in capsys.readouterr().err
    assert main(["reproduce", "small", "--updat", *where]) == 2
    expected = experiments / "small" / "expected.yaml"
    before = expected.read_text()
    expected.write_text("by_code.answer: {each: [0, 1]}\n")
    try:
        assert main(["reproduce", "small", *where, *BASIC, f"outputs={outputs}"]) == 1
    finally:
        expected.write_text(before)
    assert "OUTSIDE by_code.answer: each 42" in capsys.readouterr().out


def test_a_failing_run_is_reported_after_the_others(experiments: Path, tmp_path: Path) -> None:
    study = Study.load("small", experiments)
    direct = replace(study.arms[0], seeds=(1,))
    broken = replace(direct, name="broken", overrides=(*direct.overrides, "loss=force_circulation"))
    later = replace(direct, name="later", overrides=(*direct.overrides, "trainer.start_from=${run:direct}"))
    with pytest.raises(InputError, match="1 bead in 1 dimension"):
        reproduce(replace(study, arms=(broken, direct, later)), [*BASIC, f"outputs={tmp_path}"], say=quiet)
    assert len(list(tmp_path.glob("toy_julia/*/metrics.json"))) == 1  # all of the level but that of the broken arm


def test_what_the_study_decides_is_refused(experiments: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for word in ("seed=3", "force=true", "run=somewhere"):
        assert main(["reproduce", "small", "--experiments", str(experiments), word]) == 2
        assert f"{word} is the study's own" in capsys.readouterr().err


def test_the_job_can_be_sent_to_another_process(tmp_path: Path) -> None:
    job = pickle.loads(pickle.dumps(_Job([str(tmp_path)], 0.0)))
    assert job.total == 1
    assert job.done_before == 0


def test_results_of_other_settings_stay_apart(experiments: Path, outputs: Path) -> None:
    kept = (outputs / "reproduced" / "small" / "numbers.json").read_bytes()
    study = Study.load("small", experiments)
    few = replace(study, arms=(replace(study.arms[0], seeds=(1,)), study.arms[-1]))
    reproduce(few, [*BASIC, f"outputs={outputs}", "model.width=3"], say=quiet)
    assert (outputs / "reproduced" / "small" / "numbers.json").read_bytes() == kept
    assert len(list((outputs / "reproduced").iterdir())) == 2


@pytest.mark.parametrize(
    ("text", "part"),
    [("def figures(:", "cannot be imported"), ("import nothing_here", "cannot be imported"), ("", "has no function")],
)
def test_broken_figure_code_is_found_before_anything_runs(tmp_path: Path, text: str, part: str) -> None:
    (tmp_path / "figures.py").write_text(text)
    with pytest.raises(InputError, match=part):
        load_code(tmp_path)


def test_only_the_study_as_it_is_may_be_kept(experiments: Path, tmp_path: Path) -> None:
    study = Study.load("small", experiments)
    with pytest.raises(InputError, match=r"but trainer\.max_epochs=3 changes it"):
        reproduce(study, [*BASIC, f"outputs={tmp_path}", "trainer.max_epochs=3"], update=True, say=quiet)


def test_a_folder_without_figure_code_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no figures\.py"):
        load_code(tmp_path)


def test_a_part_has_verb_code_and_results_of_its_own(
    experiments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_active(config: Config, say: Callable[[str], None]) -> RunFolder:
        folder = folder_of(config)
        folder.write_config(config)
        write_json(folder.metrics, {"rounds": 3})
        return folder

    module = ModuleType("cgexp.runs.active")
    module.run_active = run_active  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cgexp.runs.active", module)
    command = ["reproduce", "small", "part=part", "--experiments", str(experiments), *BASIC, f"outputs={tmp_path}"]
    assert main([*command, "--update"]) == 0
    assert (tmp_path / "reproduced" / "small" / "part" / "figures" / "empty.png").is_file()
    assert (experiments / "small" / "part" / "numbers.json").is_file()
    assert "1 runs to do" in capsys.readouterr().out
    assert main(command) == 0
    assert "runs to do" not in capsys.readouterr().out
    assert main([*command, "part=other"]) == 2
    assert "expected one part, got part and other" in capsys.readouterr().err


def test_rounds_that_are_kept_are_resumed_from_on_another_machine(
    experiments: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_active(config: Config, say: Callable[[str], None]) -> RunFolder:
        folder = folder_of(config)
        folder.write_config(config)
        for number in range(2):
            place = RoundFolder(folder.path, number)
            write_json(place.record, round_with(round=number, metrics={"w1_x": 0.5}).to_json())
            write_frames(place.added, load_packaged("chignolin_mini").select(slice(2)))
            place.selection.write_bytes(b"")
        write_json(folder.metrics, {"rounds": 3.0})
        return folder

    module = ModuleType("cgexp.runs.active")
    module.run_active = run_active  # type: ignore[attr-defined]
    module.final_metrics = lambda rounds: {**rounds[-1].metrics, "rounds": 3.0}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cgexp.runs.active", module)
    folder = tmp_path / "small"
    shutil.copytree(experiments / "small", folder)
    code = PART_FIGURES.replace('results.runs("plain")', 'results.by_arm["plain"]')
    (folder / "part" / "figures.py").write_text(code)
    command = ["reproduce", "small", "part=part", "--experiments", str(tmp_path), *BASIC]
    assert main([*command, f"outputs={tmp_path / 'here'}", "--resume"]) == 2
    assert "nothing to resume from" in capsys.readouterr().err
    assert main([*command, f"outputs={tmp_path / 'here'}", "--update"]) == 0
    assert (folder / "part" / "rounds.csv").read_text().count("\nplain,1,") == 2
    capsys.readouterr()

    assert main([*command, f"outputs={tmp_path / 'there'}", "--resume", "--update"]) == 0
    said = capsys.readouterr().out
    assert "1 runs are known from" in said
    assert "runs to do" not in said
    assert main([*command, f"outputs={tmp_path / 'there'}", "--resume", "trainer.max_epochs=1"]) == 0
    assert "1 runs to do" in capsys.readouterr().out
    # numbers and figures that need the folder of a run are those that are kept
    (folder / "part" / "figures.py").write_text(PART_FIGURES.replace("Figure((1, 1))", "lambda: results.runs('plain')"))
    assert main([*command, f"outputs={tmp_path / 'there'}", "--resume"]) == 0
    said = capsys.readouterr().out
    assert "need the folder of plain, seed 1" in said
    assert "not drawn again, since they need folders of runs that are on another machine: empty" in said
    assert "all 1 expected numbers are within their bounds, but 1 of them were not computed again" in said


def test_an_arm_of_one_seed_serves_all(experiments: Path, tmp_path: Path) -> None:
    study = Study.load("small", experiments)
    teacher = replace(study.arms[0], name="teacher", seeds=(5,))
    student = replace(study.arms[0], name="student", seeds=(1, 2))
    student = replace(student, overrides=(*student.overrides, "trainer.start_from=${run:teacher}"))
    found = _configs(replace(study, arms=(teacher, student)), [f"outputs={tmp_path}"])
    (folder,) = (folder_of(config).path for config in found["teacher"])
    assert [config["trainer"]["start_from"] for config in found["student"]] == [str(folder)] * 2


def test_a_run_that_goes_on_from_another_is_looked_for_where_it_lies(outputs: Path) -> None:
    """What its own arm does not repeat, as a model's width, is that of the run that it goes on from."""
    parent = next(path.parent for path in outputs.glob("*/*/metrics.json"))
    config = compose([f"run={parent}", "analysis.n_grid=33"])
    assert _place(config).path == resolve(config)[1].path != folder_of(config).path
