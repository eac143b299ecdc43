from __future__ import annotations

import pytest
import torch

from cgexp.simulation.health import HealthCheck
from cgexp.simulation.integrators import State


def state(n_replicas: int = 3) -> State:
    """Straight chains of four beads 3.8 apart."""
    chain = torch.zeros(4, 3)
    chain[:, 0] = 3.8 * torch.arange(4)
    coords = chain.repeat(n_replicas, 1, 1)
    return State(coords, torch.zeros_like(coords), torch.zeros_like(coords), torch.zeros(n_replicas))


EVERY_LIMIT = HealthCheck(max_bond=5.0, max_energy_jump=50.0, max_abs_coord=100.0)


def test_healthy() -> None:
    assert EVERY_LIMIT.failures(state(), torch.zeros(3), kT=0.7) == {}


@pytest.mark.parametrize("name", ["coords", "velocities", "forces", "energy"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_not_finite_fails_without_any_limit(name: str, value: float) -> None:
    bad = state()
    getattr(bad, name)[1] = value
    failures = HealthCheck().failures(bad, None, kT=1.0)
    assert list(failures) == [1]
    assert "not finite" in failures[1]


def test_each_limit_names_value_and_key() -> None:
    bad = state()
    bad.coords[0, 3, 0] += 2.0
    bad.coords[1] += 200.0
    assert bad.energy is not None
    bad.energy[2] = -40.0
    failures = EVERY_LIMIT.failures(bad, torch.zeros(3), kT=0.5)
    assert list(failures) == [0, 1, 2]
    assert failures[0] == "bond stretched to 5.8, beyond max_bond=5"
    assert failures[1] == "coordinate 211.4 beyond max_abs_coord=100"
    assert failures[2] == "energy jump of 80 kT beyond max_energy_jump=50"


def test_limits_switched_off_and_no_energy() -> None:
    bad = state()
    bad.coords[1] *= 1e6
    bad.energy = None
    assert HealthCheck().failures(bad, None, kT=1.0) == {}
    assert list(HealthCheck(max_bond=5.0, max_energy_jump=1.0).failures(bad, None, kT=1.0)) == [1]


def test_one_bead_has_no_bond() -> None:
    toy = State(torch.ones(2, 1, 1), torch.zeros(2, 1, 1), torch.zeros(2, 1, 1), None)
    assert HealthCheck(max_bond=0.1).failures(toy, None, kT=1.0) == {}
