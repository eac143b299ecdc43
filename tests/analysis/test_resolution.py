from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cgexp.analysis.comparison import Bins, exact_distance, marginal_distances, relative_entropies
from cgexp.analysis.convergence import resolution_metrics, thinning_bias
from tests.analysis.ensembles import ensemble_of


def points(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 2))


def test_the_bias_is_the_mean_distance_of_two_samples_of_one_distribution() -> None:
    rng = np.random.default_rng(0)
    pairs = [(ensemble_of(points(200, s)), ensemble_of(points(200, s + 100))) for s in range(20)]
    independent = [exact_distance(*pair, 200, rng) for pair in pairs]
    found = thinning_bias(ensemble_of(points(5000, 200)), ensemble_of(points(5000, 201)), 200, rng)
    assert found["w1_tica_bias"] == pytest.approx(np.mean(independent), rel=0.12)


def test_few_frames_are_halved_and_the_distance_scaled_to_the_size_wanted() -> None:
    rng = np.random.default_rng(0)
    many = thinning_bias(ensemble_of(points(4000)), ensemble_of(points(4000, 1)), 300, rng)["w1_tica_bias"]
    few = thinning_bias(ensemble_of(points(300)), ensemble_of(points(300, 1)), 300, rng)["w1_tica_bias"]
    assert few == pytest.approx(many, rel=0.25)
    assert thinning_bias(ensemble_of(points(1)), ensemble_of(points(300)), 300, rng) == {}


def test_runs_a_shift_apart_have_that_resolution() -> None:
    n = 3000
    tica = points(2 * n)
    tica[n:] += [3.0, 0.0]
    touching = np.zeros((2 * n, 28), dtype=bool)
    touching[n:, 0] = True
    block = np.repeat(np.arange(20), n // 10)
    ensemble = ensemble_of(tica, block, rmsd=np.r_[np.full(n, 1.0), np.full(n, 3.5)], contacts=touching)
    reference = replace(ensemble, run=np.repeat([0, 1], n))
    found = resolution_metrics(reference, Bins.over(reference, 20, 10), 2000, 5, np.random.default_rng(0))
    assert found["w1_tica_ic1_resolution"] == pytest.approx(3.0, abs=0.1)
    assert found["w1_tica_ic2_resolution"] == pytest.approx(0.0, abs=0.1)
    assert found["w1_tica_sliced_resolution"] == pytest.approx(2.0 / np.pi * 3.0, abs=0.1)
    assert found["w1_rmsd_resolution"] == pytest.approx(2.5)
    assert found["contact_rmse_resolution"] == pytest.approx(np.sqrt(1.0 / 28))
    assert 0.0 < found["w1_tica_ic1_resolution_sem"] < 0.1
    assert found["js_rmsd_resolution"] == pytest.approx(np.log(2.0))
    assert found["kl_rmsd_resolution"] > 1.0
    assert found["w1_tica_kde_resolution"] == pytest.approx(3.0, abs=0.3)
    assert found["js_tica_resolution"] > 0.4


def test_a_run_without_weight_has_no_resolution() -> None:
    reference = ensemble_of(points(200), np.arange(200) // 10, weights=np.repeat([1.0, 0.0], 100))
    bins = Bins.over(reference, 20, 10)
    reference = replace(reference, run=np.repeat([0, 1], 100))
    assert resolution_metrics(reference, bins, 100, 0, np.random.default_rng(0)) == {}


def test_relative_entropies_are_those_of_the_marginal_distances() -> None:
    first, second = ensemble_of(points(200), rmsd=np.arange(200.0)), ensemble_of(points(100, 1), rmsd=np.arange(100.0))
    bins = Bins.over(first, 20, 10)
    expected = {n: v for n, v in marginal_distances(first, second, bins).items() if n.startswith("kl_")}
    assert relative_entropies(first, second, bins) == expected
