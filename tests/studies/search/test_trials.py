"""Trials as real runs: one that is pruned says so and can go on; a search that is killed loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cgexp.config.compose import compose
from cgexp.errors import MistakeOfOptions
from cgexp.studies.catalogue import entry_of
from cgexp.studies.query import conditions, select
from cgexp.studies.search.book import JOURNAL
from cgexp.studies.search.trials import DONE, FAILED, PRUNED, Unit, do_runs

FAST = ["debug=fast", "experiment=toy_cgnet", "simulation=none", "logger=csv", "figures=none"]
SEARCH = [
    *FAST,
    "objective=loss_excess_relative",
    "pruner=halving",
    "min_epochs=1",
    "trainer.max_epochs=4",
    "name=mine",
]


def unit(outputs: Path, *overrides: str, objective: str = "loss_validation", is_pruned: bool = False) -> Unit:
    return Unit([compose([*FAST, f"outputs={outputs}", *overrides])], objective, is_pruned)


def test_a_run_that_is_pruned_says_so_and_goes_on_when_it_is_asked_for(tmp_path: Path) -> None:
    ran = do_runs(unit(tmp_path, is_pruned=True), lambda told: told[0] == 1)
    assert (ran.state, ran.sentence, ran.epochs, ran.metrics) == (PRUNED, "stopped after epoch 1 of 2", 1.0, [])
    entry = entry_of(ran.paths[0])
    assert (entry.state, entry.sentence) == ("pruned", "train: stopped after epoch 1 of 2")
    assert select([entry], conditions("state=pruned")) == [entry]
    assert not entry.folder.metrics.exists()
    assert not entry.folder.log.exists()
    whole = do_runs(unit(tmp_path), lambda _: pytest.fail("is not asked"))
    assert (whole.state, whole.epochs, whole.paths) == (DONE, 2.0, ran.paths)
    assert entry_of(ran.paths[0]).state == "done"
    with pytest.raises(MistakeOfOptions, match=r"objective=loss_validaton is no metric of this run \(did you mean"):
        do_runs(unit(tmp_path, objective="loss_validaton"), lambda _: False)


def test_a_run_that_fails_is_a_sentence(tmp_path: Path) -> None:
    ran = do_runs(unit(tmp_path, "scheduler=none", "optimizer.lr=1e30"), lambda _: False)
    assert ran.state == FAILED
    assert ran.sentence.startswith("the training loss is not finite after epoch")
    assert "Traceback" not in ran.sentence


def trials_in(outputs: Path) -> list[dict[str, Any]]:
    """Lines of the journal that say that a trial has ended."""
    path = outputs / "searches" / "mine" / JOURNAL
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    return [line for line in lines if line.get("state") in (1, 2, 3)]


def searching(outputs: Path) -> subprocess.Popen[str]:
    words = [*SEARCH, "n_trials=8", "n_jobs=2", f"outputs={outputs}"]
    return subprocess.Popen(
        [sys.executable, "-m", "cgexp.cli.main", "search", *words], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "CGEXP_TEST_SEARCH": str(outputs)},
    )  # fmt: skip


def left(outputs: Path) -> list[int]:
    """Processes of the searches in ``outputs`` that run."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"CGEXP_TEST_SEARCH={outputs}".encode() in (path / "environ").read_bytes():
                found.append(int(path.name))
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return found


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_search_that_is_killed_goes_on_and_does_nothing_twice(tmp_path: Path) -> None:
    for n_ended in (1, 4):
        process = searching(tmp_path)
        while len(trials_in(tmp_path)) < n_ended and process.poll() is None:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        end = time.monotonic() + 10.0
        while left(tmp_path) and time.monotonic() < end:
            time.sleep(0.05)
        assert left(tmp_path) == []
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("toy_cgnet/*/metrics.json")}
    process = searching(tmp_path)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert "8 trials: " in out
    assert "cgexp run " in out
    assert len({line["trial_id"] for line in trials_in(tmp_path)}) == len(trials_in(tmp_path)) == 8
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
