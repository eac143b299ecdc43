"""Simulations with every kernel: resumable, interchangeable, and of the same ensemble."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cgexp.energy import EnergyTerm
from cgexp.kernels.evaluator import CHOICES
from cgexp.models.potential import Potential
from cgexp.priors.prior import Prior
from cgexp.simulation.integrators import Baoab
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.tempering import Tempering
from cgexp.simulation.trajectory import Trajectory
from cgexp.testing.configurations import random_chains
from tests.kernels.networks import small_network
from tests.kernels.test_evaluator import peptide_prior

FAST = ("table", "fused")


def simulate(folder: Path, kernel: str, n_steps: int = 60, tempering: Tempering | None = None) -> Trajectory:
    simulation = Simulation(
        integrator=Baoab(1.0), dt=0.002, temperature=300.0, n_replicas=4, n_steps=n_steps, save_every=5, chunk_frames=4,
        tempering=tempering,
    )  # fmt: skip
    potential = Potential(small_network(), peptide_prior())
    simulation.run(
        potential, random_chains(simulation.n_walkers, 6), np.full(6, 100.0), "molecular", folder, 0, kernel=kernel
    )
    return Trajectory.load(folder)


@pytest.mark.parametrize("kernel", FAST)
def test_resume_equals_run_through_and_any_kernel_may_go_on(kernel: str, tmp_path: Path) -> None:
    through, reference = simulate(tmp_path / "through", kernel), simulate(tmp_path / "reference", "reference")
    np.testing.assert_allclose(through.coords, reference.coords, atol=1e-3)
    assert through.settings == reference.settings
    resumed = tmp_path / "resumed"
    simulate(resumed, kernel)
    sorted(resumed.glob("chunk-*"))[-1].unlink()
    np.testing.assert_array_equal(simulate(resumed, kernel).coords, through.coords)
    for other in CHOICES:
        sorted(resumed.glob("chunk-*"))[-1].unlink()
        np.testing.assert_allclose(simulate(resumed, other).coords, reference.coords, atol=1e-3)


@pytest.mark.parametrize("kernel", FAST)
def test_tempering_resumes_with_the_fast_kernels(kernel: str, tmp_path: Path) -> None:
    ladder = Tempering(highest=450.0, n_rungs=3, every=2)
    through = simulate(tmp_path, kernel, tempering=ladder)
    reference = simulate(tmp_path / "reference", "reference", n_steps=10, tempering=ladder)
    np.testing.assert_allclose(through.coords[:2], reference.coords, atol=1e-3)
    for chunk in sorted(tmp_path.glob("chunk-*"))[1:]:
        chunk.unlink()
    again = simulate(tmp_path, kernel, tempering=ladder)
    np.testing.assert_array_equal(again.coords, through.coords)
    assert through.exchange is not None
    assert through.exchange.accepted.sum() > 0


class Well(EnergyTerm):
    """(x^2 - 1)^2 kT of each coordinate, which no kernel knows."""

    def energy(self, coords: Tensor) -> Tensor:
        return (coords.square() - 1.0).square().sum((1, 2))


@pytest.mark.parametrize("kernel", ["reference", "auto"])
def test_double_well_ensemble(kernel: str, tmp_path: Path) -> None:
    simulation = Simulation(
        integrator=Baoab(1.0), dt=0.1, temperature=1.0, n_replicas=2000, n_steps=200, save_every=20, burn_in=0.5
    )
    signs = torch.where(torch.arange(2000) % 2 == 0, 1.0, -1.0)[:, None, None]
    potential = Potential(Well(), Prior({}, 1.0))
    simulation.run(potential, signs, np.ones(1), "reduced", tmp_path, 0, kernel=kernel)
    x = Trajectory.load(tmp_path).production(0.5)
    grid = np.linspace(-4.0, 4.0, 8001)
    density = np.exp(-((grid**2 - 1.0) ** 2))
    exact = (grid**2 * density).sum() / density.sum()
    assert np.square(x).mean() == pytest.approx(exact, abs=0.03)
    assert abs(x.mean()) < 0.06
