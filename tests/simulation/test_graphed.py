"""GraphedSteps on a CPU, where the buffers are worked on without a graph: all but the capture itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cgexp.simulation import graphed
from cgexp.simulation.graphed import GraphedSteps, Steps, make_steps
from cgexp.simulation.health import HealthCheck
from cgexp.simulation.integrators import Baoab, Bath, Integrator, Overdamped
from cgexp.simulation.replicas import Replicas
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.trajectory import Trajectory
from cgexp.testing.integrator_checks import Harmonic
from cgexp.units import REDUCED

BATH = Bath.at(0.3, 1.0, torch.ones(2, dtype=torch.float64), REDUCED)


def begin(integrator: Integrator, conservative: bool = True) -> Replicas:
    return Replicas.begin(torch.ones(5, 2, 3, dtype=torch.float64), integrator, evaluate(conservative), BATH, seed=4)


def evaluate(conservative: bool = True):  # type: ignore[no-untyped-def]
    def energy_and_forces(coords: Tensor) -> tuple[Tensor | None, Tensor]:
        return (0.5 * coords.square().sum((1, 2)) if conservative else None), -coords

    return energy_and_forces


@pytest.mark.parametrize("integrator", [Baoab(1.0), Overdamped(1.0)])
@pytest.mark.parametrize("conservative", [True, False])
def test_equal_to_plain_steps(integrator: Integrator, conservative: bool) -> None:
    plain, fast = begin(integrator, conservative), begin(integrator, conservative)
    steps = Steps(integrator, evaluate(conservative), BATH)
    graphs = GraphedSteps(integrator, evaluate(conservative), BATH, fast, per_replay=4)
    for n in (1, 3, 4, 5, 13):
        steps(plain, n)
        graphs(fast, n)
        assert plain.step == fast.step
        for name, value in plain.arrays().items():
            np.testing.assert_array_equal(fast.arrays()[name], value, err_msg=name)


def test_frozen_replicas_stand_still_and_disturb_no_other() -> None:
    integrator = Baoab(1.0)
    plain, fast = begin(integrator), begin(integrator)
    graphs = GraphedSteps(integrator, evaluate(), BATH, fast, per_replay=3)
    steps = Steps(integrator, evaluate(), BATH)
    for replicas in (plain, fast):
        replicas.alive = torch.tensor([True, True, False, True, True])
        replicas.failures.append({"replica": 2})
    steps(plain, 7)
    graphs(fast, 7)
    assert (fast.state.coords[2] == 1.0).all()
    torch.testing.assert_close(fast.state.coords, plain.state.coords, rtol=0.0, atol=0.0)


def test_a_state_that_was_handed_out_does_not_change() -> None:
    replicas = begin(Baoab(1.0))
    graphs = GraphedSteps(Baoab(1.0), evaluate(), BATH, replicas, per_replay=2)
    graphs(replicas, 2)
    handed_out = replicas.state
    before = handed_out.coords.clone()
    graphs(replicas, 2)
    torch.testing.assert_close(handed_out.coords, before, rtol=0.0, atol=0.0)
    assert not torch.equal(replicas.state.coords, before)


def test_replicas_with_another_generator_are_refused() -> None:
    graphs = GraphedSteps(Baoab(1.0), evaluate(), BATH, begin(Baoab(1.0)))
    with pytest.raises(ValueError, match="another generator"):
        graphs(begin(Baoab(1.0)), 1)


def simulate(folder: Path, graph: bool, edge: float = float("inf"), **changed: int) -> Trajectory:
    """Saved every 7 steps and checked every 5, which no replay of 3 steps divides."""
    numbers = {"n_replicas": 6, "n_steps": 70, "save_every": 7, "chunk_frames": 3} | changed
    simulation = Simulation(
        integrator=Baoab(1.0), dt=0.3, temperature=1.0, health=HealthCheck(every=5), **numbers
    )  # type: ignore[arg-type]  # fmt: skip
    starts = torch.zeros(6, 1, 1)
    starts[2] = 5.5
    simulation.run(Harmonic(edge=edge), starts, np.ones(1), "reduced", folder, seed=1, graph=graph)
    return Trajectory.load(folder)


@pytest.mark.parametrize("edge", [float("inf"), 5.0])
def test_a_simulation_with_failures_resumed_in_either_way(
    tmp_path: Path, edge: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphed, "STEPS_A_REPLAY", 3)
    plain, fast = simulate(tmp_path / "plain", False, edge), simulate(tmp_path / "graph", True, edge)
    np.testing.assert_array_equal(fast.coords, plain.coords)
    assert fast.failures == plain.failures
    assert len(plain.failures) == (edge == 5.0)
    for graph in (True, False):  # begun with a graph, resumed with or without
        sorted((tmp_path / "graph").glob("chunk-*"))[-1].unlink()
        np.testing.assert_array_equal(simulate(tmp_path / "graph", graph, edge).coords, plain.coords)


def test_what_cannot_be_captured_is_stepped_plainly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "cgexp")

    def refuse(*_: object) -> None:
        torch.randn(3, generator=replicas.generator)  # a capture that failed half-way
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    replicas, untouched = begin(Baoab(1.0)), begin(Baoab(1.0))
    monkeypatch.setattr(graphed, "GraphedSteps", refuse)
    steps = make_steps(Baoab(1.0), evaluate(), BATH, replicas, graph=True)
    assert "step by step: operation not permitted when stream is capturing\n" in caplog.text
    steps(replicas, 3)
    Steps(Baoab(1.0), evaluate(), BATH)(untouched, 3)
    torch.testing.assert_close(replicas.state.coords, untouched.state.coords, rtol=0.0, atol=0.0)
