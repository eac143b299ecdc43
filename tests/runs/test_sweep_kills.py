"""A sweep of 24 jobs in two processes, of which parent and children are killed: nothing is lost or done twice."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cgexp.studies.catalogue import catalogue
from cgexp.studies.sweeps import status_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc"),
]

MARK = "CGEXP_TEST_SWEEP"
RATES = [f"{rate}e-4" for rate in range(1, 24)]
FAILS = "1e30"
FAST = ["debug=fast", "experiment=toy_cgnet", "figures=none", "scheduler=none", "launcher=joblib", "sweep.name=mine"]
SECONDS_TO_END = 10.0


def started(outputs: Path) -> subprocess.Popen[str]:
    words = ["run", "-m", *FAST, f"optimizer.lr={','.join([*RATES, FAILS])}", f"outputs={outputs}"]
    environment = {**os.environ, MARK: str(outputs), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "cgexp.cli.main", *words],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def processes(outputs: Path) -> Iterator[tuple[int, str]]:
    """Ids and command lines of what descends from a call and runs."""
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is another user's
            marked = f"{MARK}={outputs}".encode() in (path / "environ").read_bytes()
            if marked and (path / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                yield int(path.name), (path / "cmdline").read_text()


def finished(outputs: Path) -> dict[str, int]:
    """Metrics there are, and when they were written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in outputs.glob("toy_cgnet/*/metrics.json")}


def wait_for(outputs: Path, n_done: int, process: subprocess.Popen[str]) -> None:
    while len(finished(outputs)) < n_done:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def kill_child(outputs: Path, number: int) -> None:
    """Kill one of the processes that do the jobs."""
    workers = [pid for pid, command in processes(outputs) if "LokyProcess" in command]
    os.kill(workers[number % len(workers)], signal.SIGKILL)


def kill_parent(process: subprocess.Popen[str], outputs: Path) -> None:
    process.kill()
    process.communicate()
    end = time.monotonic() + SECONDS_TO_END
    while (left := list(processes(outputs))) and time.monotonic() < end:
        time.sleep(0.05)
    assert left == [], f"{SECONDS_TO_END:g} s after the kill there still run {left}"


def test_a_sweep_loses_nothing_to_kills(tmp_path: Path) -> None:
    seen: dict[str, int] = {}
    process = started(tmp_path)
    for number, n_done in enumerate((3, 7)):
        wait_for(tmp_path, n_done, process)
        kill_child(tmp_path, number)
    wait_for(tmp_path, 11, process)
    kill_parent(process, tmp_path)
    seen |= finished(tmp_path)
    assert not status_of(tmp_path).is_running
    process = started(tmp_path)
    wait_for(tmp_path, 16, process)
    kill_parent(process, tmp_path)
    seen |= finished(tmp_path)

    out = started_to_end(tmp_path)
    states = [entry.state for entry in catalogue(tmp_path)]
    assert (states.count("done"), states.count("failed"), len(states)) == (23, 1, 24)
    assert "optimizer.lr=1e+30: the training loss is not finite" in out
    assert "1 of 24 jobs failed" in out
    found = finished(tmp_path)
    assert {name: found[name] for name in seen} == seen, "a finished run was done again"
    assert (tmp_path / "sweeps" / "mine" / "comparison.html").is_file()
    assert [job.state for job in status_of(tmp_path).jobs].count("done") == 23

    before, began = used_s(), time.monotonic()
    started_to_end(tmp_path)
    print(f"\nrepeated: {time.monotonic() - began:.1f} s, {used_s() - before:.1f} s of CPU time")
    assert used_s() - before < 8.0  # the job that fails is done again: four fifths of it import torch and Lightning
    assert finished(tmp_path) == found


def started_to_end(outputs: Path) -> str:
    process = started(outputs)
    out, _ = process.communicate()
    assert process.returncode == 2, out
    return out


def used_s() -> float:
    """CPU seconds of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
