"""On a GPU: kernels against the CPU in float64, the graphed step against the eager one, simulation, memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cgexp.build import Template
from cgexp.energy import EnergyTerm
from cgexp.kernels.choose import make_kernel
from cgexp.models.cgnet import CGnet
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.potential import Potential
from cgexp.simulation.integrators import Baoab
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.tempering import Tempering
from cgexp.simulation.trajectory import Trajectory
from cgexp.testing.configurations import chain_frames, fit_to
from cgexp.training.callbacks import AveragedWeights
from cgexp.training.fit import Training
from cgexp.training.graphed_step import WARM_UP, GraphedStep, set_capturable
from cgexp.training.losses import Loss, MeanSquaredError
from cgexp.training.trainer import fit

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        not torch.cuda.is_available(), reason="no GPU was found: `make gpu-check` on a machine with one"
    ),
]
KINDS = {"CGSchNet": CGSchNet, "CGnet": CGnet}
TOLERANCE = {"reference": 1e-5, "compiled": 1e-5, "table": 2e-3}  # float32 against float64, largest over rms
ADAM = Template({"_target_": "torch.optim.Adam", "lr": 1e-3, "fused": True}, Optimizer)
ONE_CYCLE = Template({"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 1e-3}, LRScheduler)


def make_network(kind: str = "CGSchNet") -> EnergyTerm:
    torch.manual_seed(0)
    network: EnergyTerm = CGSchNet(10) if kind == "CGSchNet" else CGnet(10)
    fit_to(network, chain_frames(200))
    return network


def forces_and_gradients(kernel: str, network: EnergyTerm, coords: Tensor) -> list[Tensor]:
    network.eval()
    forces = make_kernel(kernel, network, coords)(coords)
    forces.square().mean().backward()
    return [forces.detach(), *(p.grad for p in network.parameters() if p.grad is not None)]


@pytest.mark.parametrize(
    ("kind", "kernel"),
    [("CGSchNet", "reference"), ("CGSchNet", "table"), ("CGSchNet", "compiled"), ("CGnet", "reference")],
)
def test_forces_and_gradients_are_those_of_the_cpu(kind: str, kernel: str) -> None:
    coords = torch.tensor(chain_frames(64).coords)
    expected = forces_and_gradients("reference", make_network(kind).double(), coords)
    found = forces_and_gradients(kernel, make_network(kind).cuda(), coords.float().cuda())
    for value, reference in zip(found, expected, strict=True):
        scale = max(float(reference.square().mean().sqrt()), 1e-12)
        assert float((value.cpu().double() - reference).abs().max()) < 30 * TOLERANCE[kernel] * scale


def one_way(captured: bool, n_steps: int) -> tuple[list[float], list[Tensor]]:
    network, data = make_network().cuda(), torch.tensor(chain_frames(200).coords, dtype=torch.float32).cuda()
    target = torch.randn(data.shape, generator=torch.Generator().manual_seed(1)).cuda()
    kernel = make_kernel("reference", network, data)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    set_capturable(optimizer, torch.device("cuda"))
    step = GraphedStep(
        lambda index: {"objective": (kernel(data[index]) - target[index]).square().mean()}, optimizer, 1.0, captured
    )
    losses = []
    for k in range(n_steps):
        index = torch.arange(k, k + 64).cuda()
        losses.append(float(step(index)["objective"]))
    return losses, [p.detach().cpu() for p in network.parameters()]


def test_the_graphed_step_is_the_eager_one() -> None:
    losses, weights = one_way(True, WARM_UP + 10)
    eager_losses, eager_weights = one_way(False, WARM_UP + 10)
    np.testing.assert_allclose(losses, eager_losses, rtol=1e-4)
    for value, other in zip(weights, eager_weights, strict=True):
        torch.testing.assert_close(value, other, rtol=1e-2, atol=1e-4)


def train(folder: Path, matmul_precision: Any = "highest", **changes: Any) -> dict[str, float]:
    frames, network = chain_frames(400), make_network()
    settings = Training(
        4, 64, "gpu", matmul_precision=matmul_precision, gradient_clip=10.0, callbacks={"ema": AveragedWeights(0.9)}
    )
    loss = Loss({"force": MeanSquaredError()})
    return fit(
        network, frames, np.zeros(frames.coords.shape), settings, loss, ADAM, ONE_CYCLE, folder, 0, **changes
    )  # fmt: skip


def test_training_with_the_graph_equals_training_without(tmp_path: Path) -> None:
    graphed = train(tmp_path / "a", kernel="auto")
    eager = train(tmp_path / "b", kernel="reference")
    tensor_cores = train(tmp_path / "c", matmul_precision="high", kernel="auto")
    assert graphed["loss_validation"] == pytest.approx(eager["loss_validation"], rel=1e-3)
    assert tensor_cores["loss_validation"] == pytest.approx(eager["loss_validation"], rel=1e-2)


class Stop(Exception):
    pass


def test_a_graphed_training_resumes(tmp_path: Path) -> None:
    def stop(done: int, total: int, text: str) -> None:
        if done == 2:
            raise Stop

    expected = train(tmp_path / "a", kernel="auto")
    with pytest.raises(Stop):
        train(tmp_path / "b", kernel="auto", progress=stop)
    resumed = train(tmp_path / "b", kernel="auto")
    assert resumed["loss_validation"] == pytest.approx(expected["loss_validation"], rel=1e-3)


class Spring(EnergyTerm):
    """U = sum of squares / 2 over all coordinates."""

    def energy(self, coords: Tensor) -> Tensor:
        return 0.5 * coords.square().sum(dim=(1, 2))


@pytest.mark.parametrize("kernel", ["reference", "auto"])
def test_simulation_samples_as_on_the_cpu(tmp_path: Path, kernel: str) -> None:
    variances = {}
    for device in ("cpu", "cuda"):
        simulation = Simulation(
            integrator=Baoab(friction=1.0), dt=0.1, temperature=1.0, n_replicas=500, n_steps=400, save_every=20
        )
        starts = torch.zeros(500, 1, 1, device=device)
        potential = Potential(None, Spring())
        simulation.run(potential, starts, np.ones(1), "reduced", tmp_path / device, 0, kernel=kernel)
        variances[device] = float(Trajectory.load(tmp_path / device).coords[:, 10:].var())
    assert variances["cuda"] == pytest.approx(variances["cpu"], rel=0.1)
    assert variances["cuda"] == pytest.approx(1.0, rel=0.1)  # equipartition, kT = 1


def test_tempering_samples_every_ladder_at_the_study_temperature(tmp_path: Path) -> None:
    """Swaps between replays of the graph, with random numbers from the generator that the graph draws from."""
    simulation = Simulation(
        integrator=Baoab(friction=1.0), dt=0.1, temperature=1.0, n_replicas=300, n_steps=800, save_every=20,
        tempering=Tempering(highest=4.0, n_rungs=4, every=10),
    )  # fmt: skip
    starts = torch.zeros(simulation.n_walkers, 1, 1, device="cuda")
    simulation.run(Potential(None, Spring()), starts, np.ones(1), "reduced", tmp_path, 0, kernel="auto")
    trajectory = Trajectory.load(tmp_path)
    assert float(trajectory.coords[10:].var()) == pytest.approx(1.0, rel=0.1)
    assert trajectory.exchange is not None
    assert (trajectory.exchange.acceptance > 0.4).all()


def test_training_leaves_no_memory_behind(tmp_path: Path) -> None:
    train(tmp_path / "a", kernel="auto")
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    for name in ("b", "c"):
        train(tmp_path / name, kernel="auto")
    assert torch.cuda.memory_allocated() <= before + 2**20
