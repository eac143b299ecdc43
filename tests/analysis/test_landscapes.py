"""Free energies along lines and in the plane against harmonic ones, which are known."""

from __future__ import annotations

import numpy as np
import pytest

from cgexp.analysis.comparison import Bins
from cgexp.analysis.curves import Distribution
from cgexp.analysis.ensemble import Ensemble
from cgexp.analysis.landscapes import distributions, free_energy_curve, tica_curve
from tests.analysis.ensembles import ensemble_of

N = 60_000


def gaussian(width: float, seed: int, n: int = N, **options: object) -> Ensemble:
    points = np.random.default_rng(seed).normal(scale=(width, 1.0), size=(n, 2))
    return ensemble_of(points, np.arange(n) % 20, **options)  # type: ignore[arg-type]


def bins_to(limit: float, n_bins: int = 40) -> Bins:
    edges = np.linspace(-limit, limit, n_bins + 1)
    return Bins(
        {name: np.linspace(-1.0, 1.0, 11) for name in ensemble_of(np.zeros((1, 2))).observables}, (edges, edges)
    )


def test_free_energy_along_an_ic_is_harmonic_and_so_is_the_difference() -> None:
    curves = free_energy_curve(gaussian(1.0, 0), gaussian(0.7, 1), bins_to(2.0), "a", 100, np.random.default_rng(0))
    curve = curves["ic1"]
    x, near = curve.x, np.abs(curve.x) < 1.5
    expected = {"reference": x**2 / 2, "model": x**2 / 2 / 0.49 + np.log(0.7)}  # the same zero of both
    for side, energy in expected.items():
        offset = curve.reference[near] - expected["reference"][near]
        np.testing.assert_allclose(getattr(curve, side)[near] - energy[near], offset.mean(), atol=0.12)
    assert curve.reference.min() == 0.0
    np.testing.assert_allclose(curve.difference[near], (expected["model"] - expected["reference"])[near], atol=0.15)
    pull = (curve.difference - expected["model"] + expected["reference"])[near] / curve.difference_sem[near]
    assert 0.5 < np.sqrt(np.mean(pull**2)) < 1.6, "the error is that of the difference"
    assert curves["ic2"].difference == pytest.approx(0.0, abs=0.3)


def test_the_error_is_the_spread_of_repeated_simulations() -> None:
    rng = np.random.default_rng(0)
    repeated = [free_energy_curve(gaussian(1.0, seed, 2000), None, bins_to(2.0, 8), "a", 50, rng) for seed in range(60)]
    # the minimum of each is at zero, so compare heights above one bin
    heights = np.array([curves["ic1"].reference[1] - curves["ic1"].reference[4] for curves in repeated])
    errors = [np.hypot(*curves["ic1"].reference_sem[[1, 4]]) for curves in repeated]
    assert np.mean(errors) == pytest.approx(heights.std(), rel=0.3)


