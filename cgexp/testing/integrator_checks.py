"""Checks that any integrator subclasses: the Boltzmann distribution, resuming, independence of replicas, seeds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cgexp.simulation.health import HealthCheck
from cgexp.simulation.integrators import Bath, Integrator, State
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.trajectory import Trajectory
from cgexp.units import REDUCED

N_REPLICAS = 1000
STANDARD_ERRORS = 5.0  # how far a mean may be from its exact value


class Harmonic(nn.Module):
    """1/2 k sum of x^2; beyond ``edge`` the force pushes out, and far out it is NaN: a hole in a potential."""

    def __init__(self, k: float = 1.0, edge: float = float("inf")) -> None:
        super().__init__()
        self.k, self.edge = k, edge

    def energy_and_forces(self, coords: Tensor) -> tuple[Tensor, Tensor]:
        energy = 0.5 * self.k * coords.square().sum(dim=(1, 2))
        forces = torch.where(coords > self.edge, 50.0, -self.k * coords)
        return energy, torch.where(coords > 10.0 * self.edge, float("nan"), forces)


class DoubleWell(nn.Module):
    """a (x^2 - 1)^2, summed over components: wells at -1 and 1, barrier a, curvature 8 a in the wells."""

    def __init__(self, a: float = 1.0) -> None:
        super().__init__()
        self.a = a

    def energy_and_forces(self, coords: Tensor) -> tuple[Tensor, Tensor]:
        energy = self.a * (coords.square() - 1.0).square().sum(dim=(1, 2))
        return energy, -4.0 * self.a * coords * (coords.square() - 1.0)


class IntegratorChecks(ABC):
    """Subclass with ``make``, the grid of (friction, dt) to check and, if not kT/k, the variance of a harmonic x.

    harmonic_grid: for a curvature and mass of 1. double_well_grid: where the error in dt is below the statistical one.
    """

    harmonic_grid: tuple[tuple[float, float], ...]
    double_well_grid: tuple[tuple[float, float], ...]

    @abstractmethod
    def make(self, friction: float) -> Integrator:
        """The integrator under test."""

    def harmonic_variance(self, friction: float, dt: float) -> float:
        """Exact variance of x under 1/2 x^2 at kT = 1, as this integrator samples it."""
        return 1.0

    def sample(
        self, potential: nn.Module, friction: float, dt: float, n_steps: int, every: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates and velocities [n_saved, N_REPLICAS] in float64 of a bead in one dimension after relaxation."""
        integrator, generator = self.make(friction), torch.Generator().manual_seed(1)
        bath = Bath.at(dt, 1.0, torch.ones(1, dtype=torch.float64), REDUCED)
        coords = torch.randn(N_REPLICAS, 1, 1, dtype=torch.float64, generator=generator)
        velocities = integrator.initial_velocities(coords, bath, generator)
        energy, forces = potential.energy_and_forces(coords)  # type: ignore[operator]
        state, saved = State(coords, velocities, forces, energy), []
        for step in range(1, n_steps + 1):
            state = integrator.step(state, potential.energy_and_forces, bath, generator)  # type: ignore[arg-type]
            if step % every == 0 and step > n_steps // 5:
                saved.append(torch.stack([state.coords.flatten(), state.velocities.flatten()]))
        x, v = torch.stack(saved, dim=1).numpy()
        return x, v

    def test_harmonic_variance(self) -> None:
        for friction, dt in self.harmonic_grid:
            n_steps = 1500
            x, _ = self.sample(Harmonic(), friction, dt, n_steps, every=5)
            assert_mean(x**2, self.harmonic_variance(friction, dt), f"<x^2> at friction {friction}, dt {dt}")
            assert_mean(x, 0.0, f"<x> at friction {friction}, dt {dt}")

    def test_double_well_histogram(self) -> None:
        edges = np.linspace(-1.6, 1.6, 17)
        exact = double_well_probability(edges)
        for friction, dt in self.double_well_grid:
            x, _ = self.sample(DoubleWell(), friction, dt, n_steps=round(80.0 / dt), every=max(1, round(0.2 / dt)))
            for low, high, probability in zip(edges[:-1], edges[1:], exact, strict=True):
                inside = ((x >= low) & (x < high)).astype(np.float64)
                assert_mean(inside, probability, f"P({low:.1f} < x < {high:.1f}) at friction {friction}, dt {dt}")

    def simulate(self, folder: Path, n_steps: int, starts: Tensor, seed: int = 3, edge: float = float("inf")) -> None:
        """A short simulation of independent oscillators into ``folder``."""
        friction, dt = self.harmonic_grid[0]
        simulation = Simulation(
            integrator=self.make(friction),
            dt=dt,
            temperature=1.0,
            n_replicas=len(starts),
            n_steps=n_steps,
            save_every=5,
            health=HealthCheck(every=2),
            chunk_frames=3,
        )
        simulation.run(Harmonic(edge=edge), starts, np.ones(1), "reduced", folder, seed)

    def test_resume_equals_run_through(self, tmp_path: Path) -> None:
        starts = torch.linspace(-1.0, 1.0, 7)[:, None, None]
        self.simulate(tmp_path / "through", 60, starts)
        through = Trajectory.load(tmp_path / "through")
        self.simulate(tmp_path / "resumed", 60, starts)
        for chunk in sorted((tmp_path / "resumed").glob("chunk-*"))[2:]:
            chunk.unlink()  # what a kill leaves
        assert not Trajectory.load(tmp_path / "resumed").finished
        self.simulate(tmp_path / "resumed", 60, starts)
        resumed = Trajectory.load(tmp_path / "resumed")
        assert resumed.finished
        np.testing.assert_array_equal(resumed.coords, through.coords)

    def test_failed_replica_disturbs_no_other(self, tmp_path: Path) -> None:
        starts = torch.zeros(6, 1, 1)
        self.simulate(tmp_path / "healthy", 200, starts, edge=5.0)
        starts[2] = 5.5
        self.simulate(tmp_path / "failing", 200, starts, edge=5.0)
        healthy, failing = Trajectory.load(tmp_path / "healthy"), Trajectory.load(tmp_path / "failing")
        assert healthy.alive.all()
        assert failing.alive.tolist() == [i != 2 for i in range(6)]
        (failure,) = failing.failures
        assert failure["replica"] == 2
        assert 0 < failure["step"] < 200
        assert "not finite" in failure["reason"]
        others = [0, 1, 3, 4, 5]
        np.testing.assert_array_equal(failing.coords[:, others], healthy.coords[:, others])
        frozen = failing.coords[failing.time > failure["time"], 2]
        assert len(frozen) > 0
        assert np.isfinite(frozen).all()
        assert (frozen == frozen[0]).all()

    def test_seed_decides(self, tmp_path: Path) -> None:
        starts = torch.zeros(3, 1, 1)
        for name, seed in {"one": 1, "again": 1, "two": 2}.items():
            self.simulate(tmp_path / name, 20, starts, seed)
        one, again, two = (Trajectory.load(tmp_path / name).coords for name in ("one", "again", "two"))
        np.testing.assert_array_equal(one, again)
        assert not np.isclose(one, two).any()
        assert not np.isclose(one[:, 0], one[:, 1]).any(), "replicas share their noise"


