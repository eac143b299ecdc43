from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cgexp.errors import InputError
from cgexp.simulation.health import HealthCheck
from cgexp.simulation.integrators import Baoab, Overdamped
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.trajectory import Trajectory
from cgexp.testing.integrator_checks import Harmonic


class Springs(nn.Module):
    """Harmonic with a trainable constant; without energy it stands for a direct-force model."""

    def __init__(self, conservative: bool = True) -> None:
        super().__init__()
        self.k = nn.Parameter(torch.tensor(1.0))
        self.conservative = conservative
        self.register_buffer("index", torch.zeros(1, dtype=torch.long))

    def energy_and_forces(self, coords: Tensor) -> tuple[Tensor | None, Tensor]:
        energy = 0.5 * self.k * coords.square().sum(dim=(1, 2))
        return (energy if self.conservative else None), -self.k * coords


def settings(**changed: Any) -> Simulation:
    values = {"integrator": Baoab(1.0), "dt": 0.1, "temperature": 1.0, "n_replicas": 4, "n_steps": 40, "save_every": 4}
    return Simulation(**{**values, "chunk_frames": 4, **changed})  # type: ignore[arg-type]


def run(
    folder: Path, potential: nn.Module | None = None, seed: int = 0, starts: Tensor | None = None, **kw: Any
) -> None:
    progress = kw.pop("progress", None)
    simulation = settings(**kw)
    starts = torch.zeros(simulation.n_replicas, 2, 3) if starts is None else starts
    simulation.run(potential or Springs(), starts, np.ones(2), "reduced", folder, seed, progress)


def test_what_is_saved_when(tmp_path: Path) -> None:
    run(tmp_path)
    trajectory = Trajectory.load(tmp_path)
    assert trajectory.coords.shape == (10, 4, 2, 3)
    assert trajectory.coords.dtype == np.float32
    np.testing.assert_allclose(trajectory.time, 0.4 * np.arange(1, 11))
    assert trajectory.finished
    assert trajectory.alive.all()
    assert trajectory.failures == []
    assert trajectory.replica_steps_per_second > 0
    assert trajectory.settings["units"] == "reduced"
    assert trajectory.production(0.25).shape == (8, 4, 2, 3)
    np.testing.assert_array_equal(trajectory.production(0.0), trajectory.coords)


def test_steps_that_do_not_divide_are_refused() -> None:
    with pytest.raises(InputError, match=r"n_steps=41 .* set simulation.n_steps=44"):
        settings(n_steps=41)


@pytest.mark.parametrize("integrator", [Baoab(1.0), Overdamped(1.0)])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_killed_in_mid_run_and_resumed_with_other_chunks(integrator: Any, precision: Any, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    class Mortal(Springs):
        n_calls = 0

        def energy_and_forces(self, coords: Tensor) -> tuple[Tensor | None, Tensor]:
            type(self).n_calls += 1
            if type(self).n_calls == 30:
                raise Killed
            return super().energy_and_forces(coords)

    kwargs = {"integrator": integrator, "precision": precision}
    run(tmp_path / "through", **kwargs)
    with pytest.raises(Killed):
        run(tmp_path / "killed", Mortal(), **kwargs)
    assert len(Trajectory.load(tmp_path / "killed").coords) == 4
    run(tmp_path / "killed", Springs(), chunk_frames=3, **kwargs)
    through, killed = Trajectory.load(tmp_path / "through"), Trajectory.load(tmp_path / "killed")
    np.testing.assert_array_equal(killed.coords, through.coords)
    np.testing.assert_array_equal(killed.time, through.time)


def test_a_finished_simulation_computes_nothing(tmp_path: Path) -> None:
    run(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    run(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_a_folder_with_another_simulation_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(InputError, match=r"was begun with dt=.*, seed=0, not with dt=0\.05, seed=1: choose another"):
        run(tmp_path, dt=0.05, seed=1)
    with pytest.raises(InputError, match="was begun with starts="):
        run(tmp_path, starts=torch.ones(4, 2, 3))


def test_a_finished_one_goes_on_with_more_steps_as_if_begun_so(tmp_path: Path) -> None:
    run(tmp_path / "in two", n_steps=20)
    run(tmp_path / "in two", n_steps=40)
    run(tmp_path / "in one", n_steps=40)
    in_two, in_one = (Trajectory.load(tmp_path / name) for name in ("in two", "in one"))
    assert in_two.finished
    np.testing.assert_array_equal(in_two.coords, in_one.coords)
    with pytest.raises(InputError, match="was begun with n_steps=40, not with n_steps=20"):
        run(tmp_path / "in two", n_steps=20)
    with pytest.raises(InputError, match=r"was begun with dt=0\.1, not with dt=0\.05"):
        run(tmp_path / "in two", n_steps=80, dt=0.05)
    assert Trajectory.load(tmp_path / "in two").finished


def test_resuming_with_another_potential_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    sorted(tmp_path.glob("chunk-*"))[-1].unlink()
    with pytest.raises(InputError, match="was begun with potential="):
        run(tmp_path, Harmonic(2.0))


def test_starts_that_do_not_fit(tmp_path: Path) -> None:
    for shape in ((3, 2, 3), (4, 5, 3), (4, 6)):
        with pytest.raises(InputError, match="starts have shape"):
            run(tmp_path, starts=torch.zeros(shape))


def test_failures_survive_a_resume_and_a_replica_bad_at_the_start_never_moves(tmp_path: Path) -> None:
    starts = torch.zeros(4, 2, 3)
    starts[1] = 60.0
    kwargs = {"starts": starts, "health": HealthCheck(max_abs_coord=50.0)}
    run(tmp_path, **kwargs)
    sorted(tmp_path.glob("chunk-*"))[-1].unlink()
    run(tmp_path, **kwargs)
    trajectory = Trajectory.load(tmp_path)
    assert trajectory.failures == [
        {"replica": 1, "step": 0, "time": 0.0, "reason": "coordinate 60 beyond max_abs_coord=50"}
    ]
    assert (trajectory.coords[:, 1] == 60.0).all()
    assert trajectory.production(0.0).shape == (10, 3, 2, 3)


def test_all_replicas_failed(tmp_path: Path) -> None:
    kwargs = {"health": HealthCheck(every=1, max_abs_coord=1e-3)}
    for _ in range(2):  # the second call finds what the first one wrote
        with pytest.raises(InputError, match=r"all 4 replicas have failed, .*: lower simulation.dt"):
            run(tmp_path, **kwargs)
    trajectory = Trajectory.load(tmp_path)
    assert not trajectory.finished
    assert not trajectory.alive.any()
    assert np.isfinite(trajectory.coords).all()


def test_the_potential_is_left_as_it_was(tmp_path: Path) -> None:
    potential = Springs().train()
    run(tmp_path, potential, precision="float64")
    assert potential.training
    assert potential.k.requires_grad
    assert potential.k.dtype == torch.float32
    assert potential.k.grad is None


def test_a_model_without_energy(tmp_path: Path) -> None:
    run(tmp_path / "direct", Springs(conservative=False), health=HealthCheck(max_energy_jump=1e-9))
    run(tmp_path / "energy", Springs())
    direct, energy = (Trajectory.load(tmp_path / name) for name in ("direct", "energy"))
    assert direct.alive.all()
    np.testing.assert_array_equal(direct.coords, energy.coords)


def test_progress(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    run(tmp_path, progress=lambda *report: told.append(report))
    assert told[-1] == (40, 40, "")
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot write"):
        run(tmp_path / "there")


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        run(tmp_path / "there")
