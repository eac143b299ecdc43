"""Filtered: one rule chooses among the frames that another one has let through."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.active.acquisition import Acquisition, Context, Coords
from cgexp.parts.ranges import PositiveInt


class Filtered(Acquisition):
    """``first`` lets through its best frames, ``kept_per_pick`` for each that is asked for, and ``then`` picks of them.

    With FarthestPoint as ``then``, the picks of a rule that judges each frame by itself do not resemble each other.
    A pool of fewer frames is let through as a whole.
    """

    def __init__(self, first: Acquisition, then: Acquisition, kept_per_pick: PositiveInt = 10) -> None:
        self.first = first
        self.then = then
        self.kept_per_pick = kept_per_pick

    def choose(self, candidates: Coords, known: Coords, n: int, context: Context) -> NDArray[np.int64]:
        n_kept = min(n * self.kept_per_pick, len(candidates))
        kept = np.sort(self.first.choose(candidates, known, n_kept, context))  # of equal ones the first, as everywhere
        return kept[self.then.choose(candidates[kept], known, n, context)]
