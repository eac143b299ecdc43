"""How far a sweep is: states of its jobs while it runs and after, and the page at its end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cgexp.cli.main import main
from cgexp.errors import InputError
from cgexp.runs.folder import RunFolder
from cgexp.runs.lock import lock
from cgexp.runs.sweeps import record_folder, recorded, sweeps_in
from cgexp.store import write_record
from cgexp.studies.arms import compare_sweep
from cgexp.studies.catalogue import entry_of
from cgexp.studies.comparison import write_pages
from cgexp.studies.sweeps import INTERRUPTED, lines, status_of
from tests.studies.synthetic import config_with, put

NAMES = ("done", "failed", "begun", "works", "starts", "later")


@pytest.fixture
def jobs(tmp_path: Path) -> list[tuple[str, Path]]:
    """The jobs of a sweep, of which some have not begun."""
    put(tmp_path, "done", config_with(1), {"w1_x": 0.1})
    put(tmp_path, "failed", config_with(2), failure="the bond blew up")
    put(tmp_path, "begun", config_with(3))
    put(tmp_path, "works", config_with(4)).keep_progress(
        {"label": "training: epoch", "done": 3, "total": 12, "left_s": 21.0, "text": ""}
    )
    return [(f"seed={seed}", tmp_path / "toy_cgnet" / name) for seed, name in enumerate(NAMES, start=1)]


def test_a_sweep_tells_of_its_jobs_while_it_runs_and_after(tmp_path: Path, jobs: list[tuple[str, Path]]) -> None:
    folder = record_folder(tmp_path, "mine")
    with recorded(folder, tmp_path, jobs), lock(jobs[3][1]), lock(jobs[4][1]):
        os.utime(jobs[0][1] / "metrics.json")
        status = status_of(tmp_path)
        assert status.is_running
        assert [job.state for job in status.jobs] == ["done", "failed", "unfinished", "running", "running", "waiting"]
        assert (status.jobs[3].progress, status.jobs[3].left_s) == ("training: epoch 3/12", 21.0)
        assert status.left_s is not None
        told = "\n".join(lines(status))
        assert "failed (seed=2): train: the bond blew up" in told
        assert "21s" in told
        assert "6 jobs, 1 done, 1 failed, 1 unfinished, 2 running, 1 waiting; about" in told
    after = status_of(tmp_path, "mine")
    assert not after.is_running
    assert [job.state for job in after.jobs][2:] == ["unfinished", "unfinished", "missing", "missing"]
    assert after.jobs[2].sentence == INTERRUPTED
    assert "not running" in "\n".join(lines(after))


def test_it_is_asked_on_the_command_line(
    tmp_path: Path, jobs: list[tuple[str, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("first", "second"):
        with recorded(record_folder(tmp_path, name), tmp_path, jobs):
            pass
    os.utime(tmp_path / "sweeps" / "first" / "jobs.json", (0, 0))
    assert sweeps_in(tmp_path) == ["second", "first"]
    assert main(["status", f"outputs={tmp_path}"]) == 0
    assert "second: 6 jobs" in capsys.readouterr().out
    assert main(["status", "first", "--json", f"outputs={tmp_path}"]) == 0
    assert [job["state"] for job in json.loads(capsys.readouterr().out)["jobs"]][:2] == ["done", "failed"]
    for words, part in ((["frist"], "frist is no sweep (did you mean 'first'?)"), (["a", "b"], "takes one sweep")):
        assert main(["status", *words, f"outputs={tmp_path}"]) == 2
        assert part in capsys.readouterr().err


@pytest.mark.parametrize(("verb", "is_known"), [("train", True), ("run", False)])
def test_the_time_left_counts_what_the_verb_ends_with(tmp_path: Path, verb: str, is_known: bool) -> None:
    """A run that is trained is at its end for `cgexp train -m`, and not for `cgexp run -m`."""
    for name in ("a", "b"):
        trained = put(tmp_path, name, config_with(1), {"w1_x": 0.1})
        record = trained.read_provenance()
        write_record(trained.provenance, {**record, "stages": {"train": record["stages"]["train"]}})
    jobs = [(name, tmp_path / "toy_cgnet" / name) for name in ("a", "b", "c")]
    with recorded(record_folder(tmp_path, "mine"), tmp_path, jobs, verb):
        os.utime(jobs[0][1] / "provenance.json")
        status = status_of(tmp_path)
    assert [job.state for job in status.jobs] == ["trained", "trained", "waiting"]
    assert (status.left_s is not None) == is_known


def test_without_a_sweep_there_is_nothing_to_tell(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no sweep in"):
        status_of(tmp_path)


def test_of_two_sweeps_of_one_name_the_first_is_told_of(tmp_path: Path, jobs: list[tuple[str, Path]]) -> None:
    folder = record_folder(tmp_path, "lab/mine")
    assert folder.name == "lab-mine"
    with recorded(folder, tmp_path, jobs):
        with recorded(folder, tmp_path, jobs[:1]):
            assert len(status_of(tmp_path).jobs) == len(jobs)
        assert status_of(tmp_path).is_running


def test_a_sweep_ends_with_a_page_of_its_runs(tmp_path: Path) -> None:
    runs = [
        put(tmp_path, f"{width}-{fold}", config_with(0, model__width=width, trainer__fold=fold), {"w1_x": 1.0 / width})
        for width in (20, 40)
        for fold in (0, 1)
    ]
    entries = [entry_of(run.path) for run in runs]
    (page,) = write_pages(tmp_path / "sweeps" / "mine", compare_sweep(entries, ["trainer.fold"]))
    assert page == tmp_path / "sweeps" / "mine" / "comparison.html"
    assert "2 arms, 4 runs" in page.read_text()
    assert write_pages(tmp_path, compare_sweep(entries[:1], [])) == []


def test_progress_is_kept_until_a_stage_has_ended(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    told = {"label": "x", "done": 1, "total": 2, "left_s": None, "text": ""}
    folder.keep_progress(told)
    assert folder.read_progress() == told
    folder.progress.write_text("{")
    assert folder.read_progress() is None
    folder.keep_progress({**told, "done": 2})
    assert not folder.progress.exists()
