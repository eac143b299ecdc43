"""Tracker: what a stage may tell a tracker of experiments (W&B, TensorBoard, MLflow), whichever it is.

Nothing that goes wrong in a tracker ends the run: it is said once, and the tracker is told no more.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any

from cgexp.parts.part import Part
from cgexp.parts.ranges import Label, Notes, Project, Title

# what numbers are of -> the number that they are drawn against
AXES = {"train": "epoch", "sim": "time", "round": "round"}
LOWEST_KEPT = ("train/loss_*", "train/objective*", "round/w1_*")  # whose minimum is in the summary beside the last
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chart:
    """A table of named columns of one length, and which two of them are drawn as a line; x None: the table alone."""

    columns: Mapping[str, Sequence[float | None]]
    title: str = ""
    x: str | None = None
    y: str | None = None

    @property
    def rows(self) -> list[list[float | None]]:
        return [list(row) for row in zip(*self.columns.values(), strict=True)]


@dataclass(frozen=True)
class Artefact:
    """Files of a run that others may be made from, by reference: a tracker gets paths and hashes, no copies.

    kind: dataset, potential, trajectory or metrics. files: name -> path. is_input: whether the run was made from it.
    """

    name: str
    kind: str
    files: Mapping[str, Path]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    is_input: bool = False


@dataclass(frozen=True)
class Described:
    """What a tracker is told of a run as it opens.

    id: of the run, the same whenever it goes on. name: what a person reads. config: nested. tags: beside those of the
    settings.
    """

    id: str
    name: str
    group: str
    job_type: str
    config: Mapping[str, Any]
    tags: Sequence[str] = ()


class Tracked(ABC):
    """A run that is open in a tracker. Its methods may raise whatever the tracker's library raises."""

    tracker: str  # its name, for messages

    @abstractmethod
    def last(self, of: str) -> float | None:
        """How far the numbers ``of`` came along their axis in earlier openings of the run, if this one adds to them."""

    @abstractmethod
    def row(self, of: str, numbers: Mapping[str, float]) -> None:
        """Numbers ``of/name`` at one place of their axis, which is among them."""

    @abstractmethod
    def summary(self, numbers: Mapping[str, float]) -> None:
        """Final numbers ``of/name``."""

    @abstractmethod
    def images(self, paths: Mapping[str, Path]) -> None:
        """Figures by name."""

    @abstractmethod
    def charts(self, charts: Mapping[str, Chart]) -> None:
        """Tables by name."""

    def structures(self, pdb: Mapping[str, str]) -> None:
        """Structures by name, as the text of PDB files; not every tracker can draw them."""
        return

    @abstractmethod
    def artefact(self, artefact: Artefact) -> None:
        """Files that the run was made from, or that it made."""

    @abstractmethod
    def fail(self, sentence: str) -> None:
        """Why the run failed."""

    def close(self) -> None:
        """What is to be done when all was told."""
        return


class Tracker:
    """What a stage may tell; every method does nothing where there is no tracker, or from its first failure on."""

    def __init__(self, run: Tracked | None = None) -> None:
        self._run = run
        self._last: dict[str, float] = {}
        self.tell(self._take_notice)

    @property
    def is_told(self) -> bool:
        """Whether there is a tracker, and nothing went wrong so far."""
        return self._run is not None

    def log(self, of: str, row: Mapping[str, float]) -> None:
        """Log one row of numbers along an axis (see AXES), named ``of/name``; NaN is left out.

        A row that was told before, in this call of the program or an earlier one, is not told again.
        """
        place = row[AXES[of]]
        if self._run is None or place <= self._last.get(of, float("-inf")):
            return
        self._last[of] = place
        named = {f"{of}/{name}": value for name, value in row.items() if not isnan(value)}
        self.tell(lambda run: run.row(of, named))

    def summarise(self, of: str, metrics: Mapping[str, float]) -> None:
        """Set final numbers, named ``of/name``."""
        self.tell(lambda run: run.summary({f"{of}/{name}": value for name, value in metrics.items()}))

    def images(self, paths: Mapping[str, Path]) -> None:
        """Log figures by name."""
        if paths:
            self.tell(lambda run: run.images(paths))

    def charts(self, charts: Mapping[str, Chart]) -> None:
        """Log tables by name; one that says what is drawn is a chart in which the lines of many runs overlay."""
        if charts:
            self.tell(lambda run: run.charts(charts))

    def structures(self, pdb: Mapping[str, str]) -> None:
        """Log structures by name, as the text of PDB files."""
        if pdb:
            self.tell(lambda run: run.structures(pdb))

    def artefact(self, artefact: Artefact) -> None:
        """Record files as what the run was made from, or as what it made."""
        self.tell(lambda run: run.artefact(artefact))

    def fail(self, sentence: str) -> None:
        """Record why the run failed."""
        self.tell(lambda run: run.fail(sentence))

    def tell(self, call: Callable[[Tracked], object]) -> None:
        """Do ``call`` with the open run, if there is one; where it fails, that is said and the run is let go."""
        if self._run is None:
            return
        run = self._run
        try:
            call(run)
        except Exception as error:  # of many libraries: none of them may stop a run
            self._run = None
            tell_lost(run.tracker, error)

    def _take_notice(self, run: Tracked) -> None:
        """Of how far an earlier call came."""
        for of in AXES:
            if (told := run.last(of)) is not None:
                self._last[of] = told


@dataclass(frozen=True)
class TrackerSettings(Part):
    """The config group ``logger``. enabled: whether runs are told to the tracker; a CSV is kept in any case."""

    enabled: bool = True

    @property
    def is_waiting(self) -> bool:
        """Whether the tracker waits for this run's numbers, so that a finished run is told to it again."""
        return False

    def open(self, described: Described, folder: Path) -> AbstractContextManager[Tracker]:
        """The tracker of one run, which is closed as the context ends; an error that leaves it marks the run failed."""
        raise NotImplementedError


@dataclass(frozen=True)
class NamedSettings(TrackerSettings):
    """project: where the run goes. name, group, notes, tags: of the run there; None: built from the config."""

    project: Project = "cgexp"
    name: Title | None = None
    group: Title | None = None
    notes: Notes | None = None
    tags: list[Label] = field(default_factory=list)

    def all_tags(self, described: Described) -> list[str]:
        """Those of the run and of these settings, once each."""
        return list(dict.fromkeys([*described.tags, *self.tags]))


def tell_lost(tracker: str, error: Exception) -> None:
    """Say that a tracker failed."""
    kind = type(error).__name__
    log.warning("%s failed and is told no more of this run, which goes on (%s: %s)", tracker, kind, error)
