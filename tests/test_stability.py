from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch

from cgexp.errors import InputError
from cgexp.simulation.integrators import Baoab, Bath, Integrator, Overdamped, State
from cgexp.stability import max_stable_dt, reduced_mass
from cgexp.testing.integrator_checks import Harmonic
from cgexp.units import MOLECULAR, REDUCED


def largest_coordinate(integrator: Integrator, k: float, dt: float) -> float:
    """Of a harmonic bead of mass 1 at a small temperature after 2,000 steps."""
    bath = Bath.at(dt, 1e-6, torch.ones(1, dtype=torch.float64), REDUCED)
    generator, coords = torch.Generator().manual_seed(0), torch.ones(1, 1, 1, dtype=torch.float64)
    state = State(coords, torch.zeros_like(coords), -k * coords, None)
    for _ in range(2000):
        state = integrator.step(state, Harmonic(k).energy_and_forces, bath, generator)
    return float(state.coords.abs().nan_to_num(float("inf")).max())


@pytest.mark.parametrize("k", [1.0, 25.0])
def test_the_limit_is_where_dynamics_blow_up(k: float) -> None:
    baoab, overdamped = max_stable_dt(k, 1.0, REDUCED).limit, max_stable_dt(k, 1.0, REDUCED, friction=3.0).limit
    assert largest_coordinate(Baoab(0.1), k, 0.98 * baoab) < 10.0
    assert largest_coordinate(Baoab(0.1), k, 1.05 * baoab) > 1e6
    assert largest_coordinate(Overdamped(3.0), k, 0.98 * overdamped) < 10.0
    assert largest_coordinate(Overdamped(3.0), k, 1.05 * overdamped) > 1e6


def test_c_alpha_bond() -> None:
    # 80 kcal/mol/Å^2 in the convention k (x - x0)^2 between threonine and glycine
    limits = max_stable_dt(160.0, reduced_mass(101.1039, 57.0513), MOLECULAR)
    period = 2.0 * math.pi * math.sqrt(36.471 / (160.0 * 418.4))
    assert limits.recommended == pytest.approx(period / 10.0, rel=1e-4)
    assert limits.recommended == pytest.approx(0.01467, rel=1e-3)
    assert limits.limit == pytest.approx(0.04668, rel=1e-3)


def test_a_long_chain_of_equal_bonds_is_stable_at_the_recommended_step() -> None:
    # highest mode of a chain: w^2 = 4 k / m; one bond: w^2 = 2 k / m
    assert max_stable_dt(1.0, 0.5, REDUCED).recommended < 2.0 / math.sqrt(4.0)


@pytest.mark.parametrize("wrong", [{"stiffness": 0.0}, {"mass": -1.0}, {"friction": float("nan")}])
def test_numbers_that_are_not_positive(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        max_stable_dt(**{"stiffness": 1.0, "mass": 1.0, "units": REDUCED, **wrong})  # type: ignore[arg-type]


def test_torch_is_not_imported() -> None:
    code = "import sys, cgexp.stability; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
