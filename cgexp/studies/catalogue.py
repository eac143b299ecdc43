"""The runs that lie in an outputs folder: what each is, how far it is, what it found, how much disk it takes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cgexp.config.identity import experiment_name, flat
from cgexp.errors import InputError
from cgexp.runs.folder import MARKS, RunFolder, differing, is_run
from cgexp.runs.lock import held_by, lock
from cgexp.store import read_record

STATES = ("done", "trained", "simulated", "unfinished", "failed", "pruned", "locked", "damaged")


@dataclass(frozen=True)
class Entry:
    """One run as its folder tells it.

    config: empty if it is damaged. metrics: of the evaluation, or of the training alone while that is all there is.
    state: one of STATES. sentence: why it failed, what is damaged, or who works in it. changed: seconds since the
    epoch when a file of the run's last changed.
    """

    folder: RunFolder
    config: Mapping[str, Any]
    metrics: Mapping[str, float]
    state: str
    sentence: str
    changed: float

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.folder.path

    @property
    def id(self) -> str:
        """The run's id, the name of its folder."""
        return self.path.name

    @property
    def experiment(self) -> str:
        """The name of its experiment, as that of the folder above."""
        return experiment_name(dict(self.config)) if self.config else self.path.parent.name

    @property
    def seed(self) -> int | None:
        """The seed; None if the config is damaged."""
        return self.config.get("seed")

    @property
    def differs(self) -> list[str]:
        """The overrides in which it differs from its experiment, but for the seed."""
        return differing(dict(self.config)) if self.config else []

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Every key of the config as ``group.key`` -> value, and ``group`` -> the option that was chosen."""
        groups = {key: value for key, value in self.config.items() if key not in ("choices", "overrides")}
        return {**self.config.get("choices", {}), **flat(groups)}

    @property
    def age(self) -> float:
        """Seconds since a file of the run's last changed."""
        return max(time.time() - self.changed, 0.0)

    @cached_property
    def size(self) -> int:
        """Bytes that the folder takes on the disk, without what links lead to."""
        return size_of(self.path)


def catalogue(outputs: Path) -> list[Entry]:
    """All runs in ``outputs``, the one changed last first. Raises InputError if there is no such folder."""
    if not outputs.is_dir():
        raise InputError(f"outputs={outputs} is no folder: give the one that runs were written to")
    return _entries(outputs.glob("*/*"))


def in_folder(path: Path) -> list[Entry]:
    """The run in ``path``, or the runs in it or in its folders, the one changed last first."""
    return _entries([path]) or _entries(path.glob("*")) or _entries(path.glob("*/*"))


def _entries(paths: Iterable[Path]) -> list[Entry]:
    entries = (entry_of(path) for path in paths if is_run(path))
    return sorted(entries, key=lambda entry: (-entry.changed, str(entry.path)))


def entry_of(path: Path) -> Entry:
    """What a folder says of its run. Raises InputError if it holds none."""
    folder = RunFolder(path)
    marks = [path / mark for mark in MARKS if (path / mark).is_file()]
    if not marks:
        raise InputError(f"{path} is not a run: it has no config.yaml; give the folder that `cgexp run` printed")
    changed = max(mark.stat().st_mtime for mark in marks)
    try:
        config = folder.read_config()
        metrics, is_done = _metrics(folder)
        failure = folder.read_failure()
    except InputError as error:
        return Entry(folder, {}, {}, "damaged", str(error), changed)
    holder = held_by(path)
    if holder is not None:
        return Entry(folder, config, metrics, "locked", holder, changed)
    if is_done:
        return Entry(folder, config, metrics, "done", "", changed)
    if failure is not None:
        state = "pruned" if failure.get("pruned") else "failed"
        return Entry(folder, config, metrics, state, f"{failure['stage']}: {failure['sentence']}", changed)
    return Entry(folder, config, metrics, _how_far(folder), "", changed)


def _how_far(folder: RunFolder) -> str:
    """The state of a run that is not evaluated: what it ended with, or that it was stopped within a stage."""
    stages = folder.read_provenance()["stages"] if folder.provenance.is_file() else {}
    if "simulate" in stages:
        return "simulated"
    begun = folder.trajectory.is_dir() and any(folder.trajectory.iterdir())
    return "trained" if "train" in stages and not begun else "unfinished"


def by_units(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """The runs by the name of the unit system that their numbers are in."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(str(entry.config["dataset"].get("units")), []).append(entry)
    return found


def remove(entries: Sequence[Entry]) -> None:
    """Delete the folders of runs. Raises InputError before anything is deleted if another process works in one.

    What a link in a folder leads to stays.
    """
    for entry in entries:
        if entry.path.is_symlink():
            raise InputError(f"{entry.path} is a link, which is not followed: remove it yourself")
        if holder := held_by(entry.path):
            raise InputError(f"another process ({holder}) works in {entry.path}: nothing was removed")
    for entry in entries:
        with lock(entry.path):
            shutil.rmtree(entry.path)


def size_of(path: Path) -> int:
    """Bytes of the files below ``path``; links count as nothing."""
    total = 0
    try:
        with os.scandir(path) as found:
            for one in found:
                if one.is_dir(follow_symlinks=False):
                    total += size_of(Path(one.path))
                elif one.is_file(follow_symlinks=False):
                    total += one.stat(follow_symlinks=False).st_size
    except OSError:  # removed meanwhile, or not ours to read
        return total
    return total


def in_bytes(size: float) -> str:
    """A number of bytes as a person reads it: ``1.2 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000.0
    return f"{size:.3g} TB"


def in_time(seconds: float) -> str:
    """Seconds as an age: ``3 min``, ``2 h``, ``5 d``."""
    for length, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def shared_overrides(entries: Iterable[Entry]) -> list[str]:
    """The overrides that all of several runs have, which need not be told of each."""
    lists = [entry.differs for entry in entries if entry.config]
    return [o for o in lists[0] if all(o in other for other in lists)] if len(lists) > 1 else []


def _metrics(folder: RunFolder) -> tuple[dict[str, float], bool]:
    """Metrics as far as there are any, and whether the evaluation is recorded as done."""
    stages = folder.read_provenance()["stages"] if folder.provenance.is_file() else {}
    if "evaluate" in stages and folder.metrics.is_file():
        return folder.read_metrics(), True
    if "train" in stages and folder.training_metrics.is_file():
        metrics = read_record(folder.training_metrics)
        return {name: value for name, value in metrics.items() if isinstance(value, int | float)}, False
    return {}, False
