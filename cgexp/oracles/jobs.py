"""Jobs: labelling one configuration each, on any executor, each result stored as soon as it is there."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.sampling.segment import Unstable
from cgexp.errors import InputError
from cgexp.progress import Report
from cgexp.store import read_arrays, write_arrays


class Rejection(Exception):
    """Why a configuration gets no label, in words."""


class WorkerDied(InputError):
    """A worker ended before its label was done."""


class Job(ABC):
    """Labels one configuration. It holds everything that determines its result, and it can be pickled."""

    @abstractmethod
    def label(self) -> dict[str, NDArray[Any]]:
        """The label's arrays. Raises Rejection, or Unstable if the dynamics blow up."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its arrays, or none and the reason; CPU seconds in either case."""

    arrays: dict[str, NDArray[Any]]
    reason: str
    seconds: float


def run_job(job: Job) -> Outcome:
    """Run a job. Its seconds are those of the process, so they are too many if other threads work in it meanwhile."""
    began = time.process_time()
    try:
        arrays, reason = job.label(), ""
    except (Rejection, Unstable) as error:
        arrays, reason = {}, str(error)
    return Outcome(arrays, reason, time.process_time() - began)


def run_jobs(jobs: Mapping[str, Job], folder: Path | None, executor: Executor, progress: Report) -> dict[str, Outcome]:
    """Run the jobs that ``folder`` has no outcome of, side by side as far as ``executor`` goes; return all outcomes.

    jobs: key -> job; the key names all that the result depends on. An outcome is stored as soon as it is there, also
    when another job fails or Ctrl-C ends the run. Raises WorkerDied if a worker process dies.
    """
    outcomes = {key: _read(folder / f"{key}.npz") for key in jobs if folder and (folder / f"{key}.npz").is_file()}
    running: dict[Future[Outcome], str] = {}

    def keep(future: Future[Outcome]) -> None:
        key = running.pop(future)
        outcomes[key] = future.result()
        if folder is not None:
            _write(folder / f"{key}.npz", outcomes[key])
        progress(len(outcomes), len(jobs), "")

    try:
        for key in [key for key in jobs if key not in outcomes]:
            running[executor.submit(run_job, jobs[key])] = key
            for future in [future for future in running if future.done()]:
                keep(future)
        for future in as_completed(list(running)):
            keep(future)
    except BrokenExecutor as error:
        raise WorkerDied(
            "a worker process ended before its label was done (killed, or out of memory; a script needs "
            'if __name__ == "__main__": around the call): run again to go on, with fewer processes if memory is short'
        ) from error
    finally:
        for future in [future for future in running if not future.cancel()]:
            if future.done() and future.exception() is None:
                keep(future)
    return {key: outcomes[key] for key in jobs}


def _write(path: Path, outcome: Outcome) -> None:
    write_arrays(path, outcome.arrays, {"reason": outcome.reason, "seconds": outcome.seconds})


def _read(path: Path) -> Outcome:
    arrays, meta = read_arrays(path)
    return Outcome({name: np.asarray(values) for name, values in arrays.items()}, meta["reason"], meta["seconds"])
