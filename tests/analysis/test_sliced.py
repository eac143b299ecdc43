"""Sliced W1 against projections compared by scipy, and against what is known of shifts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from cgexp.analysis.comparison import N_DIRECTIONS, Projected, SlicedWasserstein, sliced_metrics
from cgexp.analysis.divergences import wasserstein_2d
from tests.analysis.ensembles import ensemble_of


def weighted(a: np.ndarray, b: np.ndarray, a_weights: np.ndarray, b_weights: np.ndarray) -> float:
    return SlicedWasserstein(Projected.of(a), a_weights, Projected.of(b))(b_weights)


def plain(a: np.ndarray, b: np.ndarray) -> float:
    return weighted(a, b, np.ones(len(a)), np.ones(len(b)))


@pytest.mark.parametrize("shift", [(3.0, 0.0), (1.0, -2.0), (0.0, 0.5)])
def test_a_shift_gives_two_over_pi_of_it(shift: tuple[float, float]) -> None:
    points = np.random.default_rng(0).normal(size=(50, 2))
    assert plain(points, points + shift) == pytest.approx(2.0 / np.pi * np.hypot(*shift), rel=1e-3)


def test_equals_the_mean_of_one_dimensional_distances_over_directions() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(60, 2)) * [1.0, 2.0], rng.normal(loc=(0.5, 0.0), size=(45, 2))
    wa, wb = rng.random(60), rng.random(45)

    def along(angle: float) -> float:
        direction = np.array([np.cos(angle), np.sin(angle)])
        return float(wasserstein_distance(a @ direction, b @ direction, wa, wb))

    few = np.mean([along((k + 0.5) * np.pi / N_DIRECTIONS) for k in range(N_DIRECTIONS)])
    assert weighted(a, b, wa, wb) == pytest.approx(few, rel=1e-12)
    assert np.mean([along(angle) for angle in np.linspace(0.0, np.pi, 501)]) == pytest.approx(few, rel=5e-3)


def test_a_weighted_point_counts_as_copies_and_the_exact_distance_bounds_it() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(40, 2)), rng.normal(loc=0.3, size=(40, 2))
    copies = rng.integers(0, 4, size=40)
    counted = weighted(a, b, copies.astype(float), np.ones(40))
    assert counted == pytest.approx(plain(np.repeat(a, copies, axis=0), b), rel=1e-9)
    assert counted != pytest.approx(plain(a, b), rel=1e-3)
    assert plain(a, b) <= 2.0 / np.pi * wasserstein_2d(a, b, n_samples=40, rng=rng) * (1 + 1e-3)


def test_the_error_is_the_spread_of_repeated_simulations() -> None:
    rng = np.random.default_rng(3)
    reference = ensemble_of(rng.normal(size=(200, 2)))

    def simulation() -> dict[str, float]:
        centres = np.repeat(rng.normal(loc=(2.0, 0.0), size=(15, 2)), 5, axis=0)
        points = centres + 0.1 * rng.normal(size=(75, 2))  # frames of a replica are alike
        return sliced_metrics(reference, ensemble_of(points, np.repeat(np.arange(15), 5)), 20, rng)

    repeated = [simulation() for _ in range(40)]
    spread = np.std([found["w1_tica_sliced"] for found in repeated], ddof=1)
    assert np.mean([found["w1_tica_sliced_sem"] for found in repeated]) == pytest.approx(spread, rel=0.3)


def test_weights_of_the_reference_matter_and_no_draws_give_no_error() -> None:
    points = np.random.default_rng(4).normal(size=(400, 2))
    left = ensemble_of(points, weights=(points[:, 0] < 0).astype(float))
    found = sliced_metrics(left, ensemble_of(points), 0, np.random.default_rng(0))
    assert set(found) == {"w1_tica_sliced"}
    assert (
        found["w1_tica_sliced"]
        > 0.3
        > sliced_metrics(ensemble_of(points), ensemble_of(points), 0, np.random.default_rng(0))["w1_tica_sliced"]
    )
