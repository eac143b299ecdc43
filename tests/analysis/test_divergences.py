from __future__ import annotations

import numpy as np
import ot
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import gaussian_kde, norm, wasserstein_distance

from cgexp.analysis import divergences as d


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_w1_on_the_line_is_the_shift_of_a_gaussian(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=20000), rng.normal(size=20000) + 0.7
    assert d.wasserstein_1d(a, b) == pytest.approx(0.7, abs=0.03)
    assert d.wasserstein_1d(a, a + 0.7) == pytest.approx(0.7, abs=1e-12)


def test_w1_on_the_line_counts_a_weighted_point_as_copies(rng: np.random.Generator) -> None:
    a, b, weights = rng.normal(size=30), rng.normal(size=20), rng.integers(0, 4, size=30)
    copies = np.repeat(a, weights)
    assert d.wasserstein_1d(a, b, weights.astype(float)) == pytest.approx(d.wasserstein_1d(copies, b), abs=1e-12)
    assert d.wasserstein_1d(a, b, weights.astype(float)) != pytest.approx(d.wasserstein_1d(a, b), abs=1e-3)


def test_w1_on_the_line_is_that_of_scipy(rng: np.random.Generator) -> None:
    a, b, weights = rng.normal(size=300).round(1), rng.normal(size=70).round(1), rng.random(300)  # with ties
    weights[:50] = 0.0
    for given in (None, weights):
        assert d.wasserstein_1d(a, b, given) == pytest.approx(wasserstein_distance(a, b, given), rel=1e-12)


def test_w1_on_the_circle_goes_the_short_way_round() -> None:
    a, b = np.full(5, np.pi - 0.1), np.full(5, -np.pi + 0.2)
    assert d.wasserstein_circular(a, b) == pytest.approx(0.3, abs=1e-12)
    assert d.wasserstein_1d(a, b) == pytest.approx(2 * np.pi - 0.3, abs=1e-12)
    assert d.wasserstein_circular([0.0], [np.pi]) == pytest.approx(np.pi, abs=1e-12)


@pytest.mark.parametrize("period", [2 * np.pi, 1.0])
def test_w1_on_the_circle_equals_the_best_assignment(rng: np.random.Generator, period: float) -> None:
    a, b = rng.normal(size=40) * 0.2 * period, (rng.normal(size=40) * 0.3 + 0.4) * period
    difference = np.abs(a[:, None] - b[None]) % period
    cost = np.minimum(difference, period - difference)
    best = cost[linear_sum_assignment(cost)].mean()
    assert d.wasserstein_circular(a, b, period=period) == pytest.approx(best, rel=1e-12)


def test_w1_on_the_circle_counts_a_weighted_point_as_copies(rng: np.random.Generator) -> None:
    a, b, weights = rng.uniform(-3, 3, 30), rng.uniform(-3, 3, 20), rng.integers(0, 4, size=30)
    copies = d.wasserstein_circular(np.repeat(a, weights), b)
    assert d.wasserstein_circular(a, b, weights.astype(float)) == pytest.approx(copies, abs=1e-12)


def test_w1_in_the_plane_equals_the_best_assignment(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(60, 2)), rng.normal(size=(60, 2)) + np.array([1.0, 0.0])
    cost = cdist(a, b)
    best = cost[linear_sum_assignment(cost)].mean()
    assert d.wasserstein_2d(a, b, n_samples=100, rng=rng) == pytest.approx(best, rel=1e-9)
    assert d.wasserstein_2d(a, a + np.array([3.0, 4.0]), n_samples=100, rng=rng) == pytest.approx(5.0, rel=1e-9)


def test_w1_in_the_plane_respects_weights_and_thins_both_sides_alike(rng: np.random.Generator) -> None:
    a = np.array([[0.0, 0.0], [1.0, 0.0]])
    b = np.array([[0.0, 0.0], [0.0, 0.0]])
    assert d.wasserstein_2d(a, b, np.array([3.0, 1.0]), n_samples=10, rng=rng) == pytest.approx(0.25)
    many = rng.normal(size=(500, 2))
    thinned = [d.wasserstein_2d(many, many, n_samples=50, rng=np.random.default_rng(i)) for i in (1, 1, 2)]
    assert thinned[0] == thinned[1] != thinned[2]
    assert thinned[0] > 0.05, "thinning draws both sides independently"


