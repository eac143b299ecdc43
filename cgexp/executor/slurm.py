"""Jobs of SLURM, one for each unit of work, by submitit."""

from __future__ import annotations

import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from cgexp.errors import InputError
from cgexp.executor.workers import RemoteExecutor, Workers, on_worker
from cgexp.parts.ranges import Positive, PositiveInt

if TYPE_CHECKING:
    import submitit

MOST_LOSSES = 3  # of the job of one unit, after which it is given up
LOOK_EVERY_S = 0.5


@dataclass(kw_only=True)
class SlurmWorkers(Workers):
    """Jobs of SLURM with one CPU core each; all machines must share the directory of the command.

    n_jobs: at a time. timeout_min: minutes, wall-clock limit of a job. mem_gb: GB, memory of a job. partition: None for
    SLURM's default. folder: where submitit keeps jobs and their logs.
    """

    n_jobs: PositiveInt = 16
    timeout_min: PositiveInt = 240
    mem_gb: Positive = 4.0
    partition: str | None = None
    folder: str = "outputs/.slurm"

    @contextmanager
    def open(self) -> Iterator[RemoteExecutor]:
        if shutil.which("sbatch") is None:
            raise InputError("there is no SLURM on this machine (no sbatch): run this where jobs are submitted")
        try:
            import submitit
        except ImportError as error:
            raise InputError('submitit is not installed: run pip install "cgexp[cluster]"') from error
        host = submitit.SlurmExecutor(folder=Path(self.folder).resolve())
        host.update_parameters(
            job_name="cgexp",
            time=self.timeout_min,
            cpus_per_task=1,
            mem=f"{round(1024 * self.mem_gb)}M",
            **({} if self.partition is None else {"partition": self.partition}),
        )
        with SlurmExecutor(host, self.n_jobs) as executor:
            yield executor


@dataclass
class _Unit:
    """A unit of work, its job if it has one, and how many jobs it has lost."""

    future: Future[Any]
    work: Callable[[], Any]
    job: Any = None
    n_lost: int = 0


class SlurmExecutor(RemoteExecutor):
    """Units of work as jobs of ``host``, n_jobs at a time; a job that is lost (scancel, a dead node) is begun again.

    One thread submits jobs and looks after them. Left by an exception, it cancels all jobs.
    """

    def __init__(self, host: submitit.Executor, n_jobs: int) -> None:
        super().__init__()
        self._host, self._n_jobs = host, n_jobs
        self._waiting: deque[_Unit] = deque()
        self._changed, self._left = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._look_after, name="slurm", daemon=True)
        self._thread.start()

    @property
    def n_workers(self) -> int:
        return self._n_jobs

    def begin(self, future: Future[Any], work: Callable[[], Any]) -> None:
        self._waiting.append(_Unit(future, work))
        self._changed.set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, traceback)
        finally:
            self._left.set()
            self._changed.set()
            self._thread.join()

    def _look_after(self) -> None:
        running: list[_Unit] = []
        reason = "it was cancelled"
        try:
            while not self._left.is_set():
                self._changed.wait(LOOK_EVERY_S if running or self._waiting else None)
                self._changed.clear()
                self._look_once(running)
        except Exception as error:  # of submitit: nobody waits for ever
            reason = f"its job cannot be followed: {error}"
        for unit in [*running, *self._waiting]:
            if unit.job is not None:
                unit.job.cancel()
            if not unit.future.done():
                unit.future.set_exception(BrokenExecutor(reason))

    def _look_once(self, running: list[_Unit]) -> None:
        """Submit what there is room for, and settle what has ended."""
        while self._waiting and len(running) < self._n_jobs and not self._left.is_set():
            unit = self._waiting.popleft()
            if (unit.n_lost or unit.future.set_running_or_notify_cancel()) and self._submit(unit):
                running.append(unit)
        for unit in [unit for unit in running if unit.job.done()]:
            running.remove(unit)
            self._settle(unit)

    def _submit(self, unit: _Unit) -> bool:
        """Submit the unit's job, or tell its future why that is not possible."""
        try:
            unit.job = self._host.submit(outcome_of, unit.work)
        except Exception as error:
            unit.future.set_exception(BrokenExecutor(f"SLURM takes no job: {error}"))
            return False
        return True

    def _settle(self, unit: _Unit) -> None:
        from submitit.core.utils import UncompletedJobError

        try:
            value, error = unit.job.result()
        except UncompletedJobError as lost:
            unit.n_lost += 1
            if unit.n_lost < MOST_LOSSES:
                self._waiting.append(unit)
                self._changed.set()
            else:
                reason = str(lost).strip().splitlines()[0]
                unit.future.set_exception(BrokenExecutor(f"its jobs were lost {MOST_LOSSES} times, the last: {reason}"))
            return
        if error is None:
            unit.future.set_result(value)
        else:
            unit.future.set_exception(error)


def outcome_of(work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """In a job: what the work returns, or what it raises, which submitit would tell of in words alone."""
    try:
        return on_worker(work), None
    except Exception as error:
        return None, error
