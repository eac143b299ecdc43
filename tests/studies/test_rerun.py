"""cgexp rerun: the same numbers again, or which differ by how much."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cgexp.cli.main import main
from cgexp.errors import InputError
from cgexp.runs.folder import RunFolder
from cgexp.runs.pipeline import run
from cgexp.store import write_json, write_record
from cgexp.studies.rerun import changed_numbers, rerun
from tests.runs.small import configure, quiet


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return run(configure(tmp_path_factory.mktemp("outputs"), "experiment=toy_cgnet"), say=quiet)


def test_a_run_made_again_is_equal_to_the_last_digit(
    finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rerun", str(finished.path), f"to={tmp_path / 'again'}"]) == 0
    assert "equal to the last digit" in capsys.readouterr().out
    assert list((tmp_path / "again" / "data").iterdir())  # data are made again, too
    assert main(["rerun", str(finished.path), f"to={tmp_path / 'again'}"]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_run_that_is_damaged_is_not_made_again(
    finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = RunFolder(shutil.copytree(finished.path, tmp_path / "copy"))
    monkeypatch.setattr("cgexp.studies.rerun.run", lambda config: pytest.fail("it was begun"))
    for path in (copy.history, copy.prior):
        kept = path.read_bytes()
        path.write_bytes(b"")
        with pytest.raises(InputError, match=rf"{path.name}.*cgexp run run="):
            rerun(copy.path, tmp_path / "again")
        path.write_bytes(kept)


def test_it_is_made_below_outputs_unless_another_folder_is_given(
    finished: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs, asked = finished.path.parents[1], []
    monkeypatch.setattr("cgexp.studies.rerun.rerun", lambda path, to: asked.append(to) or path)
    assert main(["rerun", finished.path.name, f"outputs={outputs}"]) == 0
    assert asked == [outputs / "reruns" / finished.path.name]


def test_what_is_not_equal_is_told_with_its_size(
    finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = RunFolder(shutil.copytree(finished.path, tmp_path / "other"))
    record = other.read_provenance()
    record["stages"]["evaluate"]["threads"] = 99
    record["stages"]["evaluate"]["files"].pop("metrics.json")
    write_record(other.provenance, record)
    metrics = json.loads(other.metrics.read_text())
    write_json(other.metrics, {**metrics, "w1_x": metrics["w1_x"] + 0.5, "train_seconds": 1e9})
    (change,) = changed_numbers(finished.path, other.path)
    assert (change.name, change.size) == ("w1_x", pytest.approx(0.5))
    monkeypatch.setattr("cgexp.studies.rerun.rerun", lambda path, to: other.path)
    assert main(["rerun", finished.path.name, f"outputs={finished.path.parents[1]}"]) == 1
    said = capsys.readouterr().out
    assert "w1_x: " in said
    assert "threads (evaluate)" in said
    assert "w1_x (+0.5)" in said
    assert "train_seconds" not in said


def test_other_weights_and_trajectories_are_seen(finished: RunFolder) -> None:
    other = run(configure(finished.path.parents[1], "experiment=toy_cgnet", "seed=9"), say=quiet)
    wider = run(configure(finished.path.parents[1], "experiment=toy_cgnet", "model.width=9"), say=quiet)
    sizes = {change.name: change.size for change in changed_numbers(finished.path, other.path)}
    assert sizes["trajectory"]
    assert any(name.startswith("weights: ") and size for name, size in sizes.items())
    assert sizes["training: loss_train_running"]
    shapes = [
        c for c in changed_numbers(finished.path, wider.path) if c.name.startswith("weights: ") and c.size is None
    ]
    assert shapes


@pytest.mark.parametrize(
    "words", [["rerun"], ["rerun", "a"], ["rerun", "a", "b"], ["rerun", "a", "to="], ["rerun", "latest"]]
)
def test_what_is_no_run_is_said_in_a_sentence(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # not where the user's own runs lie
    assert main(words) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_unfinished_run_has_nothing_to_make_again(finished: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(finished.path, tmp_path / "half")
    (tmp_path / "half" / "metrics.json").unlink()
    with pytest.raises(InputError, match="not finished"):
        rerun(tmp_path / "half", tmp_path / "again")
