"""Replicas split over processes are those of one process, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cgexp.errors import InputError
from cgexp.executor.local import InlineExecutor
from cgexp.models.cgnet import CGnet
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.potential import Potential
from cgexp.priors.prior import Prior
from cgexp.simulation.health import HealthCheck
from cgexp.simulation.integrators import Baoab, Integrator, Overdamped
from cgexp.simulation.simulation import Simulation, content_hash
from cgexp.simulation.tempering import Tempering
from cgexp.simulation.trajectory import Trajectory
from cgexp.store import Chunks
from cgexp.testing.configurations import chain_frames, fit_to
from cgexp.testing.integrator_checks import Harmonic


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shares are advanced in this process: beginning others takes seconds, and changes nothing else."""
    monkeypatch.setattr("cgexp.simulation.simulation.local_executor", lambda n: InlineExecutor())


def simulate(
    folder: Path, devices: int, edge: float = float("inf"), integrator: Integrator | None = None, **changed: Any
) -> Trajectory:
    numbers = {"n_replicas": 7, "n_steps": 60, "save_every": 6, "chunk_frames": 4} | changed
    simulation = Simulation(
        integrator=integrator or Baoab(1.0), dt=0.3, temperature=1.0, health=HealthCheck(every=5), devices=devices,
        **numbers,
    )  # fmt: skip
    starts = torch.zeros(7, 1, 1)
    starts[2] = 5.5
    simulation.run(Harmonic(edge=edge), starts, np.ones(1), "reduced", folder, seed=1)
    return Trajectory.load(folder)


def assert_same_chunks(first: Path, second: Path) -> None:
    """All that is in the files, the state to go on from included."""
    for (arrays, meta), (others, other_meta) in zip(Chunks(first), Chunks(second), strict=True):
        assert arrays.keys() == others.keys()
        for name, values in arrays.items():
            np.testing.assert_array_equal(values, others[name], err_msg=name)
        assert {**meta, "wall_s": 0} == {**other_meta, "wall_s": 0}


@pytest.mark.usefixtures("here")
def test_replicas_are_those_of_one_process_also_where_one_fails_and_go_on_on_other_devices(tmp_path: Path) -> None:
    alone = simulate(tmp_path / "one", 1, edge=5.0)
    assert [failure["replica"] for failure in alone.failures] == [2]
    simulate(tmp_path / "three", 3, edge=5.0)
    assert_same_chunks(tmp_path / "three", tmp_path / "one")
    sorted((tmp_path / "three").glob("chunk-*"))[-1].unlink()
    simulate(tmp_path / "three", 1, edge=5.0)
    assert_same_chunks(tmp_path / "three", tmp_path / "one")


@pytest.mark.slow
def test_in_processes_overdamped_replicas_and_a_network_with_its_fused_kernel(tmp_path: Path) -> None:
    simulate(tmp_path / "one", 1, integrator=Overdamped(1.0))
    simulate(tmp_path / "two", 2, integrator=Overdamped(1.0))
    assert_same_chunks(tmp_path / "two", tmp_path / "one")
    frames = chain_frames(40)
    torch.manual_seed(0)
    network = CGSchNet(10)
    fit_to(network, frames)
    starts = torch.tensor(frames.coords[:9])
    potential = Potential(network, Prior({}, temperature=300.0))
    for devices in (1, 2):
        simulation = Simulation(
            integrator=Baoab(1.0), dt=0.002, temperature=300.0, n_replicas=9, n_steps=40, save_every=10, devices=devices
        )
        simulation.run(potential, starts, np.full(10, 100.0), "molecular", tmp_path / f"net{devices}", 3, kernel="auto")
    assert_same_chunks(tmp_path / "net2", tmp_path / "net1")


@pytest.mark.usefixtures("here")
def test_a_chunk_in_which_all_replicas_fail_ends_as_in_one_process(tmp_path: Path) -> None:
    for devices in (1, 2):
        with pytest.raises(InputError, match="all 7 replicas have failed"):
            simulate(tmp_path / str(devices), devices, edge=1.0, n_steps=600, chunk_frames=100)
    alone, shared = Trajectory.load(tmp_path / "1"), Trajectory.load(tmp_path / "2")
    np.testing.assert_array_equal(shared.coords, alone.coords)
    assert shared.failures == alone.failures


def test_what_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"simulation\.devices=8 share replicas, of which there are 7"):
        simulate(tmp_path, 8)
    with pytest.raises(InputError, match="without tempering"):
        simulate(tmp_path, 2, tempering=Tempering(highest=2.0, n_rungs=2, every=5))


def test_more_devices_than_GPUs_get_a_sentence() -> None:
    simulation = Simulation(
        integrator=Baoab(1.0), dt=0.3, temperature=1.0, n_replicas=7, n_steps=6, save_every=6, devices=4
    )
    simulation._require_gpus(4)
    with pytest.raises(InputError, match=r"simulation\.devices=4 but there are 2 GPUs"):
        simulation._require_gpus(2)


@pytest.mark.usefixtures("here")
def test_a_network_of_bounded_weights_can_be_shared(tmp_path: Path) -> None:
    """Its weights are functions of others, which cannot be pickled."""
    frames = chain_frames(20)
    torch.manual_seed(0)
    network = CGnet(10, depth=1, width=8, lipschitz=0.5)
    fit_to(network, frames)
    starts, potential = torch.tensor(frames.coords[:6]), Potential(network, Prior({}, temperature=300.0))
    for devices in (1, 2):
        simulation = Simulation(
            integrator=Baoab(1.0), dt=0.002, temperature=300.0, n_replicas=6, n_steps=6, save_every=3, devices=devices
        )
        simulation.run(
            potential, starts, np.full(10, 100.0), "molecular", tmp_path / str(devices), 3, kernel="reference"
        )
    one, two = (Trajectory.load(tmp_path / name).coords for name in "12")
    np.testing.assert_allclose(two, one, atol=1e-4)  # its products of matrices are rounded by how many rows they have


def test_a_potential_is_hashed_whatever_its_tensors_steps_are() -> None:
    module = torch.nn.Module()
    hashes = []
    for value in (torch.tensor([2.0]), torch.tensor(2.0).expand(1), torch.tensor([3.0])):
        module.register_buffer("scale", value)
        hashes.append(content_hash(module))
    assert hashes[0] == hashes[1] != hashes[2]
