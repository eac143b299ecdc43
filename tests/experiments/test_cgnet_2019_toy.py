"""The experiment cgnet_2019_toy: its estimators on cases known in closed form, its figures on a small stand-in."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cgexp.studies.reproduce import load_code
from cgexp.studies.study import Study
from cgexp.systems.cgnet_toy import CGnetToy

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
FOLDER = EXPERIMENTS / "cgnet_2019_toy"


@pytest.fixture(scope="module")
def code() -> dict[str, ModuleType]:
    """The modules of the experiment by name."""
    package = load_code(FOLDER).__package__
    return {path.stem: importlib.import_module(f"{package}.{path.stem}") for path in sorted(FOLDER.glob("*.py"))}


@pytest.fixture(scope="module")
def exact(code):
    return code["curves"].Exact.of(CGnetToy())


def test_study_is_valid_and_states_the_bounds_of_the_house() -> None:
    study = Study.load(FOLDER.name, EXPERIMENTS)
    for metric in ("loss_excess_relative", "pmf_rmse_integration", "pmf_rmse_simulation"):
        assert study.expected[f"house.{metric}"][0] == "mean"


class TestLocalAverage:
    def test_means_of_bins(self, code) -> None:
        x, force = np.array([0.0, 0.1, 0.9, 1.0]), np.array([1.0, 3.0, -1.0, -2.0])
        fit = code["local_average"].fit(x, force, n_bins=2)
        assert fit.means == pytest.approx([2.0, -1.5])
        assert fit.force(np.array([-9.0, 0.2, 0.8, 9.0])) == pytest.approx([2.0, 2.0, -1.5, -1.5])

    def test_an_empty_bin_gets_the_line_between_its_neighbours(self, code) -> None:
        fit = code["local_average"].fit(np.array([0.0, 3.0]), np.array([0.0, 2.0]), n_bins=3)
        assert fit.means == pytest.approx([0.0, 1.0, 2.0])

    def test_leave_one_out_is_what_leaving_each_out_gives(self, code) -> None:
        rng = np.random.default_rng(0)
        x, force = np.sort(rng.uniform(size=30)), rng.normal(size=30)
        x[0], x[-1] = 0.0, 1.0
        squares = []
        for i in range(1, 29):  # without an end the bins would be others
            rest = np.arange(30) != i
            fit = code["local_average"].fit(x[rest], force[rest], n_bins=4)
            squares.append((fit.force(x[i : i + 1])[0] - force[i]) ** 2)
        index = np.clip((x * 4).astype(int), 0, 3)
        ends = [(force[i] - force[(index == index[i]) & (np.arange(30) != i)].mean()) ** 2 for i in (0, 29)]
        assert code["local_average"].leave_one_out(x, force, 4) == pytest.approx(np.mean([*squares, *ends]))

    def test_noise_alone_wants_few_bins_and_a_noiseless_ripple_many(self, code) -> None:
        rng = np.random.default_rng(1)
        x = rng.uniform(size=2000)
        assert len(code["local_average"].fit(x, rng.normal(size=2000)).means) <= 6
        assert len(code["local_average"].fit(x, np.sin(30.0 * x)).means) > 100


class TestDecomposition:
    def test_finds_bias_and_variance_of_known_estimators(self, code, exact) -> None:
        rng = np.random.default_rng(2)
        shift, spread, n_draws = 0.3, 0.5, 4000
        force = exact.force + shift + spread * rng.normal(size=(n_draws, 1))
        bias2, variance = code["decomposition"]._parts(force, exact)
        assert variance * exact.noise == pytest.approx(spread**2, rel=0.05)
        assert bias2 * exact.noise == pytest.approx(shift**2, rel=0.05)

    def test_the_bias_of_few_draws_is_right_on_average(self, code, exact) -> None:
        rng = np.random.default_rng(3)
        found = [
            code["decomposition"]._parts(exact.force + rng.normal(size=(5, 1)), exact)[0] * exact.noise
            for _ in range(400)
        ]
        assert abs(np.mean(found)) < 4.0 * np.std(found) / 20.0
        assert np.std(found) / 20.0 < 0.02  # uncorrected it would be 0.2

    def test_parts_add_up_to_the_mean_excess_loss(self, code, exact) -> None:
        force = exact.force + np.random.default_rng(4).normal(size=(5, 1))
        parts = code["decomposition"].decompose(force, exact)
        assert parts.excess == pytest.approx(code["curves"].excess_loss(force, exact).mean())
        assert parts.bias2_sem > 0.0
        assert parts.variance_sem > 0.0

    def test_refuses_too_few_draws(self, code, exact) -> None:
        with pytest.raises(ValueError, match="at least 3 draws, got 2"):
            code["decomposition"].decompose(np.stack([exact.force] * 2), exact)


class TestSlope:
    def test_finds_the_exponent_and_its_error(self, code) -> None:
        rng, n = np.random.default_rng(5), np.array([100.0, 1000.0, 10000.0])
        clean = code["slopes"].fit_slope(n, np.tile(3.0 / n[:, None], 5))
        assert clean.slope == pytest.approx(-1.0)
        assert clean.factor == pytest.approx(3.0)
        assert clean.slope_sem == pytest.approx(0.0, abs=1e-12)
        noisy = code["slopes"].fit_slope(n, 3.0 / n[:, None] * np.exp(0.3 * rng.normal(size=(3, 50))))
        assert abs(noisy.slope + 1.0) < 4.0 * noisy.slope_sem


class TestLeaks:
    def test_bound_is_the_flux_of_the_flat_box(self, code) -> None:
        x = np.linspace(-10.0, 10.0, 2001)
        bound = code["curves"].leak_bound(x, np.zeros_like(x), (-8.0, 8.0))
        assert bound == pytest.approx(2.0 * np.sqrt(0.5 / np.pi) / 16.0)

    def test_bound_of_the_exact_potential_is_never(self, code, exact) -> None:
        assert code["curves"].leak_bound(code["curves"].X, exact.pmf) < 1e-20

    def test_a_replica_that_comes_back_or_is_not_finite_has_left(self, code) -> None:
        x = np.array([[0.0, 0.0, 0.0, 0.0], [1.0, 9.0, 0.0, 0.0], [0.0, 0.0, -8.5, np.nan]])
        assert code["leaks"].still_inside(x) == pytest.approx([1.0, 0.75, 0.25])

    def test_free_energies_of_energy_and_histogram_share_their_zero(self, code, exact) -> None:
        rng, x, edges = np.random.default_rng(6), code["curves"].X, code["leaks"].EDGES
        samples = rng.choice(x, size=400_000, p=exact.density / exact.density.sum()) + rng.uniform(
            -0.005, 0.005, 400_000
        )
        middle = 0.5 * (edges[1:] + edges[:-1])
        expected = np.interp(middle, x, code["curves"].normalised(exact.pmf))
        found = code["leaks"].free_energy(samples[:, None])
        low = expected < 4.0
        assert np.abs(found - expected)[low].max() < 0.1
        assert np.isnan(found[0])


class TestErrors:
    def test_of_the_exact_force_are_zero_and_of_no_force_known(self, code, exact) -> None:
        assert code["curves"].excess_loss(exact.force, exact) == pytest.approx(0.0)
        mean_square = np.trapezoid(exact.density * exact.force**2, code["curves"].X)
        assert code["curves"].excess_loss(0.0 * exact.force, exact) == pytest.approx(mean_square / 0.3311, rel=1e-3)
        assert code["curves"].force_error(exact.force, exact) == pytest.approx(0.0)

    def test_of_an_offset_is_the_offset(self, code, exact) -> None:
        shifted = code["curves"].excess_loss(np.stack([exact.force, exact.force + 0.2]), exact)
        assert shifted * exact.noise == pytest.approx([0.0, 0.04])

    def test_parts_of_the_range_add_up(self, code, exact) -> None:
        excess, force = code["curves"].excess_loss, exact.force + 0.2
        assert excess(force, exact, (-10.0, 0.0)) + excess(force, exact, (0.01, 10.0)) == pytest.approx(
            excess(force, exact), rel=1e-3
        )


def _stand_in(code, exact, n_seeds: int = 3):
    """Numbers as the figures take them, from the exact answer and noise in place of trained models."""
    c, f, rng = code["curves"], code["findings"], np.random.default_rng(7)
    sizes = f.SIZES

    def force_of(n_frames: int) -> np.ndarray:
        return exact.force + rng.normal(size=(n_seeds, 1)) / np.sqrt(n_frames) + 0.01

    forces = {name: np.array([force_of(n) for n in sizes]) for name in f.ESTIMATORS}
    arms = ["house", *(f.arm_of(name, n) for name in f.MODELS for n in sizes)]
    strengths = [f"{arm}/{k}" for arm in ("architecture", "strength") for k in (1, 2)]
    curves = {arm: c.Curves(np.tile(exact.pmf, (n_seeds, 1)), force_of(1000)) for arm in [*arms, *strengths]}
    excess = {name: c.excess_loss(force, exact) for name, force in forces.items()}
    error = {name: c.force_error(force, exact) for name, force in forces.items()}
    time, pmf = np.linspace(0.0, 200.0, 21), np.full((n_seeds, 64), np.nan)
    pmf[:, 20:44] = rng.uniform(1.0, 3.0, (n_seeds, 24))
    simulated = code["leaks"].Simulated(time, np.tile(np.exp(-time / 500.0), (n_seeds, 1)), pmf, 1000.0)
    found = f.Numbers(
        exact=exact,
        curves=curves,
        simulated={f.arm_of(name, n): simulated for name in f.MODELS for n in (f.FEW, sizes[-1])},
        forces=forces,
        excess=excess,
        error=error,
        bounds={arm: rng.uniform(0.0, 1e-4, n_seeds) for arm in curves},
        exact_bound=c.leak_bound(c.X, exact.pmf),
        slopes={
            (name, kind): code["slopes"].fit_slope(sizes, values[name])
            for name in f.ESTIMATORS
            for kind, values in (("excess", excess), ("force", error))
        },
        parts={name: [code["decomposition"].decompose(force, exact) for force in forces[name]] for name in forces},
    )
    rates = {arm: np.full(n_seeds, 1e-4 if arm.startswith("cgnet_learning") else 0.0) for arm in found.simulated}
    scores = {
        arm: code["cross_validation_figure"].Scores(["1", "2"], *rng.uniform(0.1, 1.0, (3, 2, 5)))
        for arm in ("architecture", "strength")
    }
    return found, rates, scores


def test_figures_have_units_the_exact_answer_and_a_line_for_every_model(code, exact) -> None:
    found, rates, scores = _stand_in(code, exact)
    drawn = {
        "figure_3": code["figure_3"].draw(found, np.zeros((2, 10))),
        "leaks": code["leak_figure"].draw(found, rates),
        "learning_curves": code["learning_figures"].learning_curves(found),
        "decomposition": code["learning_figures"].decomposition(found),
        "cross_validation": code["cross_validation_figure"].draw(scores),
    }
    for name, figure in drawn.items():
        figure.canvas.draw()
        assert figure.axes, name
        for axes in figure.axes[:1]:
            assert axes.get_xlabel(), name
            assert axes.get_ylabel(), name
    labels = drawn["figure_3"].axes[3].get_legend_handles_labels()[1]
    assert {"exact", *(code["findings"].LABELS[m] for m in code["findings"].MODELS)} <= set(labels)


def test_slopes_of_the_stand_in_are_named_in_the_legend(code, exact) -> None:
    found, _, _ = _stand_in(code, exact)
    figure = code["learning_figures"].learning_curves(found)
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert any(label.startswith("plain CGnet: slope") for label in labels)
    named = code["findings"].by_name(found)
    assert named["slope.cgnet.excess"] == [found.slopes["cgnet", "excess"].slope]
    assert named["cgnet.leak_limit"] == pytest.approx([3.0 / 3000.0])