class UnderdampedChecks(IntegratorChecks):
    """For integrators with velocities: the kinetic temperature is off by a multiple of dt^2."""

    velocity_grid: tuple[float, ...] = (0.4, 0.8)  # dt, for a frequency of 1

    def test_kinetic_temperature_converges_as_dt_squared(self) -> None:
        errors = []
        for dt in self.velocity_grid:
            _, v = self.sample(Harmonic(), 1.0, dt, n_steps=4000, every=4)
            errors.append(1.0 - float((v**2).mean()))
        slope = np.log(errors[1] / errors[0]) / np.log(self.velocity_grid[1] / self.velocity_grid[0])
        assert abs(slope - 2.0) < 0.25, f"kinetic temperature errors {errors} scale as dt^{slope:.2f}, not dt^2"


class OverdampedChecks(IntegratorChecks):
    """For integrators without velocities: free motion is Brownian."""

    def test_mean_squared_displacement(self) -> None:
        for friction, dt in ((1.0, 0.01), (4.0, 0.05)):
            integrator, generator = self.make(friction), torch.Generator().manual_seed(5)
            masses = torch.tensor([1.0, 3.0], dtype=torch.float64)
            bath = Bath.at(dt, 2.0, masses, REDUCED)
            coords = torch.zeros(N_REPLICAS, 2, 3, dtype=torch.float64)
            state = State(coords, coords, coords, None)
            for _ in range(50):
                state = integrator.step(state, lambda c: (None, torch.zeros_like(c)), bath, generator)
            for bead, mass in enumerate(masses.tolist()):
                exact = 2.0 * 2.0 / (mass * friction) * 50 * dt  # 2 D t a component, D = kT / (m friction)
                squares = state.coords[:, bead].square().numpy()
                assert_mean(squares.T, exact, f"squared displacement of bead {bead} at friction {friction}")


def double_well_probability(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exact probability of each bin under exp(-DoubleWell) at kT = 1."""
    x = np.linspace(-4.0, 4.0, 80001)
    density = np.exp(-((x**2 - 1.0) ** 2))
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    return np.diff(np.interp(edges, x, cumulative / cumulative[-1]))


def assert_mean(values: NDArray[np.float64], exact: float, what: str) -> None:
    """The mean of values [n_saved, n_replicas] agrees with ``exact`` within its error over independent replicas."""
    of_replicas = values.mean(axis=0)
    error = of_replicas.std(ddof=1) / np.sqrt(len(of_replicas))
    deviation = abs(of_replicas.mean() - exact)
    assert deviation < STANDARD_ERRORS * error, f"{what} is {of_replicas.mean():.5f} +- {error:.5f}, exact {exact:.5f}"
