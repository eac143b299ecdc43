"""What of a run lies elsewhere: a trajectory that is a link costs no other run its simulation; data left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import cgexp
from cgexp.cli.main import main
from cgexp.errors import InputError
from cgexp.runs.folder import RunFolder
from cgexp.runs.linked import claim_folder
from cgexp.runs.stages import discard, remove
from cgexp.simulation.trajectory import HEADER
from cgexp.store import Chunks, write_record


def simulated(folder: Path) -> Path:
    """What a simulation leaves in the folder of a trajectory."""
    claim_folder(folder)
    write_record(folder / HEADER, {"dt": 0.1, "n_steps": 10})
    Chunks(folder).append({"coords": np.zeros(3)})
    return folder


@pytest.fixture
def linked(tmp_path: Path) -> RunFolder:
    """A run whose trajectory is a link to that of another."""
    other = simulated(tmp_path / "theirs" / "trajectory")
    run = RunFolder(tmp_path / "mine")
    run.path.mkdir()
    run.trajectory.symlink_to(other)
    run.prior.write_text("{}")
    write_record(run.provenance, {"data": {"content_hash": "", "path": ""}, "stages": {"prior": {}}})
    return run


@pytest.mark.parametrize(
    "action",
    [
        lambda run: remove(run.trajectory),
        lambda run: discard(run, "prior"),
        lambda run: claim_folder(run.trajectory),  # before a simulation goes on there
    ],
)
@pytest.mark.parametrize("mark", ["theirs", "none", "damaged"])
def test_another_runs_simulation_is_neither_deleted_nor_continued(
    mark: str, action: Callable[[RunFolder], None], linked: RunFolder
) -> None:
    of = linked.trajectory.resolve() / "of_run.json"
    if mark == "none":
        of.unlink()
    elif mark == "damaged":
        of.write_text(of.read_text().replace('"sha256": "', '"sha256": "0'))
    before = {path: path.read_bytes() for path in linked.path.parent.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="holds a simulation that is not known to be of this run"):
        action(linked)
    assert {path: path.read_bytes() for path in before} == before


def test_scratch_that_is_this_runs_own_is_emptied(tmp_path: Path) -> None:
    run, scratch = RunFolder(tmp_path / "mine"), tmp_path / "scratch"
    simulated(run.trajectory).rename(scratch)  # moved there afterwards
    (scratch / "notes.txt").write_text("mine")
    run.trajectory.symlink_to(scratch)
    remove(run.trajectory)
    assert run.trajectory.is_symlink()
    assert sorted(path.name for path in scratch.iterdir()) == ["notes.txt", "of_run.json"]
    simulated(run.trajectory)  # and used from the beginning


def test_data_that_were_left_behind_are_made_again_as_advised(tmp_path: Path) -> None:
    made = tmp_path / "outputs"
    assert main(["train", "debug=fast", "trainer.max_epochs=1", f"outputs={made}"]) == 0
    (folder,) = (made / "toy_cgnet").iterdir()
    moved = tmp_path / "mailed" / "run"
    moved.parent.mkdir()
    folder.rename(moved)
    with pytest.raises(
        InputError, match=r"are not at .*frames\.npz: move them there .* `cgexp data run=.*` makes them"
    ):
        _ = cgexp.load(moved).frames
    assert main(["data", f"run={moved}"]) == 0
    assert len(cgexp.load(moved).frames) == 240


def test_a_link_to_no_folder_is_told_before_anything_is_deleted(linked: RunFolder) -> None:
    linked.trajectory.unlink()
    linked.trajectory.symlink_to(linked.path / "nowhere")
    with pytest.raises(InputError, match="is a link to a folder that is not there"):
        discard(linked, "prior")
    assert linked.prior.is_file()
