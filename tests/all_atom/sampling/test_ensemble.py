"""Runs joined into one weighted ensemble: order, blocks, burn-in, what is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cgexp.all_atom.sampling.ensemble import Pool, not_negligible
from cgexp.all_atom.sampling.exchange_trajectory import ExchangeTrajectory
from cgexp.errors import InputError
from cgexp.units import BOLTZMANN

LADDER = np.array([300.0, 400.0])


def trajectory(n_frames: int, seed: int) -> ExchangeTrajectory:
    """Two walkers of a harmonic bead that swap temperatures at random; frames 4 ps apart."""
    rng = np.random.default_rng(seed)
    levels = np.stack([rng.permutation(2) for _ in range(n_frames)])
    energies = rng.gamma(1.5, BOLTZMANN * LADDER[levels])
    coords = rng.normal(size=(n_frames, 2, 3, 3)).astype(np.float32)
    outcomes = np.zeros((n_frames, 1), dtype=np.int64)
    costs = {"cpu_s": np.zeros(len(levels)), "engine": np.full(len(levels), "native")}
    return ExchangeTrajectory(
        coords, levels, energies, levels, energies, outcomes, **costs, temperatures=LADDER, frame_ps=4.0, cycle_ps=4.0
    )


@pytest.fixture
def runs() -> list[ExchangeTrajectory]:
    return [trajectory(300, 1), trajectory(200, 2)]


def test_a_pool_keeps_walkers_whole_and_in_time(runs: list[ExchangeTrajectory]) -> None:
    pool = Pool.of(runs)
    assert len(pool) == 2 * 300 + 2 * 200
    assert np.unique(pool.walker[pool.run == 1]).tolist() == [2, 3]
    second = pool.select(pool.walker == 3)
    np.testing.assert_array_equal(second.level, runs[1].frame_levels[:, 1])
    np.testing.assert_array_equal(second.energy, runs[1].frame_energies[:, 1])
    np.testing.assert_allclose(second.time_ps, 4.0 * np.arange(1, 201))
    np.testing.assert_allclose(second.coords.mean(axis=1), 0.0, atol=1e-6)
    moved = runs[1].coords[:, 1] - runs[1].coords[:, 1].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(second.coords, moved)


def test_weights_give_the_mean_energy_at_any_temperature(runs: list[ExchangeTrajectory]) -> None:
    pool = Pool.of([trajectory(4000, seed) for seed in (3, 4)])
    for temperature in (300.0, 350.0):
        mean = np.average(pool.energy, weights=pool.weights(temperature))
        assert mean == pytest.approx(1.5 * BOLTZMANN * temperature, rel=0.05)


def test_a_block_is_a_stretch_of_one_walker(runs: list[ExchangeTrajectory]) -> None:
    pool = Pool.of(runs)
    blocks = pool.blocks(500.0)
    assert pool.n_stretches(500.0) == 3
    assert np.unique(blocks).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 9, 10], "the second run is shorter"
    for block in np.unique(blocks):
        own = pool.select(blocks == block)
        assert len(np.unique(own.walker)) == 1
        assert np.ptp(own.time_ps) < 500.0


def test_every_other_frame_of_each_walker(runs: list[ExchangeTrajectory]) -> None:
    pool = Pool.of(runs).every(3)
    first = pool.select(pool.walker == 1)
    np.testing.assert_allclose(first.time_ps, 12.0 * np.arange(1, 101))
    assert (pool.walker == 3).sum() == 200 // 3


def test_frames_of_negligible_weight_are_left_out() -> None:
    weights = np.array([1.0, 1e-5, 2.0, 1e-4, 0.0])
    assert not_negligible(weights).tolist() == [True, False, True, False, False]
    assert not_negligible(weights, 0.0).tolist() == [True, True, True, True, False]


def test_runs_of_other_ladders_are_not_joined(runs: list[ExchangeTrajectory]) -> None:
    with pytest.raises(InputError, match="expected one ladder"):
        Pool.of([runs[0], replace(runs[1], temperatures=LADDER + 1.0)])
