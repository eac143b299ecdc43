"""Oracle: what labels configurations that a model or a rule has proposed, whatever stands behind it."""

from __future__ import annotations

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.frames import Frames, concatenate
from cgexp.parts.part import Part
from cgexp.parts.ranges import Positive
from cgexp.progress import Report, silent
from cgexp.systems.base import System

Coords = NDArray[np.float32]
Rejected = tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Labels:
    """What an oracle made of n configurations: every one of them is either labelled or rejected.

    frames: with forces, and force_sem where it is known. parent: [n_frames], which of the given configurations a frame
    belongs to; one may have several frames. rejected: (which, reason). cost_s: CPU seconds, rejected ones included.
    extra: further numbers of each frame, name -> [n_frames, ...]. Raises ValueError if the parts contradict each other.
    """

    frames: Frames
    parent: NDArray[np.int64]
    rejected: Rejected
    cost_s: float
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, values in {"parent": self.parent, **self.extra}.items():
            if len(values) != len(self.frames):
                raise ValueError(f"{name} has {len(values)} entries for {len(self.frames)} frames: expected as many")
        labelled, rejected = set(self.parent.tolist()), [index for index, _ in self.rejected]
        if sorted([*labelled, *rejected]) != list(range(self.n_given)):
            raise ValueError("every configuration must be either labelled or rejected, and rejected once")

    @property
    def n_given(self) -> int:
        """How many configurations were given."""
        return len(set(self.parent.tolist())) + len(self.rejected)


def joined(parts: Sequence[Labels]) -> Labels:
    """The labels of several batches as one, as if their configurations had been given one batch after the other."""
    offsets = np.cumsum([0] + [part.n_given for part in parts])
    labelled = [part for part in parts if len(part.frames)] or list(parts[:1])
    shared = set.intersection(*(set(part.extra) for part in labelled))
    return Labels(
        frames=concatenate([part.frames for part in labelled]),
        parent=np.concatenate([part.parent + offset for part, offset in zip(parts, offsets, strict=False)]),
        rejected=tuple((i + int(o), why) for part, o in zip(parts, offsets, strict=False) for i, why in part.rejected),
        cost_s=sum(part.cost_s for part in parts),
        extra={name: np.concatenate([part.extra[name] for part in labelled]) for name in sorted(shared)},
    )


def fingerprint(configuration: Coords) -> int:
    """A number that is a function of one configuration alone: seeds made from it do not depend on order or batch."""
    return int.from_bytes(hashlib.sha256(configuration.astype("<f4").tobytes()).digest()[:16], "little")


@dataclass(kw_only=True)
class Oracle(Part, ABC):
    """Labels configurations of ``system`` at ``temperature`` (K, or kT for the toys). A subclass adds settings.

    The same configuration gets the same label in whatever order, batch or process.
    """

    system: System
    temperature: Positive

    name: ClassVar[str]

    def check_joins(self, frames: Frames) -> None:
        """Raise InputError if the labels cannot be those of the ensemble that ``frames`` are from."""

    def label(
        self,
        coords: NDArray[np.floating],
        *,
        folder: Path | None = None,
        executor: Executor | None = None,
        progress: Report = silent,
    ) -> Labels:
        """Label configurations [n, n_beads, n_dims] in the system's length unit, taken as float32 like stored frames.

        folder: where finished labels are kept, so that a call repeated after a kill goes on. executor: runs the work;
        None takes local processes. Both matter only to oracles that work for long. Raises InputError for coords of
        another shape or not finite; a configuration that has no label is rejected with a reason.
        """
        return self._label(self._checked(coords), None if folder is None else Path(folder), executor, progress)

    def further(self, frames: Frames, n: int, generator: np.random.Generator) -> Coords | None:
        """``n`` new configurations from its own sampling; None if its sampling starts from ``frames``."""
        return None

    @abstractmethod
    def _label(self, coords: Coords, folder: Path | None, executor: Executor | None, progress: Report) -> Labels:
        """Label checked coords."""

    def _checked(self, coords: NDArray[np.floating]) -> Coords:
        coords = np.asarray(coords)
        expected = (self.system.n_beads, self.system.n_dims)
        if coords.ndim != 3 or coords.shape[1:] != expected or not np.issubdtype(coords.dtype, np.floating):
            raise InputError(
                f"the oracle for '{self.system.name}' was given coords of shape {list(coords.shape)} and type "
                f"{coords.dtype}: expected floating point numbers [n, {expected[0]}, {expected[1]}]"
            )
        finite = np.isfinite(coords).all(axis=(1, 2))
        if not finite.all():
            raise InputError(
                f"configuration {int(np.argmin(finite))} given to the oracle is not finite: leave out failed replicas"
            )
        return coords.astype(np.float32)

    def _frames(self, coords: NDArray[np.floating], block: NDArray[np.integer], **labels: Any) -> Frames:
        """Frames of this system; ``labels`` are the other fields of Frames."""
        return Frames(
            coords=coords,
            bead_types=self.system.bead_types,
            block=block,
            units=self.system.units,
            temperature=self.temperature,
            system=self.system.name,
            system_spec=self.system.spec,
            **labels,
        )


class Forces(NamedTuple):
    """Forces and their standard errors, [n, n_beads, n_dims] each."""

    forces: NDArray[np.float64]
    sem: NDArray[np.float64]


@dataclass(kw_only=True)
class DirectOracle(Oracle):
    """An oracle that computes forces of the given configurations at once; forces that are not finite are rejected.

    force_map: what the frames record, so that they can join a data set that records the same.
    """

    force_map: str

    @abstractmethod
    def forces(self, coords: Coords) -> Forces:
        """Forces at configurations [n, n_beads, n_dims]."""

    @property
    @abstractmethod
    def source(self) -> str:
        """Where the forces come from, for the frames."""

    def _label(self, coords: Coords, folder: Path | None, executor: Executor | None, progress: Report) -> Labels:
        began = time.process_time()
        forces, sem = self.forces(coords)
        good = np.isfinite(forces).all(axis=(1, 2)) & np.isfinite(sem).all(axis=(1, 2))
        frames = self._frames(
            coords[good],
            np.arange(int(good.sum())),
            forces=forces[good].astype(np.float32),
            force_sem=sem[good].astype(np.float32),
            source=self.source,
            force_map=self.force_map,
        )
        rejected = tuple((int(index), "its force is not finite") for index in np.flatnonzero(~good))
        progress(len(coords), len(coords), "")
        return Labels(frames, np.flatnonzero(good), rejected, time.process_time() - began)
