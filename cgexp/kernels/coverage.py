"""Coverage: how far candidates are from a growing set of known frames, worked out only as far as a choice needs it.

For each candidate an upper bound of its distance to the nearest known frame is kept: the distance to any known frame is
one. A choice asks for the exact value only of candidates whose bound is among the largest, best first, so that almost
all of a pool are never compared with more than a few known frames.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

FIRST_BATCH = 256  # candidates made exact at a time; doubled as long as a choice stays open


class Coverage(ABC):
    """Squared distances of m candidates to the nearest known frame; a subclass knows how to compare them.

    squared: [m], length unit^2, upper bounds. exact: [m], which of them are exact. n_pairs: distances evaluated so far,
    whole or in part.
    """

    def __init__(self, n_candidates: int) -> None:
        self.squared = np.full(n_candidates, np.inf)
        self.exact = np.zeros(n_candidates, dtype=bool)
        self.n_pairs = 0

    @abstractmethod
    def refine(self, rows: NDArray[np.int64], floor: float) -> None:
        """Make ``squared[rows]`` exact. Those found to be below ``floor`` may stay upper bounds below it."""

    @abstractmethod
    def add(self, row: int) -> None:
        """Let candidate ``row`` be a known frame from now on; all bounds take note, and exact ones stay exact."""

    def most_distant(self, n: int) -> NDArray[np.int64]:
        """Indices [n] of the candidates farthest from all known frames, farthest first; of equal ones the first."""
        batch = max(n, FIRST_BATCH)
        while True:
            best = largest(self.squared, n)
            if self.exact[best].all():
                return best
            known = self.squared[self.exact]
            floor = float(np.partition(known, len(known) - n)[len(known) - n]) if len(known) >= n else -np.inf
            self._refine_largest(batch, floor)
            batch *= 2

    def farthest_points(self, n: int) -> NDArray[np.int64]:
        """Indices [n], each the candidate farthest from all known frames and those before; of equal ones the first."""
        chosen: list[int] = []
        for _ in range(n):
            batch = FIRST_BATCH
            while not self.exact[best := int(np.argmax(self.squared))]:
                self._refine_largest(batch, float(self.squared[self.exact].max(initial=-np.inf)))
                batch *= 2
            chosen.append(best)
            self.add(best)
            self.squared[best] = -1.0  # below every twin of it
        return np.array(chosen, dtype=np.int64)

    def distances(self) -> NDArray[np.float64]:
        """[m], length unit: to the nearest known frame; infinite if there is none."""
        self.refine(np.flatnonzero(~self.exact), -np.inf)
        return np.sqrt(np.maximum(self.squared, 0.0))

    def _refine_largest(self, n: int, floor: float) -> None:
        rows = largest(self.squared, min(n, len(self.squared)))
        self.refine(rows[~self.exact[rows]], floor)


def largest(values: NDArray[np.floating], n: int) -> NDArray[np.int64]:
    """Indices [n] of the largest values, the largest first, of equal ones the first; 1 <= n <= their number."""
    if n < len(values):
        smallest = np.partition(values, len(values) - n)[len(values) - n]
        above = np.flatnonzero(values > smallest)
        rows = np.sort(np.concatenate([above, np.flatnonzero(values == smallest)[: n - len(above)]]))
    else:
        rows = np.arange(len(values))
    return rows[np.argsort(-values[rows], kind="stable")].astype(np.int64)
