"""Steps of training and simulation on a device without numbers: all is there, nothing waited for, shapes fixed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cgexp.energy import EnergyTerm
from cgexp.kernels.choose import make_kernel
from cgexp.kernels.evaluator import make_evaluator
from cgexp.models.cgnet import CGnet
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.potential import Potential
from cgexp.priors.prior import Prior
from cgexp.simulation.graphed import GraphedSteps
from cgexp.simulation.integrators import Baoab, Bath, Integrator, Overdamped
from cgexp.simulation.replicas import Replicas
from cgexp.testing.configurations import chain_frames, fit_to
from cgexp.training.graphed_step import GraphedStep
from cgexp.training.losses import Batch, Loss, MeanSquaredError
from cgexp.units import unit_system
from tests.gpu.numberless import DEVICE, NoHost, move

KINDS: dict[str, Any] = {
    "CGSchNet": lambda: CGSchNet(10, n_features=8, n_filters=8, n_rbf=16, cutoff=15.0), "CGnet": lambda: CGnet(10),
}  # fmt: skip
SLOW = pytest.mark.slow  # the same operations take longer in another combination
WAYS = [("CGSchNet", "table"), ("CGnet", "reference"), pytest.param("CGSchNet", "reference", marks=SLOW)]
INTEGRATORS = [pytest.param(Baoab(1.0), id="Baoab"), pytest.param(Overdamped(1.0), id="Overdamped", marks=SLOW)]


def network_of(kind: str) -> EnergyTerm:
    network: EnergyTerm = KINDS[kind]()
    fit_to(network, chain_frames(40))
    return network


def empty(*shape: int) -> torch.Tensor:
    return torch.empty(*shape, device=DEVICE)


@pytest.mark.parametrize(("kind", "name"), WAYS)
def test_a_training_step_stays_on_the_device(kind: str, name: str) -> None:
    """Gathering, forces, loss, its gradient, clipping and the update, as a CUDA graph records them."""
    kernel = make_kernel(name, network_of(kind))
    move(kernel)
    assert kernel.graphable
    # Adam with counters on the device asks for one of its list, on which this one is not
    optimizer = torch.optim.SGD(kernel.network.parameters(), lr=1e-3, foreach=True)
    coords, forces, weights = empty(40, 10, 3), empty(40, 10, 3), empty(40)
    loss = Loss({"force": MeanSquaredError()})

    def losses(index: torch.Tensor) -> dict[str, torch.Tensor]:
        batch = Batch(coords[index], forces[index], weights[index])
        squared = loss.squared_weights(batch)
        assert squared is not None
        return {"objective": kernel.squared_error(batch.coords, batch.forces, squared)[0]}

    step = GraphedStep(losses, optimizer, 1.0, captured=False)
    with NoHost() as operations:
        for _ in range(2):
            step(torch.arange(16, device=DEVICE))
    assert operations.n_operations > 100
    assert all(parameter.grad is not None for parameter in kernel.network.parameters())


@pytest.mark.parametrize(("kind", "name"), WAYS)
@pytest.mark.parametrize("integrator", INTEGRATORS)
def test_steps_of_dynamics_stay_on_the_device(kind: str, name: str, integrator: Integrator) -> None:
    frames = chain_frames(40)
    prior = Prior({}, temperature=300.0)
    starts = torch.tensor(frames.coords[:6])
    evaluate = make_evaluator(name, Potential(network_of(kind), prior), starts)
    bath = Bath.at(0.002, 300.0, torch.ones(10), unit_system("molecular"))
    replicas = Replicas.begin(starts, integrator, evaluate, bath, seed=0)
    for owner in (getattr(evaluate, "__self__", evaluate), replicas.state, replicas, bath):
        move(owner)
    steps = GraphedSteps(integrator, evaluate, bath, replicas, per_replay=2)
    with NoHost() as operations:
        steps(replicas, 5)
    assert operations.n_operations > 100
    assert replicas.state.coords.shape == (6, 10, 3)


def test_what_would_be_waited_for_is_noticed() -> None:
    value = empty(3)
    with pytest.raises(AssertionError, match="on the host"), NoHost():
        torch.zeros(3)
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)), NoHost():
        float(value.sum())
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)), NoHost():
        value[value > 0]
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)), NoHost():
        value.to("cpu")
