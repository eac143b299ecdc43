"""Folding and unfolding events of walkers: visits to the folded state, told with hysteresis from the RMSD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FOLDED, UNFOLDED = 2.0, 4.0  # Å of C-alpha RMSD to the native structure: below, above
LEAST_PS = 100.0  # a visit to the folded state that lasts this long is an event


@dataclass(frozen=True)
class Visits:
    """Long visits of walkers to the folded state, one an entry; where the run begins or ends is no event.

    walker: [n]. begin, end: frames, the last one not included, [n]. folds, unfolds: whether the visit begins after the
    first frame, and ends before the last, [n]. n_brief, n_loose: visits of each walker that are too short, and that are
    long but with RMSD above FOLDED for half of the time (misfolded), [n_walkers]. n_frames: of a walker.
    """

    walker: NDArray[np.int64]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    n_brief: NDArray[np.int64]
    n_loose: NDArray[np.int64]
    n_frames: int

    @property
    def folds(self) -> NDArray[np.bool_]:
        return np.asarray(self.begin > 0)

    @property
    def unfolds(self) -> NDArray[np.bool_]:
        return np.asarray(self.end < self.n_frames)

    def counts(self, frame_levels: NDArray[np.integer], of_walkers: bool) -> dict[str, list[int]]:
        """Foldings and unfoldings by walker, or by the level at which they happened: frame_levels as of the run."""
        n = frame_levels.shape[1]
        found = {}
        for name, chosen, frame in (("folding", self.folds, self.begin), ("unfolding", self.unfolds, self.end)):
            walker = self.walker[chosen]
            key = walker if of_walkers else frame_levels[frame[chosen], walker]
            found[name] = np.bincount(key, minlength=n).tolist()
        return found


def long_visits(rmsd: Floats, frame_ps: float, least_ps: float = LEAST_PS) -> Visits:
    """Visits of walkers to the folded state: rmsd [n_frames, n_walkers], Å.

    A walker visits the folded state from RMSD < FOLDED on until RMSD > UNFOLDED. A visit shorter than ``least_ps``, or
    with RMSD above FOLDED for half of it, is not counted as one.
    """
    rows: list[tuple[int, int, int]] = []
    n_brief, n_loose = np.zeros((2, rmsd.shape[1]), dtype=np.int64)
    for number, path in enumerate(rmsd.T):
        known = np.where(path < FOLDED, 1, np.where(path > UNFOLDED, 0, -1))
        known[0] = max(known[0], 0)
        state = known[np.maximum.accumulate(np.where(known >= 0, np.arange(len(known)), 0))]
        edges = np.flatnonzero(np.diff(np.concatenate([[0], state, [0]])))
        for first, last in edges.reshape(-1, 2):
            if (last - first) * frame_ps < least_ps:
                n_brief[number] += 1
            elif np.median(path[first:last]) >= FOLDED:
                n_loose[number] += 1
            else:
                rows.append((number, first, last))
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    walker, begin, end = table.T
    return Visits(walker, begin, end, n_brief, n_loose, len(rmsd))
