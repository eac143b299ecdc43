"""RelativeEntropy: its gradient, its fixed point where that is known, a resumed training, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.models.direct_force import DirectForce
from cgexp.models.potential import Potential
from cgexp.models.toy_mlp import ToyMLP
from cgexp.priors.prior import Prior
from cgexp.simulation.health import HealthCheck
from cgexp.simulation.integrators import Baoab
from cgexp.systems.base import system_of
from cgexp.testing.configurations import toy_frames
from cgexp.testing.finite_difference import loss_gradient_error
from cgexp.testing.training_checks import ResumeChecks
from cgexp.training.fit import Training
from cgexp.training.losses import Batch, InverseVariance, Loss, MeanSquaredError
from cgexp.training.relative_entropy import RelativeEntropy, energy_gap
from cgexp.training.sampling_terms import require_fitting


def make_term(n_replicas: int = 20, n_steps: int = 3, dt: float = 0.05) -> RelativeEntropy:
    return RelativeEntropy(Baoab(friction=1.0), dt, n_replicas=n_replicas, n_steps=n_steps)


class Spring(EnergyTerm):
    """k x^2 / 2 with k to be learnt."""

    def __init__(self, stiffness: float) -> None:
        super().__init__()
        self.stiffness = torch.nn.Parameter(torch.tensor(stiffness, dtype=torch.float64))

    def energy(self, coords: torch.Tensor) -> torch.Tensor:
        return 0.5 * self.stiffness * coords.square().sum(dim=(1, 2))


def begun(term: RelativeEntropy, network: EnergyTerm, frames: Frames) -> RelativeEntropy:
    term.begin(Potential(network, Prior({}, temperature=1.0)), frames, seed=0, kernel="reference")
    return term


def batch_of(frames: Frames) -> Batch:
    coords = torch.tensor(frames.coords, dtype=torch.float64)
    return Batch(coords, torch.zeros_like(coords), torch.ones(len(coords), dtype=torch.float64))


def test_its_gradient_agrees_with_finite_differences() -> None:
    frames = toy_frames(40, 2)
    network = ToyMLP(1, 2, width=8, depth=2).double()
    network.fit(frames, system_of(frames))
    data, model = torch.tensor(frames.coords[:15]).double(), torch.tensor(frames.coords[15:]).double()
    weights = torch.linspace(0.5, 2.0, 15, dtype=torch.float64)
    error = loss_gradient_error(lambda: energy_gap(network, data, model, weights), list(network.parameters()))
    assert error < 1e-6


def test_a_constant_added_to_the_energy_changes_nothing() -> None:
    class Raised(Spring):
        def energy(self, coords: torch.Tensor) -> torch.Tensor:
            return super().energy(coords) + 1000.0

    data, model = torch.randn(2, 10, 1, 1, dtype=torch.float64)
    weights = torch.rand(10, dtype=torch.float64)
    gaps = [energy_gap(network, data, model, weights) for network in (Spring(2.0), Raised(2.0))]
    torch.testing.assert_close(gaps[0], gaps[1])


def test_a_spring_gets_the_stiffness_of_the_data_without_a_force() -> None:
    """<x^2> = kT / k is the fixed point, whatever the forces; from a spring that is four times too weak."""
    expected, frames = 4.0, toy_frames(2000, 1)
    x = torch.randn(len(frames), 1, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    frames = replace(frames, coords=(x * (frames.kT / expected) ** 0.5).numpy().astype(frames.coords.dtype))
    network, batch = Spring(1.0), batch_of(frames)
    term = begun(make_term(n_replicas=500, n_steps=10, dt=0.2), network, frames)
    optimizer, last = torch.optim.Adam(network.parameters(), lr=0.1), []
    for step in range(160):
        optimizer.zero_grad()
        term(batch).backward()
        optimizer.step()
        if step >= 100:
            last.append(float(network.stiffness.detach()))
    stiffness_of_data = float(frames.kT / batch.coords.square().mean())
    assert sum(last) / len(last) == pytest.approx(stiffness_of_data, rel=0.04)


class TestResume(ResumeChecks):
    use_weights = "last"

    def make_network(self) -> EnergyTerm:
        torch.manual_seed(0)
        return ToyMLP(1, 1, width=8, depth=2)

    def make_frames(self) -> Frames:
        return toy_frames(80, 1)

    def make_loss(self) -> Loss:
        return Loss({"force": MeanSquaredError(), "relative_entropy": make_term()})


def test_a_replica_that_fails_begins_anew_from_the_data() -> None:
    frames = toy_frames(50, 1)
    term = begun(make_term(n_replicas=10), Spring(1.0), frames)
    term.health = HealthCheck(max_abs_coord=1e-9)
    term(batch_of(frames))
    assert term.n_restarts == 10
    restarted = term.state()["coords"]
    assert all((torch.tensor(frames.coords).double() == coords).all(-1).any() for coords in restarted)


def test_what_cannot_be_trained_so_is_refused() -> None:
    network, settings = Spring(1.0), Training(max_epochs=1, batch_size=8, use_weights="last")
    loss = Loss({"force": MeanSquaredError(), "populations": make_term()})
    require_fitting(loss, settings, network)
    with pytest.raises(InputError, match=r"loss\.terms\.populations .* set trainer\.use_weights=last"):
        require_fitting(loss, replace(settings, use_weights="best"), network)
    with pytest.raises(InputError, match=r"set trainer\.noise=0"):
        require_fitting(loss, replace(settings, noise=0.1), network)
    with pytest.raises(InputError, match="use MeanSquaredError beside it"):
        require_fitting(Loss({"force": InverseVariance(), "populations": make_term()}), settings, network)
    with pytest.raises(InputError, match="this model has none"):
        require_fitting(loss, settings, DirectForce(1, 1, width=4))
    with pytest.raises(InputError, match=r"set trainer\.devices=1"):
        require_fitting(loss, replace(settings, devices=2), network)
