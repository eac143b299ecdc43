from __future__ import annotations

import numpy as np
import pytest

from cgexp.analysis.convergence import N_WINDOWS, convergence_curve, split_half
from tests.analysis.ensembles import ensemble_of, replicas_of


def cloud(n_saved: int, n_replicas: int, drift: float = 0.0, seed: int = 0) -> np.ndarray:
    """Independent normal points whose IC 1 is moved by ``drift`` in the second half."""
    points = np.random.default_rng(seed).normal(size=(n_saved, n_replicas, 2))
    points[n_saved // 2 :, :, 0] += drift
    return points


def test_halves_a_shift_apart_have_that_distance() -> None:
    found = split_half(replicas_of(cloud(60, 20, drift=4.0)), 400, 2.0, 10, np.random.default_rng(0))
    assert found["w1_tica_split_half"] == pytest.approx(4.0, abs=0.3)
    assert 0.0 < found["w1_tica_split_half_sem"] < 0.3
    assert found["w1_tica_split_half"] > 4.0 * found["w1_tica_split_half_null"]
    assert found["folded_fraction_drift"] == pytest.approx(-0.5, abs=0.1), "IC 1 < 0 is folded: half of the first half"
    same = split_half(replicas_of(cloud(60, 20)), 400, 2.0, 0, np.random.default_rng(0))
    assert same["w1_tica_split_half"] < 0.3
    assert set(same) == {"w1_tica_split_half", "folded_fraction_drift"}


def test_a_stationary_simulation_is_as_far_from_itself_as_with_halves_swapped_at_random() -> None:
    rng = np.random.default_rng(3)
    beyond, drifts = [], []
    for seed in range(20):
        steps = np.cumsum(np.random.default_rng(seed).normal(size=(60, 20, 2)), axis=0)  # slow: few independent frames
        stationary = steps - steps.mean(axis=0)
        found = split_half(replicas_of(stationary), 200, 2.0, 10, rng)
        beyond.append(
            (found["w1_tica_split_half"] - found["w1_tica_split_half_null"]) / found["w1_tica_split_half_null_sem"]
        )
        drifts.append(found["folded_fraction_drift"] / found["folded_fraction_drift_sem"])
    assert np.mean(np.abs(beyond) > 2.0) < 0.3
    assert np.std(drifts) == pytest.approx(1.0, abs=0.4)


def test_the_burn_in_is_in_no_half() -> None:
    points = cloud(60, 20)
    points[:20] += 100.0
    found = split_half(replicas_of(points, n_dropped=20), 400, 2.0, 0, np.random.default_rng(0))
    assert found["w1_tica_split_half"] < 0.3


def test_windows_show_how_far_each_is_from_the_reference() -> None:
    reference = ensemble_of(np.random.default_rng(5).normal(size=(3000, 2)), rmsd=np.full(3000, 5.0))
    curve = convergence_curve(
        reference, replicas_of(cloud(100, 20, drift=3.0), 10), 2.0, 10, np.random.default_rng(0), "a", None
    )
    assert len(curve.w1) == N_WINDOWS
    assert curve.w1[:5] == pytest.approx(np.full(5, 0.0), abs=0.15)
    assert curve.w1[5:] == pytest.approx(np.full(5, 2.0 / np.pi * 3.0), abs=0.15)
    assert curve.folded[:5] == pytest.approx(np.full(5, 0.5), abs=0.12)  # IC 1 < 0
    assert curve.folded[5:] == pytest.approx(np.zeros(5), abs=0.02)
    assert curve.folded_sem[0] == pytest.approx(np.sqrt(0.25 / 200), rel=0.4)
    assert curve.folded_reference == 0.0
    never = curve.folded == 0.0
    assert curve.folded_limit[never] == pytest.approx(np.full(never.sum(), 3.0 / 20))
    assert np.isnan(curve.folded_limit[~never]).all()
    np.testing.assert_allclose(curve.start, 5.0 * np.arange(10))
    np.testing.assert_allclose(curve.stop, 5.0 * np.arange(1, 11))
    assert curve.burn_in == 5.0


def test_weights_of_the_reference_matter() -> None:
    points = np.random.default_rng(5).normal(size=(3000, 2))
    left = ensemble_of(points, weights=(points[:, 0] < 0).astype(float))
    curve = convergence_curve(left, replicas_of(cloud(100, 20)), 2.0, 0, np.random.default_rng(0), "a", None)
    assert (curve.w1 > 0.3).all()
    assert np.isnan(curve.w1_sem).all()
    assert curve.burn_in is None


def test_a_single_saved_frame_shows_nothing() -> None:
    replicas = replicas_of(cloud(1, 20))
    assert split_half(replicas, 400, 2.0, 10, np.random.default_rng(0)) == {}
    reference, rng = ensemble_of(np.zeros((3, 2))), np.random.default_rng(0)
    assert convergence_curve(reference, replicas, 2.0, 5, rng, "a", None) is None
    few = convergence_curve(reference, replicas_of(cloud(3, 20)), 2.0, 5, rng, "a", None)
    assert few is not None
    assert len(few.w1) == 3
