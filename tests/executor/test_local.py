"""Executors: the same face for this process and for others, and no process is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import pytest

from cgexp.errors import InputError
from cgexp.executor.apart import Ask, do_apart
from cgexp.executor.local import InlineExecutor, ProcessPool, local_executor

ORPHANS = """
import os, sys, time
from cgexp.executor.local import local_executor
if __name__ == "__main__":
    with local_executor(2) as executor:
        print(*{executor.submit(os.getpid).result() for _ in range(4)}, flush=True)
        executor.submit(time.sleep, 600)
        time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_end(pids: list[int]) -> bool:
    deadline = time.monotonic() + 20.0
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(alive, pids))


def test_one_walker_needs_no_process() -> None:
    with local_executor(1) as executor:
        assert isinstance(executor, InlineExecutor)
        assert executor.submit(os.getpid).result() == os.getpid()
        assert list(executor.map(abs, (-1, 2))) == [1, 2]
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result()


def test_several_run_in_processes_of_one_thread() -> None:
    with local_executor(2) as executor:
        assert isinstance(executor, ProcessPool)
        assert executor.submit(os.getpid).result() != os.getpid()
        assert executor.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"


def test_an_error_ends_running_work_at_once() -> None:
    started, pids, running = time.monotonic(), [], []

    def interrupted() -> None:
        with local_executor(2) as executor:
            pids.append(executor.submit(os.getpid).result())
            running.append(executor.submit(time.sleep, 600))
            while not running[0].running():
                time.sleep(0.01)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - started < 60.0
    assert wait_for_end(pids)
    assert isinstance(running[0].exception(), BrokenExecutor)


def _kill_one_of_two() -> None:
    with local_executor(2) as executor:
        list(executor.map(time.sleep, [0.1] * 4))  # both are there: Python 3.11 may wait for ever for one begun later
        os.kill(executor.submit(os.getpid).result(), signal.SIGKILL)
        list(executor.map(time.sleep, [0.1] * 50))


def test_a_killed_worker_breaks_the_pool() -> None:
    with pytest.raises(BrokenExecutor):
        _kill_one_of_two()


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_workers_end_when_the_main_process_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as main:
        assert main.stdout is not None
        pids = [int(word) for word in main.stdout.readline().split()]
        main.kill()
    assert pids
    assert wait_for_end(pids)


def doubled(unit: object, ask: Ask) -> object:
    """Answers, asks, hangs, dies or raises as the unit says."""
    if unit == "asks":
        return ask("how much")
    if unit == "hangs":
        time.sleep(60.0)
    if unit == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if unit == "interrupted":
        raise KeyboardInterrupt
    if unit == "mistaken":
        raise InputError("a mistake")
    return 2 * int(str(unit))


def test_work_apart_is_answered_given_up_and_done_by_another_process() -> None:
    units = iter([("a", 1), ("b", "asks"), ("c", "hangs"), ("d", "dies"), ("e", 2)])
    told: list[object] = []

    def answer(name: object, question: object) -> object:
        told.append((name, question))
        return 7

    found = dict(do_apart(doubled, units, 1, timeout_s=1.5, answer=answer))
    assert told == [("b", "how much")]
    assert [found[name].value for name in "abe"] == [2, 7, 4]
    assert found["c"].problem == "no answer within 1.5 s"
    assert found["d"].problem == "its process ended with exit code -9"
    assert multiprocessing.active_children() == []


def test_work_apart_that_is_terminated_ends_without_a_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    found = dict(do_apart(doubled, iter([("a", "interrupted")]), 1))
    assert found["a"].problem == "its process ended with exit code 143"
    assert "Traceback" not in capfd.readouterr().err


def test_a_mistake_in_work_apart_ends_all_processes() -> None:
    with pytest.raises(InputError, match="a mistake"):
        list(do_apart(doubled, iter([("a", "mistaken"), ("b", "hangs")]), 2))
    assert multiprocessing.active_children() == []


def test_a_job_of_joblib_has_processes_of_its_own() -> None:
    """Its default start method is joblib's, which a new process takes over but does not know."""
    joblib = pytest.importorskip("joblib")
    with joblib.parallel_config(backend="loky"):
        found = joblib.Parallel(n_jobs=2)([joblib.delayed(in_a_process)(n) for n in (1, 2)])
    assert found == [2, 3]


def in_a_process(number: int) -> int:
    with ProcessPool(1) as pool:
        return pool.submit(int.__add__, number, 1).result(timeout=60)
