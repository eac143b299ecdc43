from __future__ import annotations

import numpy as np
import pytest

from cgexp.analysis.bootstrap import bootstrap_sem, independent_units, mean_and_sem


def test_sem_of_independent_units_is_that_of_the_mean() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=40)
    sem = bootstrap_sem(lambda units: {"mean": float(values[units].mean())}, 40, 2000, rng)
    assert sem["mean"] == pytest.approx(values.std(ddof=1) / np.sqrt(40), rel=0.06)


def test_two_units_give_an_unbiased_error() -> None:
    values = np.array([0.0, 1.0])
    sem = bootstrap_sem(lambda units: {"mean": float(values[units].mean())}, 2, 4000, np.random.default_rng(1))
    assert sem["mean"] == pytest.approx(values.std(ddof=1) / np.sqrt(2), rel=0.05)


def test_one_unit_or_no_draws_give_no_error() -> None:
    rng = np.random.default_rng(0)
    assert bootstrap_sem(lambda units: {"mean": 0.0}, 1, 100, rng) == {}
    assert bootstrap_sem(lambda units: {"mean": 0.0}, 5, 0, rng) == {}


def test_blocks_catch_the_correlation_of_an_autoregressive_series() -> None:
    rng = np.random.default_rng(2)
    rho, n = 0.9, 20000
    x = np.empty(n)
    x[0] = rng.normal()
    for i in range(1, n):
        x[i] = rho * x[i - 1] + np.sqrt(1 - rho**2) * rng.normal()
    mean, sem = mean_and_sem(x, np.arange(n) // 200, 1000, rng)
    exact = np.sqrt((1 + rho) / (1 - rho) / n)
    assert mean == pytest.approx(x.mean())
    assert sem == pytest.approx(exact, rel=0.25)
    assert sem is not None
    assert sem > 3 / np.sqrt(n), "frames taken as independent would give less than a third of it"


def test_mean_respects_weights() -> None:
    mean, sem = mean_and_sem(
        np.array([0.0, 1.0]), np.zeros(2, int), 10, np.random.default_rng(0), weights=np.array([1.0, 3.0])
    )
    assert mean == 0.75
    assert sem is None


def test_few_long_replicas_are_cut_into_blocks_in_time() -> None:
    samples = np.arange(103)[:, None] + 1000 * np.arange(2)[None]
    units = independent_units(samples, min_units=10)
    assert units.shape == (20, 10)
    assert (np.diff(units, axis=0) == 1).all(), "a unit is contiguous in time and of one replica"
    assert sorted(units.ravel()) == sorted(samples[3:].ravel())
    assert independent_units(np.zeros((5, 12))).shape == (5, 12)
    assert independent_units(np.zeros((3, 2, 4, 3))).shape == (1, 6, 4, 3)
    assert independent_units(np.zeros((3, 0, 4, 3))).shape == (3, 0, 4, 3)
