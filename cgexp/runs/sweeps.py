"""What a multirun leaves in outputs: a temporary folder, the record of its jobs; and what a job returns."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from cgexp.errors import InputError, MistakeOfOptions, did_you_mean
from cgexp.runs.folder import RunFolder
from cgexp.runs.lock import lock
from cgexp.store import read_record, write_record

FOLDER = ".sweeps"  # temporary
RECORDS, JOBS = "sweeps", "jobs.json"  # outputs/sweeps/<name>/jobs.json
KEPT_DAYS = 30  # logs of jobs on a cluster
log = logging.getLogger(__name__)


@contextmanager
def sweep_folder(outputs: Path) -> Iterator[Path]:
    """A folder of this sweep alone, removed at its end; those that killed sweeps have left are removed, too.

    One that holds submitit's logs of jobs on a cluster is kept for 30 days.
    """
    folder = outputs / FOLDER / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{os.getpid()}"
    for other in (outputs / FOLDER).glob("*/"):
        _remove(other)
    with lock(folder):
        yield folder
    _remove(folder)


def _remove(folder: Path) -> None:
    """Remove the folder of a sweep that has ended, unless its logs may still be wanted."""
    logs = folder / ".submitit"
    if logs.is_dir() and time.time() - logs.stat().st_mtime < KEPT_DAYS * 86400:
        return
    try:
        with lock(folder):
            shutil.rmtree(folder, ignore_errors=True)
    except InputError:  # a sweep that is running, or a folder of someone else
        return


def record_folder(outputs: Path, name: str) -> Path:
    """The folder of a sweep's record and page."""
    return outputs / RECORDS / name.replace(os.sep, "-")


@contextmanager
def recorded(folder: Path, outputs: Path, jobs: Sequence[tuple[str, Path]], verb: str = "run") -> Iterator[None]:
    """Write down the jobs of a sweep, each as what it says and its run's folder, and hold the folder's lock within.

    Where another process has a sweep of that name, it is the one that is told of.
    """
    with ExitStack() as held:
        try:
            held.enter_context(lock(folder))
        except InputError:
            log.info("%s tells of another sweep of the same name, which is running", folder)
        else:
            listed = [{"swept": swept, "path": os.path.relpath(path, outputs)} for swept, path in jobs]
            write_record(folder / JOBS, {"verb": verb, "began": time.time(), "jobs": listed})
        yield


def is_sweep(folder: Path) -> bool:
    """Whether a folder holds the record of a sweep."""
    return (folder / JOBS).is_file()


def runs_of(folder: Path) -> list[Path]:
    """The folders of a sweep's runs, begun or not. Raises InputError if its record is damaged."""
    return [folder.parents[1] / job["path"] for job in read_record(folder / JOBS, "began", "jobs")["jobs"]]


def sweeps_in(outputs: Path) -> list[str]:
    """Names of the sweeps there are, the one begun last first."""
    found = sorted((outputs / RECORDS).glob(f"*/{JOBS}"), key=lambda path: -path.stat().st_mtime)
    return [path.parent.name for path in found]


def objective(folder: RunFolder, name: str | None, key: str = "sweep.objective") -> float | None:
    """The metric that is optimised; None: none. key: of the setting. Raises MistakeOfOptions if there is none."""
    if name is None or not folder.metrics.is_file():
        return None
    metrics = folder.read_metrics()
    if name not in metrics:
        raise MistakeOfOptions(
            f"{key}={name} is no metric of this run{did_you_mean(name, metrics)}: expected one of {', '.join(metrics)}"
        )
    return float(metrics[name])
