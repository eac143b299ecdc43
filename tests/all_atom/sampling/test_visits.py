"""Folding and unfolding events: hysteresis, what is too short or misfolded, and where they happen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.sampling.exchange_trajectory import long_visits


def path(*stays: tuple[float, int]) -> NDArray[np.float64]:
    return np.concatenate([np.full(n, value) for value, n in stays])


WALKERS = [
    path((1.0, 20), (6.0, 20), (1.0, 20), (3.0, 5), (1.0, 15), (6.0, 20)),  # melts, folds for 400 ps, melts
    path((6.0, 40), (1.0, 5), (6.0, 55)),  # 50 ps are too short
    path((6.0, 20), (1.9, 5), (3.5, 25), (6.0, 50)),  # long, but misfolded
    path((6.0, 70), (1.0, 30)),  # still folded at the end
]


def test_events_are_long_visits_with_hysteresis() -> None:
    found = long_visits(np.array(WALKERS).T, 10.0)
    assert (found.folds.sum(), found.unfolds.sum()) == (2, 2)
    assert found.n_brief.tolist() == [0, 1, 0, 0]
    assert found.n_loose.tolist() == [0, 0, 1, 0]
    assert list(zip(found.walker, found.begin, found.end, strict=True)) == [(0, 0, 20), (0, 40, 80), (3, 70, 100)]


def test_events_are_counted_by_walker_and_by_the_level_where_they_happen() -> None:
    found = long_visits(np.array(WALKERS).T, 10.0)
    levels = np.tile(np.arange(4), (100, 1))
    levels[60:] = levels[60:, ::-1]
    assert found.counts(levels, of_walkers=True) == {"folding": [1, 0, 0, 1], "unfolding": [2, 0, 0, 0]}
    # walker 0 unfolds at level 0, folds there, and unfolds at level 3; walker 3 folds at level 0
    assert found.counts(levels, of_walkers=False) == {"folding": [2, 0, 0, 0], "unfolding": [1, 0, 0, 1]}


def test_nothing_folded_is_no_event() -> None:
    found = long_visits(np.full((50, 2), 6.0), 10.0)
    assert found.counts(np.zeros((50, 2), dtype=int), of_walkers=True) == {"folding": [0, 0], "unfolding": [0, 0]}
