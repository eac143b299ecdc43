"""What the oracle is asked for in a round, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.active.answers import Answers
from cgexp.active.pool import Pool
from cgexp.active.rounds import Round
from cgexp.frames import Frames
from cgexp.store import read_arrays, write_arrays


@dataclass(frozen=True)
class Selection:
    """coords: [n, n_beads, n_dims], length unit. replica, time, failed: of the pool they are from, [n].

    distance: [n], to the nearest configuration that was known or asked for before. parent: [n], the frame of the data
    set at which the replica began, -1 where it is none of them. meta: JSON-able; ``stop``, ``coverage_max``, ``model``,
    ``n_candidates``.
    """

    coords: NDArray[np.float32]
    replica: NDArray[np.int64]
    time: NDArray[np.float64]
    failed: NDArray[np.bool_]
    distance: NDArray[np.float64]
    parent: NDArray[np.int64]
    meta: dict[str, Any]

    @classmethod
    def of(
        cls,
        pool: Pool,
        chosen: NDArray[np.int64],
        distance: NDArray[np.float64],
        parents: NDArray[np.int64],
        **meta: Any,
    ) -> Selection:
        """``chosen`` candidates of a pool, with their distances; parents: [n_replicas], of ``parents_of``."""
        replica = pool.replica[chosen]
        parent = np.where(replica >= 0, parents[replica], -1)
        return cls(pool.coords[chosen], replica, pool.time[chosen], pool.failed[chosen], distance, parent, meta)

    def write(self, path: Path) -> None:
        """Write it to one file."""
        names = ("coords", "replica", "time", "failed", "distance", "parent")
        write_arrays(path, {name: getattr(self, name) for name in names}, self.meta)

    @classmethod
    def read(cls, path: Path) -> Selection:
        """The inverse of ``write``."""
        arrays, meta = read_arrays(path)
        return cls(**arrays, meta=meta)

    def __len__(self) -> int:
        return len(self.coords)


def parents_of(starts: NDArray[np.floating] | None, n_replicas: int, frames: Frames) -> NDArray[np.int64]:
    """The frame of the data set that each start [n_replicas, n_beads, n_dims] is, -1 where it is none: [n_replicas]."""
    if starts is None:
        return np.full(n_replicas, -1, dtype=np.int64)
    known = {row.tobytes(): index for index, row in enumerate(frames.coords.astype(np.float32))}
    return np.array([known.get(row.tobytes(), -1) for row in starts.astype(np.float32)], dtype=np.int64)


def asked_in_vain(folder: Path, number: int) -> list[NDArray[np.float32]]:
    """The configurations that rounds before ``number`` asked for and got no frames of.

    They count as known when the next ones are chosen: the oracle is not asked again for what it has rejected.
    """
    found = []
    for place in (Round(folder, earlier) for earlier in range(number)):
        selection = Selection.read(place.selection)
        answers = Answers(place.labels).read(len(selection))
        found.append(selection.coords[[index for index, answer in answers.items() if answer.frames is None]])
    return found
