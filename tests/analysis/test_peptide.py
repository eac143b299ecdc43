from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from cgexp.analysis import observables as o
from cgexp.analysis.peptide import PeptideAnalysis
from cgexp.analysis.result import Evaluation
from cgexp.analysis.tica import Tica
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.systems.peptide import Peptide
from tests.analysis.ensembles import FakeTrajectory, peptide_frames, walkers
from tests.systems.backbones import backbone_frames

FAST = {"n_samples_tica": 150, "n_bootstrap": 3}
W1 = ["tica", "tica_sliced", "tica_split_half", "tica_ic1", "tica_ic2", "tica_kde", "dihedral_linear", *o.QUANTITIES]


def evaluate(frames: Frames, trajectory: FakeTrajectory | None, **settings: int) -> Evaluation:
    return PeptideAnalysis(2.0, **(FAST | settings)).evaluate(Peptide(), None, frames, trajectory, 0.0)


def trajectory_of(frames: Frames) -> FakeTrajectory:
    coords = np.moveaxis(frames.coords.reshape(len(np.unique(frames.block)), -1, 10, 3), 1, 0)
    return FakeTrajectory(coords, np.ones(coords.shape[1], dtype=bool))


def test_every_metric_is_there_with_an_error() -> None:
    frames = peptide_frames()
    trajectory = FakeTrajectory(walkers(60, 20, np.random.default_rng(9)), np.ones(20, dtype=bool))
    evaluation = evaluate(frames, trajectory)
    metrics = evaluation.metrics
    expected = {f"w1_{name}" for name in W1} | {f"{kind}_{name}" for kind in ("js", "kl") for name in o.QUANTITIES}
    expected |= {"js_tica", "kl_tica", "contact_rmse", "msm_ck_error"}
    folding = ["folded_fraction", "mirror_fraction", "handedness"]  # all are folded: a bound on the free energy
    expected |= {f"{name}{side}" for name in folding for side in ("", "_reference")}
    expected |= {"w1_tica_split_half_null", "folded_fraction_drift"}
    without_error = {"replicas_failed", "replicas_failed_fraction", "w1_tica_bias"}
    without_error |= {"msm_timescale_1_above", "msm_timescale_2_above"}  # 30 ps do not resolve them
    without_error |= {"folded_free_energy_below", "folded_free_energy_reference_below"}
    assert set(metrics) == expected | {f"{name}_sem" for name in expected} | without_error
    assert all(np.isfinite(value) for value in metrics.values())
    assert {name for name, value in metrics.items() if value < 0} <= {name for name in metrics if "free_energy" in name}
    notes = evaluation.notes
    assert notes.reference_is_equilibrium is False
    assert "not an equilibrium reference" in notes.reference
    again = evaluate(frames, trajectory).metrics
    assert again == metrics, "the seed fixes every draw"
    stored = Tica.from_arrays(*evaluation.definitions["tica"])
    assert stored.data_hash == frames.content_hash


def test_a_simulation_that_is_the_reference_scores_zero() -> None:
    frames = peptide_frames()
    metrics = evaluate(frames, trajectory_of(frames), n_samples_tica=2000, n_bootstrap=0).metrics
    for name, value in metrics.items():
        if name.startswith(("w1_", "js_", "kl_", "contact")) and name not in ("w1_tica_bias", "w1_tica_split_half"):
            assert value == pytest.approx(0, abs=1e-9), name
    assert metrics["folded_fraction"] == pytest.approx(metrics["folded_fraction_reference"])


def test_of_backbone_beads_the_c_alpha_beads_are_measured() -> None:
    sequence = "YYDPETGTWY"
    system = Peptide(sequence, beads="backbone5")
    frames = backbone_frames(sequence, n_frames=400, n_blocks=4)
    alpha = frames.with_labels(
        coords=frames.coords[:, system.ca],
        forces=None,
        bead_types=Peptide(sequence).bead_types,
        system=Peptide(sequence).name,
    )
    fine, coarse = (
        PeptideAnalysis(2.0, **FAST).evaluate(system_, None, frames_, FakeTrajectory(coords, np.ones(4, bool)), 0.0)
        for system_, frames_, coords in (
            (system, frames, np.moveaxis(frames.coords.reshape(4, 100, -1, 3), 1, 0)),
            (Peptide(sequence), alpha, np.moveaxis(alpha.coords.reshape(4, 100, -1, 3), 1, 0)),
        )
    )
    assert fine.metrics == coarse.metrics
    stored = Tica.from_arrays(*fine.definitions["tica"])
    assert stored.beads is not None
    np.testing.assert_array_equal(stored.beads, system.ca)
    np.testing.assert_array_equal(
        stored.transform(frames.coords), Tica.from_arrays(*coarse.definitions["tica"]).transform(alpha.coords)
    )


