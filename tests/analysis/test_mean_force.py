"""mean_force_rmse: the noise of the labels does not enter, and basins add up."""

from __future__ import annotations

import numpy as np
import pytest

from cgexp.analysis.forces import mean_force_metrics

N = 400
BASINS = np.array(["folded", "unfolded"])[np.arange(N) % 4 // 3]  # three quarters are folded


def labels(noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Exact mean forces, labels that are off by ``noise`` on average, and their standard errors."""
    rng = np.random.default_rng(0)
    exact = rng.normal(scale=5.0, size=(N, 10, 3))
    sem = noise * rng.uniform(0.5, 1.5, size=exact.shape)
    return exact, exact + sem * rng.normal(size=exact.shape), sem


def measure(forces: dict[str, np.ndarray], noise: float, n_bootstrap: int = 0) -> dict[str, float]:
    _, reference, sem = labels(noise)
    return mean_force_metrics(forces, reference, sem, BASINS, n_bootstrap, np.random.default_rng(1))


@pytest.mark.parametrize("noise", [0.0, 0.5, 2.0])
def test_the_error_of_the_model_is_found_whatever_the_noise_of_the_labels(noise: float) -> None:
    error = np.random.default_rng(2).normal(scale=1.5, size=(N, 10, 3))
    metrics = measure({"": labels(noise)[0] + error, "zero_force": np.zeros_like(error)}, noise)
    assert metrics["mean_force_rmse"] == pytest.approx(1.5, rel=0.04)
    assert metrics["mean_force_rmse_zero_force"] == pytest.approx(5.0, rel=0.04)


def test_an_exact_model_scores_nothing_and_never_less() -> None:
    metrics = measure({"": labels(0.5)[0]}, 0.5)
    assert metrics["mean_force_rmse"] < 0.1
    _, reference, sem = labels(0.5)
    assert mean_force_metrics({"": reference}, reference, sem, BASINS, 0, np.random.default_rng(0)) == {
        "mean_force_rmse": 0.0,
        "mean_force_rmse_folded": 0.0,
        "mean_force_rmse_unfolded": 0.0,
    }


def test_basins_add_up_by_their_squares() -> None:
    wrong = labels(0.5)[0] + np.where(BASINS == "folded", 1.0, 3.0)[:, None, None]
    metrics = measure({"": wrong}, 0.5)
    folded, unfolded = metrics["mean_force_rmse_folded"], metrics["mean_force_rmse_unfolded"]
    assert [folded, unfolded] == pytest.approx([1.0, 3.0], rel=0.05)
    assert metrics["mean_force_rmse"] ** 2 == pytest.approx(0.75 * folded**2 + 0.25 * unfolded**2)


def test_errors_are_those_of_other_configurations() -> None:
    """The bootstrap's error is the spread over sets of configurations that were drawn anew."""
    rng = np.random.default_rng(3)
    size = rng.exponential(scale=1.0, size=(N, 1, 1))  # of each configuration's error
    model = labels(0.5)[0] + size * rng.normal(size=(N, 10, 3))
    metrics = measure({"": model}, 0.5, n_bootstrap=300)
    again = [np.sqrt(np.mean((rng.exponential(size=(N, 1, 1)) * rng.normal(size=(N, 10, 3))) ** 2)) for _ in range(300)]
    assert metrics["mean_force_rmse_sem"] == pytest.approx(np.std(again), rel=0.35)
    assert metrics["mean_force_rmse_unfolded_sem"] > metrics["mean_force_rmse_sem"]


def test_without_basins_there_is_one_number() -> None:
    exact, reference, sem = labels(0.5)
    metrics = mean_force_metrics({"": exact}, reference, sem, np.zeros(0, np.str_), 20, np.random.default_rng(0))
    assert set(metrics) == {"mean_force_rmse", "mean_force_rmse_sem"}