def test_w1_of_densities_is_near_the_shift_and_respects_weights(rng: np.random.Generator) -> None:
    a = rng.normal(size=(3000, 2))
    assert d.wasserstein_2d_kde(a, a + np.array([1.5, 0.0])) == pytest.approx(1.5, rel=0.02)
    assert d.wasserstein_2d_kde(a, a) == 0.0
    assert d.wasserstein_2d_kde(a, a[::-1]) == pytest.approx(0.0, abs=1e-9)
    left = (a[:, 0] < 0).astype(float)
    assert d.wasserstein_2d_kde(a, a, left) == pytest.approx(norm.pdf(0) * 2, rel=0.15)  # E|x| of the normal


@pytest.mark.parametrize("weighted", [False, True])
def test_w1_of_densities_is_that_of_scipys_densities_on_the_whole_grid(
    rng: np.random.Generator, weighted: bool
) -> None:
    a = rng.normal(size=(400, 2)) @ np.array([[1.0, 0.8], [0.0, 0.3]])  # correlated
    b = np.concatenate([rng.normal(size=(200, 2)) - 2.0, 0.1 * rng.normal(size=(100, 2)) + 3.0]).astype(np.float32)
    weights = rng.random(400) ** 4 if weighted else None
    low, high = np.min([a.min(0), b.min(0)], axis=0), np.max([a.max(0), b.max(0)], axis=0)
    ends = low - 0.1 * (high - low), high + 0.1 * (high - low)
    grid = np.stack(np.meshgrid(*np.linspace(*ends, 25).T, indexing="ij")).reshape(2, -1)
    p, q = gaussian_kde(a.T, weights=weights)(grid), gaussian_kde(b.T.astype(np.float64))(grid)
    whole = ot.emd2(p / p.sum(), q / q.sum(), cdist(grid.T, grid.T))
    assert d.wasserstein_2d_kde(a, b, weights) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("width", [1e-2, 1e-3, 1e-5, 1e-7])
def test_samples_between_two_points_of_the_grid_are_no_perfect_match(rng: np.random.Generator, width: float) -> None:
    """As of a simulation that has not left its start."""
    a, still = rng.normal(size=(400, 2)), np.array([0.31, -0.17])
    b = still + width * rng.normal(size=(300, 2))
    assert d.wasserstein_2d_kde(a, b) == pytest.approx(cdist(a, [still]).mean(), rel=0.1)


def test_points_on_one_line_span_no_plane(rng: np.random.Generator) -> None:
    assert d.spans_plane(rng.normal(size=(5, 2)))
    assert not d.spans_plane(np.ones((5, 2)))
    assert not d.spans_plane(np.outer(np.arange(5.0), [1.0, 2.0]))
    assert not d.spans_plane(np.eye(2))
    points = rng.normal(size=(5, 2))
    assert d.spans_plane(points, np.array([1.0, 2.0, 0.0, 0.0, 3.0]))
    for weights in ([0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0, 2.0]):  # of a weight they are on one
        assert not d.spans_plane(points, np.array(weights))


def test_js_is_in_nats_and_not_its_root() -> None:
    assert d.js_divergence([1, 0], [0, 5]) == pytest.approx(np.log(2))
    p, q = np.array([0.2, 0.8]), np.array([0.5, 0.5])
    m = 0.5 * (p + q)
    expected = 0.5 * sum(p * np.log(p / m)) + 0.5 * sum(q * np.log(q / m))
    assert d.js_divergence(10 * p, q) == pytest.approx(expected)
    assert d.js_divergence(q, p) == pytest.approx(expected)


def test_kl_takes_the_reference_first() -> None:
    reference, model = np.array([0.9, 0.1]), np.array([0.5, 0.5])
    forward = 0.9 * np.log(0.9 / 0.5) + 0.1 * np.log(0.1 / 0.5)
    backward = 0.5 * np.log(0.5 / 0.9) + 0.5 * np.log(0.5 / 0.1)
    assert d.kl_divergence(reference, model) == pytest.approx(forward, rel=1e-6)
    assert d.kl_divergence(model, reference) == pytest.approx(backward, rel=1e-6)


def test_kl_of_an_empty_bin_is_finite_by_the_floor() -> None:
    assert d.kl_divergence([0.5, 0.5], [1.0, 0.0]) == pytest.approx(
        0.5 * np.log(0.5) + 0.5 * np.log(0.5 / 1e-6), rel=1e-4
    )


def test_an_empty_histogram_is_refused() -> None:
    with pytest.raises(ValueError, match="sum to zero"):
        d.js_divergence([0, 0], [1, 1])
