"""Farthest points: configurations chosen one by one, each the farthest from all before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.systems.base import System


def farthest_points(
    system: System, candidates: NDArray[np.floating], known: NDArray[np.floating], n: int
) -> NDArray[np.int64]:
    """Indices [n] of candidates [k, n_beads, n_dims], each the farthest from ``known`` [m, ...] and those before.

    n: at most k. Without known ones, the first candidate is chosen first.
    """
    nearest = system.distance(candidates, known).min(axis=1) if len(known) else np.full(len(candidates), np.inf)
    chosen: list[int] = []
    for _ in range(n):
        best = int(np.argmax(nearest))
        chosen.append(best)
        nearest = np.minimum(nearest, system.distance(candidates, candidates[[best]])[:, 0])
        nearest[chosen] = -1.0
    return np.array(chosen, dtype=np.int64)
