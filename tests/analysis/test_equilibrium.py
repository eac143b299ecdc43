"""An equilibrium reference: the distance of its runs, and an analysis that compares with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cgexp.analysis import equilibrium as equilibrium_module
from cgexp.analysis.comparison import Bins
from cgexp.analysis.divergences import wasserstein_2d
from cgexp.analysis.equilibrium import Equilibrium, run_distance
from cgexp.analysis.folding import folding_metrics
from cgexp.analysis.landscapes import free_energy_curve
from cgexp.analysis.peptide import PeptideAnalysis
from cgexp.analysis.tica import Tica
from cgexp.datasets.equilibrium import load_equilibrium
from cgexp.frames import Frames
from cgexp.systems.peptide import Peptide
from tests.analysis.ensembles import FakeTrajectory, ensemble_of, peptide_frames, walkers

FAST = {"n_samples_tica": 150, "n_bootstrap": 3}


@pytest.fixture(scope="module")
def equilibrium() -> Equilibrium:
    frames = peptide_frames(seed=7)
    weights = np.random.default_rng(1).uniform(0.2, 2.0, len(frames))
    frames = frames.with_labels(weights=weights)
    return Equilibrium("a_reference", frames, Tica.fit(frames, 2.0), (frames.block >= 4).astype(np.int64))


def two_runs(shift: float, n: int = 400) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2 * n, 2))
    points[n:] += [shift, 0.0]
    return points, np.repeat(np.arange(20), n // 10), [np.arange(n), np.arange(n, 2 * n)]


@pytest.mark.parametrize("shift", [3.0, 10.0])
def test_runs_a_shift_apart_have_that_distance(shift: float) -> None:
    points, block, runs = two_runs(shift)
    found = run_distance(points, np.ones(len(points)), block, runs, 200, 10, np.random.default_rng(2))
    assert found["w1_tica_resolution"] == pytest.approx(shift, abs=0.3)
    assert 0.0 < found["w1_tica_resolution_sem"] < 0.3


def test_weights_count_and_few_frames_are_biased_upwards() -> None:
    points, block, runs = two_runs(0.0)
    rng = np.random.default_rng(2)
    few, many = (
        np.mean([run_distance(points, np.ones(800), block, runs, n, 0, rng)["w1_tica_resolution"] for _ in range(5)])
        for n in (20, 400)
    )
    assert few > 1.5 * many
    left = (points[:, 0] < 0).astype(float)
    left[400:] = 1.0 - left[400:]
    apart = run_distance(points, left, block, runs, 400, 0, rng)["w1_tica_resolution"]
    assert apart == pytest.approx(2.0 * np.sqrt(2.0 / np.pi), rel=0.2)


def test_the_resolution_of_an_ensemble_is_the_distance_of_its_two_runs(equilibrium: Equilibrium) -> None:
    found = equilibrium.resolution(10_000, 0, np.random.default_rng(0))
    tica, first = equilibrium.tica.transform(equilibrium.frames.coords), equilibrium.run == 0
    weights = equilibrium.frames.weights
    assert weights is not None
    exact = wasserstein_2d(
        tica[first],
        tica[~first],
        weights[first],
        weights[~first],
        n_samples=10_000,
        rng=np.random.default_rng(0),
    )
    assert found == {"w1_tica_resolution": pytest.approx(exact)}


def test_an_analysis_takes_frames_weights_and_tica_from_it(equilibrium: Equilibrium) -> None:
    trajectory = FakeTrajectory(walkers(60, 20, np.random.default_rng(9)), np.ones(20, dtype=bool))
    data = peptide_frames(seed=3).with_labels(time_ps=None)  # on which no TICA could be fitted
    analysis = PeptideAnalysis(2.0, **FAST)
    evaluation = analysis.evaluate(Peptide(), None, data, trajectory, 0.0, equilibrium=equilibrium)
    direct = PeptideAnalysis(2.0, **FAST).evaluate(Peptide(), None, equilibrium.frames, trajectory, 0.0)
    extra = set(evaluation.metrics) - set(direct.metrics)
    compared = {n for n in direct.metrics if n.startswith(("w1_", "js_", "kl_", "contact_")) and "_sem" not in n}
    compared -= {"w1_tica_bias", "w1_tica_split_half", "w1_tica_split_half_null"}
    resolutions = {f"{name}_resolution" for name in compared}
    folding = {f"{name}_resolution" for name in ("folded_fraction", "mirror_fraction", "handedness")}
    assert extra == resolutions | {f"{name}_sem" for name in resolutions} | folding
    for name, value in direct.metrics.items():
        if not name.endswith("_reference_sem"):
            assert evaluation.metrics[name] == pytest.approx(value), name
    notes = evaluation.notes
    assert notes.reference_is_equilibrium is True
    assert notes.reference == evaluation.curves["tica"].reference_name == "a_reference"
    stored = Tica.from_arrays(*evaluation.definitions["tica"])
    np.testing.assert_array_equal(stored.components, equilibrium.tica.components)


def test_errors_of_a_reference_are_not_below_half_the_difference_of_its_runs(equilibrium: Equilibrium) -> None:
    """A reference whose runs disagree: one half folded, one never; and each agrees with itself in every block."""
    rng = np.random.default_rng(0)
    rmsd = np.where(np.arange(2000) % 2 < 1, 1.0, 5.0)
    rmsd[1000:] = 5.0
    tica = rng.normal(size=(2000, 2)) + np.where(rmsd < 2.0, 3.0, 0.0)[:, None]
    one = ensemble_of(tica, np.arange(2000) // 100, rmsd=rmsd)
    two = replace(one, run=np.repeat([0, 1], 1000))
    alone, with_runs = (
        folding_metrics(side, Peptide(), 2.0, 20, np.random.default_rng(0), "_reference") for side in (one, two)
    )
    assert alone["folded_fraction_reference_sem"] < 0.1
    assert "folded_free_energy_reference" in alone
    assert with_runs["folded_fraction_reference"] == 0.25
    assert with_runs["folded_fraction_reference_sem"] == pytest.approx(0.25)
    assert with_runs["folded_fraction_resolution"] == pytest.approx(0.5)
    assert "folded_free_energy_reference" not in with_runs
    assert with_runs["folded_free_energy_reference_above"] == pytest.approx(0.0), "at 0.25 + 0.25"
    curve = free_energy_curve(two, one, Bins.over(two, 20, 20), "reference", 50, rng)["rmsd"]
    native = np.digitize(1.0, Bins.over(two, 20, 20).observables["rmsd"]) - 1
    assert np.isnan(curve.reference_sem[native])
    assert np.isnan(curve.difference[native])
    assert curve.reference_above[native] == pytest.approx(np.log(0.75 / 0.5))
    assert curve.difference_below[native] == pytest.approx(curve.model[native] - curve.reference_above[native])


def test_the_relative_resolution_is_one_where_one_run_is_folded_and_the_other_never_is() -> None:
    frames = peptide_frames(seed=7).with_labels(weights=np.ones(960))
    run = (frames.block >= 4).astype(np.int64)
    reference = Equilibrium("a_reference", frames, Tica.fit(frames, 2.0), run)
    rng = np.random.default_rng(0)
    assert reference.resolution(480, 0, rng, run == 0)["resolution_relative"] == pytest.approx(1.0)
    found = reference.resolution(480, 5, rng, np.arange(960) % 2 == 0)
    assert found["resolution_relative"] > 1.0, "frames in turn are nearer to each other than the runs"
    assert found["resolution_relative_sem"] > 0.0
    assert "resolution_relative" not in reference.resolution(480, 0, rng, np.zeros(960, dtype=bool))


def test_only_equal_steps_and_equal_weights_are_continuous_dynamics(equilibrium: Equilibrium) -> None:
    assert equilibrium.step_ps() is None, "frames with weights are not dynamics at one temperature"
    frames = equilibrium.frames.with_labels(weights=np.full(len(equilibrium.frames), 0.7))

    def step(frames: Frames) -> float | None:
        return Equilibrium("a", frames, equilibrium.tica, np.zeros(len(frames), dtype=np.int64)).step_ps()

    assert step(frames) == pytest.approx(0.5)
    assert step(frames.with_labels(weights=None)) == pytest.approx(0.5)
    assert step(frames.select(np.delete(np.arange(len(frames)), [5]))) is None, "a frame is missing"
    assert step(frames.select(np.arange(len(frames))[::-1])) is None, "backwards in time"
    assert step(frames.with_labels(time_ps=None)) is None
    assert load_equilibrium("chignolin_reference").step_ps() is None, "its walkers change temperature"


def test_without_a_simulation_it_is_described_and_has_no_resolution(equilibrium: Equilibrium) -> None:
    evaluation = PeptideAnalysis(2.0, **FAST).evaluate(
        Peptide(), None, equilibrium.frames, None, 0.0, equilibrium=equilibrium
    )
    assert "folded_fraction_reference" in evaluation.metrics
    assert "w1_tica_resolution" not in evaluation.metrics


def test_the_distance_of_weighted_runs_hardly_depends_on_the_choice_of_frames() -> None:
    rng = np.random.default_rng(3)
    points, weights = rng.normal(size=(4000, 2)), rng.lognormal(sigma=1.5, size=4000)
    block, runs = np.repeat(np.arange(40), 100), [np.arange(2000), np.arange(2000, 4000)]

    def spread(n_draws: int) -> float:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(equilibrium_module, "N_DRAWS", n_draws)
            found = [
                run_distance(points, weights, block, runs, 100, 0, np.random.default_rng(seed)) for seed in range(20)
            ]
        return float(np.std([values["w1_tica_resolution"] for values in found]))

    assert spread(equilibrium_module.N_DRAWS) < 0.6 * spread(1)


def test_frames_are_of_the_run_whose_blocks_theirs_is_among() -> None:
    frames = peptide_frames(seed=7)
    runs = [{"first_block": 0, "n_blocks": 4}, {"first_block": 4, "n_blocks": 4}]
    made = Equilibrium.of_runs("a_reference", frames, Tica.fit(frames, 2.0), runs)
    np.testing.assert_array_equal(made.run, frames.block >= 4)
