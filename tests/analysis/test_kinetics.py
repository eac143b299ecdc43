"""The Markov model of a simulation: a process of known timescale, and simulations that allow none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cgexp.analysis.kinetics import KineticSettings, Walkers, kinetics, with_error
from tests.analysis.ensembles import replicas_of

SETTINGS = KineticSettings(lag=4, n_states=2, folded_rmsd=2.0, n_bootstrap=8, seed=0)
RATE = 0.02  # of leaving either side, a frame
SLOW_PS = -0.5 / np.log(1.0 - 2.0 * RATE)


def two_wells(n_saved: int = 400, n_replicas: int = 30, seed: int = 0) -> np.ndarray:
    """Jumps between IC 1 = -1 and 1 with fast noise around both: [n_saved, n_replicas, 2]."""
    rng = np.random.default_rng(seed)
    side = rng.choice([-1.0, 1.0], size=n_replicas)
    saved = []
    for _ in range(n_saved):
        side = np.where(rng.random(n_replicas) < RATE, -side, side)
        saved.append(np.stack([side, np.zeros(n_replicas)], axis=1) + 0.2 * rng.normal(size=(n_replicas, 2)))
    return np.array(saved)


def test_a_jump_process_has_its_timescale_and_its_two_states() -> None:
    metrics, curve, note = kinetics(replicas_of(two_wells()), SETTINGS)
    assert metrics["msm_timescale_1"] == pytest.approx(SLOW_PS, rel=0.15)
    assert 0.0 < metrics["msm_timescale_1_sem"] < 0.2 * SLOW_PS
    assert metrics["msm_ck_error"] < 0.03
    resolved = curve.timescales[curve.lags < 10.0, 0]
    assert resolved == pytest.approx(np.full(len(resolved), SLOW_PS), rel=0.35)
    np.testing.assert_allclose(np.sort(curve.populations), 0.5, atol=0.12)
    assert sorted(curve.folded) == pytest.approx([0.0, 1.0], abs=0.01)  # IC 1 < 0 is folded
    inside = curve.cluster_set >= 0
    assert len(set(np.sign(curve.centres[inside, 0])[curve.cluster_set[inside] == 0])) == 1
    assert curve.lag == 2.0
    assert "no physical times" in note
    assert "no timescales of the reference" in note
    assert (curve.timescales_low[:, 0] <= curve.timescales_high[:, 0]).all()


def test_continuous_walkers_of_a_reference_have_timescales_in_the_same_clusters() -> None:
    reference = replicas_of(two_wells(seed=1)[::2])  # half as dense: 1 ps apart
    walkers = Walkers(reference.trajectories(), 1.0)
    metrics, curve, note = kinetics(replicas_of(two_wells()), SETTINGS, walkers)
    assert metrics["msm_timescale_1_reference"] == pytest.approx(SLOW_PS, rel=0.15)
    assert 0.0 < metrics["msm_timescale_1_reference_sem"] < 0.3 * SLOW_PS
    assert curve.reference_timescales.shape == (len(curve.reference_lags), 2)
    assert "lag of 2 ps" in note
    assert "no timescales" not in note
    short = Walkers(walkers.frames.select(np.arange(1)), 1.0)
    assert "too short" in kinetics(replicas_of(two_wells()), SETTINGS, short)[2]


def test_it_is_the_same_again() -> None:
    first, second = (kinetics(replicas_of(two_wells(150)), SETTINGS)[0] for _ in range(2))
    assert first == second


def test_a_timescale_beyond_a_replica_is_said_to_be_extrapolated() -> None:
    metrics, _, note = kinetics(replicas_of(two_wells(20, 200)), SETTINGS)
    assert metrics.get("msm_timescale_1", metrics.get("msm_timescale_1_above", 0.0)) > 10.0
    assert "extrapolated" in note


def test_a_timescale_that_grows_with_the_lag_is_a_lower_bound_without_error() -> None:
    """Both wells seen through noise as wide as their distance: states mix, and short lags see the noise alone."""
    noisy = two_wells(400, 30) + np.random.default_rng(3).normal(size=(400, 30, 2))
    metrics, curve, note = kinetics(replicas_of(noisy), replace(SETTINGS, lag=1))
    assert not {"msm_timescale_1", "msm_timescale_1_sem"} & metrics.keys()
    assert 0.0 < metrics["msm_timescale_1_above"] < SLOW_PS
    assert metrics["msm_timescale_1_above"] == curve.timescales[curve.lags == curve.lag, 0]
    assert "grows with the lag" in note


@pytest.mark.parametrize(
    ("shape", "options", "reason"),
    [
        ((200, 20), {"continuous": False}, "replicas change temperature"),
        ((8, 20), {}, "8 saved frames, and msm_lag=4 needs at least 9"),
        ((20, 20), {"n_dropped": 14}, "6 saved frames"),
        ((20, 2), {}, "40 frames in all"),
    ],
)
def test_where_there_can_be_none_a_note_says_why(shape: tuple[int, int], options: dict, reason: str) -> None:
    metrics, curve, note = kinetics(replicas_of(two_wells(*shape), **options), SETTINGS)
    assert (metrics, curve) == ({}, None)
    assert note.startswith("no Markov model: ")
    assert reason in note


def test_replicas_that_never_move_or_never_meet_have_none() -> None:
    still = np.zeros((50, 20, 2))
    for points in (still, still + np.arange(20)[:, None]):
        metrics, curve, note = kinetics(replicas_of(points), SETTINGS)
        assert (metrics, curve) == ({}, None)
        assert "do not divide into 2 metastable states" in note


def test_a_single_replica_has_no_error() -> None:
    metrics, curve, _ = kinetics(replicas_of(two_wells(3000, 1)), SETTINGS)
    assert "msm_timescale_1" in metrics
    assert not [name for name in metrics if name.endswith("_sem")]
    assert curve.timescales_low is None


def test_errors_carry_the_factor_that_makes_their_square_unbiased() -> None:
    """n replicas drawn with replacement spread by sqrt((n - 1) / n) too little, as in analysis.bootstrap."""
    draws = [3.0, 1.0, 2.0, 4.0]
    assert with_error("t", [2.5, *draws], 5) == {
        "t": 2.5,
        "t_sem": pytest.approx(np.std(draws, ddof=1) * np.sqrt(1.25)),
    }
