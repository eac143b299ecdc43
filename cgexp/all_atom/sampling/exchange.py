"""Replica exchange, the rule: which walkers swap temperatures, and what the swaps tell about mixing.

Walkers keep their coordinates and swap temperatures, so a walker's trajectory is continuous (demultiplexed). A walker's
``level`` is the index of its temperature in the ladder.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.units import BOLTZMANN

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]

NOT_TRIED, REFUSED, ACCEPTED = -1, 0, 1


def exchange(
    energies: Floats, levels: Integers, temperatures: Floats, parity: int, uniforms: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Try to swap neighbouring temperatures (Sugita and Okamoto 1999, eq. 10); return new levels and the outcomes.

    energies: potential energy of each walker, kcal/mol [n]. levels: of each walker [n], a permutation. temperatures:
    of the ladder, K [n]. parity: 0 tries the pairs (0, 1), (2, 3), ...; 1 tries (1, 2), (3, 4), ... uniforms: random
    numbers in [0, 1) [n - 1], one a pair. Outcomes [n - 1]: NOT_TRIED, REFUSED or ACCEPTED for each pair of levels.
    A swap is accepted with probability min(1, exp((beta_i - beta_j)(E_i - E_j))).
    """
    beta = 1.0 / (BOLTZMANN * np.asarray(temperatures))
    walker = np.argsort(levels)  # which walker is at each level
    new = np.array(levels, dtype=np.int64)
    outcomes = np.full(len(beta) - 1, NOT_TRIED, dtype=np.int8)
    for low in range(parity, len(beta) - 1, 2):
        first, second = walker[low], walker[low + 1]
        exponent = (beta[low] - beta[low + 1]) * (energies[first] - energies[second])
        if uniforms[low] < np.exp(min(0.0, exponent)):
            new[first], new[second] = low + 1, low
            outcomes[low] = ACCEPTED
        else:
            outcomes[low] = REFUSED
    return new, outcomes


def acceptance(outcomes: Integers) -> Floats:
    """Fraction of tried swaps accepted between each pair of neighbouring levels: [n_cycles, n - 1] -> [n - 1]."""
    tried = (outcomes != NOT_TRIED).sum(axis=0)
    return np.asarray((outcomes == ACCEPTED).sum(axis=0) / np.maximum(tried, 1), dtype=np.float64)


def round_trips(levels: Integers) -> NDArray[np.int64]:
    """Times each walker went from the lowest level to the highest and back: [n_cycles, n] -> [n]."""
    top = levels.max()
    trips = np.zeros(levels.shape[1], dtype=np.int64)
    for walker, path in enumerate(levels.T):
        ends = path[(path == 0) | (path == top)]
        turns = ends[np.concatenate([[True], ends[1:] != ends[:-1]])] if len(ends) else ends
        # the ends visited now alternate: each return to the bottom after a visit to the top is a trip
        trips[walker] = max(0, int((turns == 0).sum()) - 1)
    return trips
