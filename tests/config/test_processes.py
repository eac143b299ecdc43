"""Processes of a sweep: their end, their threads, and what SIGTERM means to the one that began them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cgexp.config import processes
from cgexp.config.processes import ends_on_terminate, threads_for

CHILD = "import os, sys, time; from cgexp.config.processes import serve; serve(os.getppid(), sys.argv[1] == 'told'); print(os.getpid(), os.environ.get('OMP_NUM_THREADS'), flush=True); time.sleep(60)"  # fmt: skip  # noqa: E501
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1], sys.argv[2]])"

POOL = """
import os, pathlib, time, joblib
from cgexp.config.processes import joblib_workers_begin_so
with joblib_workers_begin_so():
    joblib.Parallel(n_jobs=2, backend="loky")([joblib.delayed(os.getpid)()])
print(pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text(), flush=True)
time.sleep(60)
"""

FORK = """
import os, signal, time
from concurrent.futures import BrokenExecutor
from cgexp.config.processes import forked, may_fork
forked(lambda: print(may_fork(), os.environ["OMP_NUM_THREADS"], flush=True))
try:
    forked(lambda: os.kill(os.getpid(), signal.SIGKILL))
except BrokenExecutor as error:
    print(error, flush=True)
try:
    forked(lambda: [print(os.getpid(), flush=True), time.sleep(60)])
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
@pytest.mark.parametrize("ends_by", [signal.SIGTERM, signal.SIGKILL])
def test_a_fork_does_the_work_tells_of_its_death_and_ends_with_its_parent(ends_by: signal.Signals) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", FORK]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        # within, a thread looks for the parent: a fork of the fork would have half of it
        assert parent.stdout.readline().split() == ["False", "1"]
        assert parent.stdout.readline() == "its process ended with exit code -9\n"
        worker = parent.stdout.readline().strip()
        parent.send_signal(ends_by)
        assert parent.stdout.read() == ("interrupted\n" if ends_by == signal.SIGTERM else "")
        assert parent.stderr.read() == ""
    end = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists():
        assert time.monotonic() < end, "the fork outlived its parent"
        time.sleep(0.1)


@pytest.mark.parametrize(("told", "threads"), [("told", "None"), ("untold", "1")])
def test_a_worker_ends_with_its_parent_and_has_one_thread_unless_told(told: str, threads: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", PARENT, CHILD, told]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker, found = parent.stdout.readline().split()
        assert found == threads
        parent.kill()
    end = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists():
        assert time.monotonic() < end, "the worker outlived its parent"
        time.sleep(0.1)


def test_workers_of_joblib_without_a_job_end_with_their_parent() -> None:
    pytest.importorskip("joblib")
    command = [sys.executable, "-c", POOL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        workers = parent.stdout.readline().split()
        parent.kill()
    assert len(workers) >= 2
    end = time.monotonic() + 10
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < end, "a worker outlived its parent"
        time.sleep(0.1)


def test_sigterm_is_as_ctrl_c_and_means_what_it_did_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ends_on_terminate():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_sigterm_is_not_lost_where_python_ignores_what_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminated:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    ignored: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: ignored.append(told.exc_type.__name__))
    monkeypatch.setattr(processes, "LOOK_AGAIN_S", 0.02)

    def work() -> None:
        Terminated()
        time.sleep(20)
        raise AssertionError("went on as if there had been no SIGTERM")

    _is_interrupted(work)
    assert ignored == ["_Terminated"]


def test_sigterm_that_somebody_keeps_ends_what_it_was_meant_for() -> None:
    kept = []

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt as error:
            kept.append(error)

    _is_interrupted(work)
    assert kept


def test_what_tidies_up_after_sigterm_is_not_interrupted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise SystemExit(1) from None  # as Lightning answers
        finally:
            time.sleep(0.1)
            done.append("tidied up")

    monkeypatch.setattr(processes, "LOOK_AGAIN_S", 0.01)
    _is_interrupted(work, SystemExit)
    assert done


def _is_interrupted(work: Callable[[], None], by: type[BaseException] = KeyboardInterrupt) -> None:
    with pytest.raises(by), ends_on_terminate():
        work()


@pytest.mark.parametrize(("told", "n_beads", "expected"), [(None, 1, 1), (None, 10, 3), ("2", 1, 3)])
def test_a_toy_has_one_thread_unless_told(
    told: str | None, n_beads: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if told:
        monkeypatch.setenv("OMP_NUM_THREADS", told)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with threads_for(n_beads):
            assert torch.get_num_threads() == expected
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
