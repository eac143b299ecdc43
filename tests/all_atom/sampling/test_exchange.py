"""The exchange rule: detailed balance, and what is counted."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from cgexp.all_atom.sampling.exchange_trajectory import ACCEPTED, NOT_TRIED, REFUSED, acceptance, exchange, round_trips
from cgexp.units import BOLTZMANN

TEMPERATURES = np.array([300.0, 360.0, 430.0])


def stationary(energies: np.ndarray, levels: tuple[int, ...]) -> float:
    """Unnormalised probability of walkers with these energies being at these levels."""
    return float(np.exp(-(energies / (BOLTZMANN * TEMPERATURES[list(levels)])).sum()))


def transition(energies: np.ndarray, levels: tuple[int, ...], parity: int) -> dict[tuple[int, ...], float]:
    """Probability of each outcome of one call, by integrating over the one random number a 3-level ladder uses."""
    n = 20_000
    counts: dict[tuple[int, ...], float] = {}
    for u in (np.arange(n) + 0.5) / n:
        new, _ = exchange(energies, np.array(levels), TEMPERATURES, parity, np.array([u, u]))
        counts[tuple(new.tolist())] = counts.get(tuple(new.tolist()), 0.0) + 1.0 / n
    return counts


@pytest.mark.parametrize("parity", [0, 1])
def test_detailed_balance(parity: int) -> None:
    energies = np.array([-3.0, -1.5, 0.4])
    table = {levels: transition(energies, levels, parity) for levels in permutations(range(3))}
    for a, b in product(table, repeat=2):
        forward = stationary(energies, a) * table[a].get(b, 0.0)
        backward = stationary(energies, b) * table[b].get(a, 0.0)
        assert forward == pytest.approx(backward, rel=1e-3, abs=1e-4 * stationary(energies, a))


def test_a_swap_that_lowers_the_weighted_energy_is_always_accepted() -> None:
    new, outcomes = exchange(
        np.array([5.0, -5.0, 0.0]), np.array([0, 1, 2]), TEMPERATURES, 0, np.array([0.999999, 0.5])
    )
    assert new.tolist() == [1, 0, 2]
    assert outcomes.tolist() == [ACCEPTED, NOT_TRIED]


def test_a_steep_swap_is_refused_and_levels_stay() -> None:
    new, outcomes = exchange(np.array([0.0, -50.0, 50.0]), np.array([0, 1, 2]), TEMPERATURES, 1, np.array([0.0, 0.5]))
    assert new.tolist() == [0, 1, 2]
    assert outcomes.tolist() == [NOT_TRIED, REFUSED]


def test_the_walker_at_a_level_is_found_through_the_levels() -> None:
    # walker 2 is coldest: it and walker 0 are the pair (0, 1)
    new, _ = exchange(np.array([-9.0, 0.0, 9.0]), np.array([1, 2, 0]), TEMPERATURES, 0, np.array([0.9, 0.9]))
    assert new.tolist() == [0, 2, 1]


def test_levels_stay_a_permutation() -> None:
    random = np.random.default_rng(0)
    levels = np.arange(6)
    ladder = np.linspace(300.0, 450.0, 6)
    for cycle in range(200):
        levels, _ = exchange(random.normal(0.0, 5.0, 6), levels, ladder, cycle % 2, random.random(5))
        assert sorted(levels.tolist()) == list(range(6))


def test_acceptance_counts_only_what_was_tried() -> None:
    outcomes = np.array([[1, -1], [0, -1], [-1, 1], [-1, 1]])
    assert acceptance(outcomes).tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("path", "trips"),
    [
        ([0, 1, 2, 1, 0], 1),
        ([1, 2, 1, 0], 0),
        ([2, 0, 2, 0], 1),
        ([0, 2, 0, 2, 0, 1, 2], 2),
        ([1, 1, 1], 0),
        ([0, 0, 1, 0], 0),
    ],
)
def test_round_trips(path: list[int], trips: int) -> None:
    levels = np.array([path, [2] * len(path)]).T
    assert round_trips(levels)[0] == trips
