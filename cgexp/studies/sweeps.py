"""How far the jobs of a multirun are, by the record that it writes as it begins."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgexp.errors import InputError, did_you_mean, shown
from cgexp.progress import duration
from cgexp.runs.folder import STAGES, is_run
from cgexp.runs.lock import held_by
from cgexp.runs.sweeps import JOBS, record_folder, sweeps_in
from cgexp.store import read_record
from cgexp.studies.catalogue import Entry, entry_of

RUNNING, WAITING, MISSING = "running", "waiting", "missing"  # states of jobs beside those of runs
ENDS = {"train": ("trained", "simulated", "done"), "simulate": ("simulated", "done")}  # verb -> how its jobs end
INTERRUPTED = "its process ended before it had finished; the same command goes on with it"


@dataclass(frozen=True)
class Job:
    """One job of a sweep. swept: what it says that not all jobs say. state: RUNNING, WAITING, MISSING or a run's.

    progress: what it does now and how far that is. left_s: seconds that this takes still; None: not known.
    """

    swept: str
    path: Path
    state: str
    sentence: str = ""
    progress: str = ""
    left_s: float | None = None


@dataclass(frozen=True)
class Status:
    """How far a sweep is. left_s: seconds until all its jobs are done, as far as those that are done tell."""

    name: str
    is_running: bool
    jobs: Sequence[Job]
    left_s: float | None


def status_of(outputs: Path, name: str | None = None) -> Status:
    """How far a sweep is; None: the one begun last. Raises InputError if there is none."""
    known = sweeps_in(outputs)
    if not known:
        raise InputError(f"there is no sweep in {outputs}: `cgexp run -m` makes one, or give outputs=<folder>")
    name = known[0] if name is None else Path(name).name
    if name not in known:
        raise InputError(f"{shown(name)} is no sweep{did_you_mean(name, known)}: there are {', '.join(known[:10])}")
    folder = record_folder(outputs, name)
    record = read_record(folder / JOBS, "began", "jobs")
    is_running = held_by(folder) is not None
    jobs = [_job(one, outputs, is_running) for one in record["jobs"]]
    ended = (*ENDS.get(str(record.get("verb")), ("done",)), "failed")
    return Status(name, is_running, jobs, _left(jobs, ended, float(record["began"])) if is_running else None)


def _job(record: Mapping[str, Any], outputs: Path, is_running: bool) -> Job:
    path = outputs / record["path"]
    if not is_run(path):
        is_begun = held_by(path) is not None
        return Job(record["swept"], path, RUNNING if is_begun else WAITING if is_running else MISSING)
    entry = entry_of(path)
    if entry.state == "locked":
        return Job(record["swept"], path, RUNNING, "", *_progress(entry))
    sentence = entry.sentence
    if entry.state == "unfinished":
        sentence = "" if is_running else INTERRUPTED
    return Job(record["swept"], path, entry.state, sentence)


def _progress(entry: Entry) -> tuple[str, float | None]:
    """What a run does now, and the seconds that this takes still."""
    told = entry.folder.read_progress()
    if told is not None and {"label", "done", "total", "left_s"} <= told.keys():
        return f"{told['label']} {told['done']}/{told['total']}", told["left_s"]
    try:
        done = entry.folder.read_provenance()["stages"] if entry.folder.provenance.is_file() else {}
    except InputError:  # written just now
        return "", None
    return next((stage for stage in STAGES if stage not in done), ""), None


def _left(jobs: Sequence[Job], ends: Sequence[str], began: float) -> float | None:
    """Seconds left, if jobs go on to end as often as since this call began. ends: states in which they do."""
    ended = [job for job in jobs if job.state in ends and _changed(job.path) > began]
    left = sum(job.state not in ends for job in jobs)
    return (time.time() - began) / len(ended) * left if ended else None


def _changed(path: Path) -> float:
    return max((file.stat().st_mtime for file in path.glob("*.json")), default=0.0)


def lines(status: Status) -> Iterator[str]:
    """The jobs as a table, how many there are of each state, and why jobs failed."""
    from cgexp.report.table import aligned

    rows = [("job", "run", "state", "progress", "left")]
    for job in status.jobs:
        left = "" if job.left_s is None else duration(job.left_s)
        rows.append((shown(job.swept, 80), job.path.name, job.state, job.progress, left))
    yield from aligned(rows, "lllll")
    states = [job.state for job in status.jobs]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    left = f"; about {duration(status.left_s)} left" if status.left_s is not None else ""
    number = f"{len(states)} job{'' if len(states) == 1 else 's'}"
    yield f"{status.name}: {number}, {counts}{left}{'' if status.is_running else '; not running'}"
    for job in status.jobs:
        if job.sentence:
            yield f"{job.path.name} {job.state} ({shown(job.swept, 80)}): {job.sentence}"
