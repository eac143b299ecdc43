"""Jobs: every outcome is kept as soon as it is there, whatever happens to the others."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.all_atom.sampling.segment import Unstable
from cgexp.errors import InputError
from cgexp.executor.local import InlineExecutor
from cgexp.oracles.jobs import Job, Rejection, run_job, run_jobs
from cgexp.progress import silent


@dataclass(frozen=True)
class Square(Job):
    number: float

    def label(self) -> dict[str, NDArray[Any]]:
        if self.number < 0:
            raise Rejection("it is negative")
        if self.number == 0:
            raise Unstable("it blew up")
        if np.isnan(self.number):
            raise KeyboardInterrupt
        if np.isinf(self.number):
            raise ZeroDivisionError
        return {"square": np.array([self.number**2])}


class Counting(InlineExecutor):
    def __init__(self) -> None:
        self.n_submitted = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.n_submitted += 1
        return super().submit(fn, *args, **kwargs)


def jobs(*numbers: float) -> dict[str, Job]:
    return {f"job-{number}": Square(number) for number in numbers}


def test_outcomes_come_in_the_order_of_the_jobs_with_reasons() -> None:
    outcomes = run_jobs(jobs(2, -1, 0, 3), None, InlineExecutor(), silent)
    assert list(outcomes) == ["job-2", "job--1", "job-0", "job-3"]
    assert [outcome.reason for outcome in outcomes.values()] == ["", "it is negative", "it blew up", ""]
    assert outcomes["job-3"].arrays["square"].tolist() == [9.0]
    assert not outcomes["job--1"].arrays


def test_rejected_work_costs_too() -> None:
    class Slow(Job):
        def label(self) -> dict[str, NDArray[Any]]:
            sum(range(2_000_000))
            raise Rejection("late")

    assert run_job(Slow()).seconds > 0.005


def test_a_repeated_run_reads_what_is_there(tmp_path: Path) -> None:
    first, again, more = Counting(), Counting(), Counting()
    outcomes = run_jobs(jobs(2, -1), tmp_path, first, silent)
    repeated = run_jobs(jobs(-1, 2), tmp_path, again, silent)
    run_jobs(jobs(-1, 2, 3), tmp_path, more, silent)
    assert (first.n_submitted, again.n_submitted, more.n_submitted) == (2, 0, 1)
    for key, outcome in outcomes.items():
        assert (repeated[key].reason, repeated[key].seconds) == (outcome.reason, outcome.seconds)
        assert repeated[key].arrays.keys() == outcome.arrays.keys()


@pytest.mark.parametrize("executor", [InlineExecutor(), ThreadPoolExecutor(1)], ids=["inline", "threads"])
def test_a_failure_loses_nothing_that_was_finished(tmp_path: Path, executor: Any) -> None:
    numbers = [float(number) for number in range(1, 8)]
    with pytest.raises(ZeroDivisionError):
        run_jobs(jobs(*numbers, np.inf), tmp_path, executor, silent)
    kept = len(list(tmp_path.glob("*.npz")))
    counting = Counting()
    outcomes = run_jobs(jobs(*numbers), tmp_path, counting, silent)
    assert counting.n_submitted == len(numbers) - kept
    assert [outcomes[f"job-{number}"].arrays["square"][0] for number in numbers] == [n**2 for n in numbers]


def test_an_interrupt_loses_nothing_that_was_finished(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs(1, 2, np.nan, 3), tmp_path, InlineExecutor(), silent)
    assert len(list(tmp_path.glob("job-*.npz"))) == 2


def test_progress_counts_outcomes_up_to_the_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    run_jobs(jobs(1), tmp_path, InlineExecutor(), silent)
    run_jobs(jobs(1, 2, 3), tmp_path, InlineExecutor(), lambda done, total, text: seen.append((done, total)))
    assert seen == [(2, 3), (3, 3)]


def test_a_dead_worker_is_one_sentence(tmp_path: Path) -> None:
    class Dying(InlineExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(BrokenExecutor("gone"))
            return future

    with pytest.raises(InputError, match="a worker process ended before its label was done"):
        run_jobs(jobs(1), tmp_path, Dying(), silent)