def test_frames_beyond_the_bins_are_stated_and_empty_bins_have_no_value() -> None:
    far = gaussian(1.0, 0)
    far.tica[: N // 4, 0] = 50.0
    curves = free_energy_curve(gaussian(0.1, 1), far, bins_to(2.0), "a", 0, np.random.default_rng(0))
    assert curves["ic1"].outside == pytest.approx(0.25 + 0.75 * 0.0455, abs=0.005)
    assert np.isnan(curves["ic1"].reference[0])
    assert np.isnan(curves["ic1"].difference[0])
    assert curves["ic1"].model_sem is None
    middle = np.abs(curves["ic1"].x) < 0.2
    density = np.exp(-(curves["ic1"].x ** 2) / 2) / np.sqrt(2 * np.pi)
    own = -np.log(0.75 * density * 0.1)  # a quarter of the probability is outside
    shift = -np.log(np.histogram(gaussian(0.1, 1).tica[:, 0], bins_to(2.0).tica[0])[0].max() / N)
    np.testing.assert_allclose(curves["ic1"].model[middle], (own - shift)[middle], atol=0.1)


def test_weights_tilt_the_reference() -> None:
    plain = gaussian(1.0, 0)
    tilted = gaussian(1.0, 0, weights=np.exp(0.8 * plain.tica[:, 0]))
    curve = free_energy_curve(tilted, plain, bins_to(1.5, 10), "a", 0, np.random.default_rng(0))["ic1"]
    slope = np.polyfit(curve.x, curve.difference, 1)[0]
    assert slope == pytest.approx(0.8, abs=0.05), "-ln p of the reference falls by 0.8 kT a unit"


def test_the_map_of_the_plane_has_a_difference_where_both_are() -> None:
    curve = tica_curve(gaussian(1.0, 0), gaussian(0.7, 1), bins_to(1.0, 4), "a")
    x = 0.5 * (curve.edges_ic1[1:] + curve.edges_ic1[:-1])
    expected = (x**2 / 2 / 0.49 - x**2 / 2)[:, None] * np.ones(4)
    found = curve.difference - curve.difference.mean()
    np.testing.assert_allclose(found, expected - expected.mean(), atol=0.12)
    assert curve.difference_limit == pytest.approx(np.abs(curve.difference).max())
    assert curve.reference.min() == curve.model.min() == 0.0
    assert tica_curve(gaussian(1.0, 0), None, bins_to(1.0, 4), "a").difference is None


def test_no_bin_in_common_still_gives_a_scale() -> None:
    left, right = ensemble_of(np.full((5, 2), -0.5)), ensemble_of(np.full((5, 2), 0.5))
    curve = tica_curve(left, right, bins_to(1.0, 4), "a")
    assert np.isnan(curve.difference).all()
    assert curve.difference_limit == 1.0


def test_densities_have_errors_over_units() -> None:
    reference = gaussian(1.0, 0, 2000, rmsd=np.random.default_rng(0).uniform(-1, 1, 2000))
    curve = distributions(reference, reference, bins_to(1.0), "a")["rmsd"]
    np.testing.assert_allclose(curve.model, curve.reference)
    assert curve.reference == pytest.approx(np.full(10, 0.5), abs=0.1)
    assert curve.model_sem.mean() == pytest.approx(np.sqrt(0.1 * 0.9 / 2000) / 0.2, rel=0.3)


def test_densities_of_the_reference_have_errors_over_its_blocks() -> None:
    values = np.random.default_rng(0).uniform(-1, 1, 2000)
    reference = ensemble_of(np.zeros((2000, 2)), np.arange(2000) // 100, rmsd=values)
    curve = distributions(reference, reference, bins_to(1.0), "a")["rmsd"]
    np.testing.assert_allclose(curve.reference_sem, curve.model_sem)
    single = ensemble_of(np.zeros((9, 2)), np.zeros(9, dtype=int))
    assert distributions(single, None, bins_to(1.0), "a")["rmsd"].reference_sem is None


def test_the_error_of_a_weighted_reference_is_the_spread_of_repeated_ones() -> None:
    def curve(seed: int) -> Distribution:
        rng = np.random.default_rng(seed)
        centres = rng.uniform(-0.8, 0.8, size=40).repeat(50)  # frames of a block are alike
        values = np.clip(centres + 0.1 * rng.normal(size=2000), -0.99, 0.99)
        weights = np.exp(values) * rng.uniform(0.2, 1.8, size=40).repeat(50)
        reference = ensemble_of(np.zeros((2000, 2)), np.arange(2000) // 50, weights, values)
        return distributions(reference, None, bins_to(1.0), "a")["rmsd"]

    repeated = [curve(seed) for seed in range(100)]
    spread = np.std([one.reference for one in repeated], axis=0)
    error = np.mean([one.reference_sem for one in repeated], axis=0)
    assert np.mean(error / spread) == pytest.approx(1.0, abs=0.12)


def test_counts_of_a_bin_are_numpys_to_its_very_edges() -> None:
    edges = np.linspace(-0.1, 0.7, 51)
    values = np.concatenate([edges, np.nextafter(edges, 9.0), np.nextafter(edges, -9.0)]).clip(edges[0], edges[-1])
    bins = Bins({"bond": edges}, (edges, edges))
    expected = np.histogram(values, edges)[0]
    np.testing.assert_array_equal(bins.counts("bond", np.append(values, [-5.0, 5.0]), None)[1:-1], expected[1:-1])
    assert bins.counts("bond", np.append(values, [-5.0, 5.0]), None).sum() == len(values) + 2
    np.testing.assert_allclose(bins.counts("bond", values, np.ones(len(values))), expected)
