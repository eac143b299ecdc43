"""The Julia report's experiment: its bug does what is said of it, and its measures measure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from cgexp.studies.reproduce import load_code

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "julia_2025_toy"


@pytest.fixture(scope="module")
def code() -> Iterator[ModuleType]:
    return load_code(FOLDER)


def test_the_broadcast_loss_is_the_label_variance_at_best(code: ModuleType) -> None:
    labels = torch.randn(400, generator=torch.Generator().manual_seed(0))
    constant = labels.mean().expand(1, 400)
    right = labels[None]  # even the right answer, label for label, is worse
    best = code.broadcast.broadcast_loss(constant, labels)
    assert best.item() == pytest.approx(labels.var(correction=0).item(), rel=1e-5)
    assert code.broadcast.broadcast_loss(right, labels).item() == pytest.approx(2 * best.item(), rel=1e-4)


@pytest.mark.parametrize("direct", [False, True])
def test_the_broadcast_network_learns_a_constant_and_its_loss_stays(code: ModuleType, direct: bool) -> None:
    generator = np.random.default_rng(0)
    x = generator.uniform(-5.0, 5.0, 2560)
    forces = 2.0 + np.sin(x)
    sums, force = code.broadcast.train(x, forces, seed=0, direct=direct, n_epochs=25)
    assert sums[-5:].mean() == pytest.approx(10 * forces.var(), rel=0.03)
    middle = force[100:-100]
    assert abs(middle.mean() - forces.mean()) < 0.25
    assert middle.std() < 0.35 * np.sin(x).std()


def test_force_of_the_flux_network_is_minus_its_energys_derivative(code: ModuleType) -> None:
    torch.manual_seed(0)
    network, x = (
        code.broadcast.flux_network().double(),
        torch.linspace(-2.0, 2.0, 8, dtype=torch.float64),
    )  # not at 0, where all kinks are
    force = code.broadcast.force_row(network, x, direct=False)
    step = 1e-6
    numeric = -(network(x[:, None] + step) - network(x[:, None] - step)) / (2 * step)
    torch.testing.assert_close(force, numeric.detach().T, rtol=1e-5, atol=1e-7)
    assert force.shape == code.broadcast.force_row(network, x, direct=True).shape == (1, 8)


def test_ripple_learnt_is_one_for_the_exact_force_and_zero_for_the_broad_one(code: ModuleType) -> None:
    ripple = code.ripple
    assert ripple.ripple_learnt(ripple.exact_force()) == pytest.approx(1.0)
    assert ripple.ripple_learnt(ripple.broad_force()) == pytest.approx(0.0)
    wave_number, shares = ripple.ripple_learnt_by_wave_number(ripple.exact_force())
    np.testing.assert_allclose(shares, 1.0)
    assert 3.0 < wave_number[0] < 6.0
    assert 60.0 < wave_number[-1] < 63.0
    np.testing.assert_allclose(ripple.ripple_learnt_by_wave_number(ripple.broad_force() + 3.0)[1], 0.0, atol=1e-9)


def test_integrated_exact_force_is_the_exact_pmf(code: ModuleType) -> None:
    ripple = code.ripple
    assert np.abs(ripple.pmf_of(ripple.exact_force()) - ripple.exact_pmf()).max() < 2e-3


def test_label_variance_over_draws(code: ModuleType) -> None:
    draws = 20 * code.broadcast.label_variances(5000, 300)
    assert draws.mean() == pytest.approx(123.9, abs=1.0)
    assert draws.std() == pytest.approx(3.2, abs=0.5)


def test_figures_are_drawn_from_numbers(code: ModuleType) -> None:
    generator = np.random.default_rng(0)
    forces = code.ripple.exact_force() + 0.1 * generator.normal(size=(5, code.ripple.N_GRID))
    some, epochs = generator.uniform(0.1, 1.0, 5), np.arange(1, 11)
    names = [f"{kind}_{step}" for kind in code.KINDS for step in code.STEPS]
    row = {"epoch": epochs, "train": 1.0 / epochs, "validation": 2.0 / epochs, "colour": "energy", "force": forces[0]}
    wave_number, share = code.ripple.ripple_learnt_by_wave_number(forces[0])
    arms = ("direct_relu", "direct_relu_long", "energy_silu", "direct_silu", "energy_fourier", "energy_tuned")
    figures = [
        code.failure_figure(120.0 + generator.normal(size=(5, 10)), 6.0 + some, forces),
        code.control_figure(generator.uniform(1.0, 2.0, (5, 10)), forces),
        code.quality_figure({"one": row, "two": row}),
        code.anatomy_figure(dict.fromkeys(names, forces), {key: list(some) for key in names}),
        code.plateau_figure(120.0 + generator.normal(size=100), 120.0 + some, 120.0 + some),
        code.spectral_bias_figure(wave_number, {arm: np.stack([share, share + 0.1]) for arm in arms}),
        code.future_work_figure(dict.fromkeys(code.FUTURE, some), dict.fromkeys(code.PLANE, (some, some))),
    ]
    for figure in figures:
        for axes in figure.axes:
            assert axes.get_ylabel() or axes.get_subplotspec().colspan.start > 0
            assert axes.get_xlabel() or axes.get_xticklabels()