def test_one_dimensional_metrics_are_means_over_coordinates() -> None:
    frames = peptide_frames()
    other = walkers(120, 8, np.random.default_rng(5), swelling=0.2)
    metrics = evaluate(frames, FakeTrajectory(other, np.ones(8, dtype=bool)), n_bootstrap=0).metrics
    flat = other.reshape(-1, 10, 3)
    for name in ("bond", "angle", "end_to_end"):
        a, b = (o.observables_of(coords, Peptide())[name] for coords in (frames.coords, flat))
        expected = np.mean([wasserstein_distance(a[:, i], b[:, i]) for i in range(a.shape[1])])
        assert metrics[f"w1_{name}"] == pytest.approx(expected, rel=1e-9)
    rmsd = Peptide().distance(flat, Peptide().native()[None])[:, 0]
    assert metrics["folded_fraction"] == pytest.approx(np.mean(rmsd < 2.0))
    assert metrics["w1_dihedral"] <= metrics["w1_dihedral_linear"] + 1e-12


def test_weights_of_the_reference_matter() -> None:
    frames = peptide_frames()
    chosen = o.end_to_end(frames.coords)[:, 0] > np.median(o.end_to_end(frames.coords))
    weighted = frames.with_labels(weights=np.where(chosen, 1.0, 0.0))
    trajectory = trajectory_of(frames)
    plain, biased = (evaluate(f, trajectory, n_bootstrap=0).metrics for f in (frames, weighted))
    subset = wasserstein_distance(o.end_to_end(frames.coords)[chosen, 0], o.end_to_end(frames.coords)[:, 0])
    assert biased["w1_end_to_end"] == pytest.approx(subset, rel=1e-9)
    assert plain["w1_end_to_end"] == pytest.approx(0, abs=1e-9)
    assert biased["w1_tica"] > plain["w1_tica"]
    assert biased["js_end_to_end"] > 0.1


def test_both_sides_use_the_same_number_of_frames() -> None:
    frames = peptide_frames()
    few = walkers(4, 10, np.random.default_rng(5))
    metrics = evaluate(frames, FakeTrajectory(few, np.ones(10, dtype=bool)), n_bootstrap=0).metrics
    full = wasserstein_distance(o.end_to_end(frames.coords)[:, 0], o.end_to_end(few.reshape(-1, 10, 3))[:, 0])
    assert metrics["w1_end_to_end"] != pytest.approx(full, rel=1e-6)
    assert metrics["w1_end_to_end"] == pytest.approx(full, rel=0.8)


def test_without_a_healthy_replica_the_reference_is_described() -> None:
    frames = peptide_frames()
    dead = FakeTrajectory(walkers(4, 2, np.random.default_rng(5)), np.zeros(2, dtype=bool))
    failed = evaluate(frames, dead)
    assert failed.metrics["replicas_failed_fraction"] == 1
    assert "w1_tica" not in failed.metrics
    assert "folded_fraction_reference" in failed.metrics
    assert failed.curves["tica"].model is None
    assert "replicas_failed" not in evaluate(frames, None).metrics


def test_a_simulation_far_away_fills_the_outermost_bins() -> None:
    frames = peptide_frames()
    far = FakeTrajectory(5.0 * walkers(10, 12, np.random.default_rng(5)), np.ones(12, dtype=bool))
    evaluation = evaluate(frames, far)
    assert evaluation.metrics["js_end_to_end"] == pytest.approx(np.log(2), abs=1e-6)
    assert evaluation.curves["tica"].model_outside == 1.0
    assert evaluation.curves["tica"].model is None
    assert evaluation.curves["distributions"]["end_to_end"].model.sum() == 0


def test_densities_integrate_to_one() -> None:
    frames = peptide_frames()
    curves = evaluate(frames, trajectory_of(frames)).curves["distributions"]
    for name, curve in curves.items():
        width = curve.x[1] - curve.x[0]
        assert curve.reference.sum() * width == pytest.approx(1.0), name
        assert curve.model == pytest.approx(curve.reference), name


def test_one_saved_frame_is_enough() -> None:
    single = FakeTrajectory(walkers(1, 2, np.random.default_rng(5)), np.ones(2, dtype=bool))
    metrics = evaluate(peptide_frames(), single).metrics
    assert "w1_tica_kde" not in metrics, "two points have no density in the plane"
    assert metrics["w1_tica"] > 0


def test_a_reference_without_time_is_refused() -> None:
    with pytest.raises(InputError, match="no time_ps"):
        evaluate(peptide_frames().with_labels(time_ps=None), None)
