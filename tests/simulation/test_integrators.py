from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from cgexp.errors import InputError
from cgexp.simulation.integrators import Baoab, Bath, Overdamped, State
from cgexp.testing.integrator_checks import Harmonic, OverdampedChecks, UnderdampedChecks
from cgexp.units import MOLECULAR


class TestBaoab(UnderdampedChecks):
    harmonic_grid = ((1.0, 0.3), (0.5, 0.8), (5.0, 0.3), (5.0, 1.5))
    double_well_grid = ((0.5, 0.05), (1.0, 0.1), (10.0, 0.1))

    def make(self, friction: float) -> Baoab:
        return Baoab(friction)


class TestOverdamped(OverdampedChecks):
    harmonic_grid = ((1.0, 0.2), (1.0, 0.5), (4.0, 1.0))
    double_well_grid = ((1.0, 0.003), (2.0, 0.005))

    def make(self, friction: float) -> Overdamped:
        return Overdamped(friction)

    def harmonic_variance(self, friction: float, dt: float) -> float:
        return 1.0 / (1.0 - dt / (2.0 * friction))


def bath(dt: float) -> Bath:
    return Bath.at(dt, 300.0, torch.tensor([10.0, 40.0], dtype=torch.float64), MOLECULAR)


def test_thermal_speed_in_molecular_units() -> None:
    # sqrt(kT/m) of 10 amu at 300 K is 499.4 m/s (8.314462618 J/mol/K), 1 m/s is 0.01 Å/ps
    speed = bath(0.1).thermal_speed[:, 0].numpy()
    np.testing.assert_allclose(speed, [4.9943, 2.4972], rtol=1e-4)
    coords = torch.zeros(20000, 2, 3, dtype=torch.float64)
    velocities = Baoab(1.0).initial_velocities(coords, bath(0.1), torch.Generator().manual_seed(0))
    np.testing.assert_allclose(velocities.std(dim=(0, 2)), speed, rtol=0.02)


def test_zero_friction_has_the_period_of_the_oscillator_and_keeps_its_energy() -> None:
    k, mass = 2.0, 10.0
    period = 2.0 * math.pi * math.sqrt(mass / (k * 418.4))
    n_steps = 400
    medium = Bath.at(period / n_steps, 300.0, torch.tensor([mass], dtype=torch.float64), MOLECULAR)
    coords = torch.ones(1, 1, 1, dtype=torch.float64)
    potential = Harmonic(k)
    state = State(coords, torch.zeros_like(coords), -k * coords, None)
    for _ in range(n_steps):
        state = Baoab(0.0).step(state, potential.energy_and_forces, medium, torch.Generator())
    assert state.coords.item() == pytest.approx(1.0, abs=1e-4)
    assert state.energy is not None
    assert state.energy.item() == pytest.approx(0.5 * k, rel=1e-4)


@pytest.mark.parametrize(("integrator", "friction"), [(Baoab, -1.0), (Overdamped, 0.0)])
def test_friction_out_of_range(integrator: type, friction: float) -> None:
    with pytest.raises(InputError, match="friction"):
        integrator(friction)
