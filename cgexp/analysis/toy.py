"""ToyAnalysis: a model of a toy system against the exact mean force and potential of mean force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cgexp.analysis.bootstrap import bootstrap_sem, independent_units
from cgexp.analysis.curves import ForceCurve, Pmf, Residuals
from cgexp.analysis.divergences import thin, wasserstein_1d
from cgexp.analysis.ensemble import replica_metrics
from cgexp.analysis.free_energy import exact_bin_pmf, histogram_pmf, integrate_force, pmf_rmse, remove_mean, rmse
from cgexp.analysis.result import Analysis, Evaluation, Simulated
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.parts.ranges import GridSize, NonNegativeInt
from cgexp.systems.base import System
from cgexp.systems.toy import ToyPotential

N_QUADRATURE = 2001  # points over the system's x_range
N_DOTS = 2000  # reference forces drawn in the figure
NO_NOISE = 1e-9  # (kT/length)^2: below this the instantaneous force has no scatter

Values = NDArray[np.float64]


class ToyAnalysis(Analysis):
    """Metrics and curves of a one-dimensional toy.

    grid: from and to which x the model is compared with the exact answer, length; None: the system's own range.
    leak: from and to where replicas belong, length; one seen outside has leaked (None: leaks are not counted).
    n_grid: points on it. n_bins: of the simulation's histogram over the same range. n_bootstrap: draws for errors
    (0: none). seed: of these draws.
    """

    def __init__(
        self,
        grid: tuple[float, float] | None = None,
        leak: tuple[float, float] | None = None,
        n_dims: Literal[1] = 1,
        n_grid: GridSize = 1001,
        n_bins: GridSize = 50,
        n_bootstrap: NonNegativeInt = 100,
        seed: NonNegativeInt = 0,
    ) -> None:
        self.n_dims = n_dims
        for name, bounds in (("grid", grid), ("leak", leak)):
            if bounds is not None and not bounds[0] < bounds[1]:
                raise InputError(f"analysis.{name}=[{bounds[0]}, {bounds[1]}] is empty: expected [lowest x, highest x]")
        self.grid, self.leak, self.n_grid, self.n_bins = grid, leak, n_grid, n_bins
        self.n_bootstrap = n_bootstrap
        self.seed = seed

    def check(self, frames: Frames) -> None:
        if self.grid is None:
            return
        x = frames.coords[:, 0, 0]
        if not ((x >= self.grid[0]) & (x <= self.grid[1])).any():
            raise InputError(
                f"analysis.grid=[{self.grid[0]}, {self.grid[1]}] holds none of the data, which are from {x.min():.3g} "
                f"to {x.max():.3g}: expected [lowest x, highest x] where data are"
            )

    def evaluate(
        self, system: System, potential: nn.Module, frames: Frames, trajectory: Simulated | None, burn_in: float
    ) -> Evaluation:
        """Compare ``potential`` (models.Potential) and its simulation with the exact answer of ``system``.

        frames: the data the model was trained on, for the figure. trajectory: simulation.Trajectory, or None if there
        is no simulation. burn_in: fraction of it that is dropped. All PMFs are in kT of the frames.
        """
        toy = ToyPotential.expect(system, "the analysis of a toy")
        low, high = self.grid or toy.evaluation_range
        self.x = np.linspace(low, high, self.n_grid)
        self.edges = np.linspace(low, high, self.n_bins + 1)
        rng = np.random.default_rng(self.seed)
        quadrature = _Exact.of(toy)
        metrics, pmf, residuals = self._compare_model(toy, quadrature, potential, frames.kT)
        force = self._mean_force(residuals, frames, rng)
        if trajectory is not None:
            metrics |= replica_metrics(trajectory)
            if self.leak is not None:
                failed = {failure["replica"]: failure["time"] for failure in trajectory.failures}
                metrics |= leak_metrics(trajectory.coords[..., 0, 0], trajectory.time, self.leak, failed)
            samples = trajectory.production(burn_in)[..., 0, 0]  # [n_frames, n_replicas]
            if samples.size:
                of_simulation, pmf = self._compare_simulation(toy, quadrature, samples, rng, pmf)
                metrics |= of_simulation
        return Evaluation(metrics, {"pmf": pmf, "force": force, "residuals": residuals})

    def _compare_model(
        self, system: ToyPotential, quadrature: _Exact, potential: nn.Module, kT: float
    ) -> tuple[dict[str, float], Pmf, Residuals]:
        exact_pmf, exact_force = system.pmf(self.x) / kT, system.mean_force(self.x)
        energy, force = energy_and_force(potential, self.x)
        model_pmf = (integrate_force(self.x, force) if energy is None else energy) / kT
        noise = system.noise_floor()
        metrics = {
            "force_rmse_relative": rmse(force, exact_force) / float(exact_force.std()),
            "pmf_rmse_integration": pmf_rmse(model_pmf, exact_pmf),
            "loss_noise_floor": noise if noise > NO_NOISE else 0.0,  # below it is rounding
        }
        if noise > NO_NOISE:
            metrics["loss_excess_relative"] = quadrature.excess_loss(potential) / noise
        pmf = Pmf(self.x, remove_mean(exact_pmf), remove_mean(model_pmf), conservative=energy is not None)
        return metrics, pmf, Residuals(self.x, exact_force, force, force - exact_force)

    def _compare_simulation(
        self,
        system: ToyPotential,
        quadrature: _Exact,
        samples: NDArray[np.floating],
        rng: np.random.Generator,
        pmf: Pmf,
    ) -> tuple[dict[str, float], Pmf]:
        """Metrics of the simulation, and ``pmf`` with its histogram."""
        units = independent_units(samples).astype(np.float64)
        exact = exact_bin_pmf(system.density, self.edges)
        curves: list[Values] = []

        def measure(chosen: NDArray[np.intp]) -> dict[str, float]:
            x = units[:, chosen].ravel()
            sampled = histogram_pmf(x, self.edges)
            curves.append(remove_mean(sampled))
            return {
                "pmf_rmse_simulation": pmf_rmse(sampled, exact),
                "w1_x": wasserstein_1d(x, quadrature.x, None, quadrature.density),
            }

        n_units = units.shape[1]
        metrics = measure(np.arange(n_units))
        sem = bootstrap_sem(measure, n_units, self.n_bootstrap, rng)
        metrics |= {f"{name}_sem": value for name, value in sem.items()}
        of_bins = None
        if sem:
            correction = np.sqrt(n_units / (n_units - 1.0))  # as in bootstrap_sem
            of_bins = correction * np.std(curves[1:], axis=0, ddof=1)
        middle = 0.5 * (self.edges[1:] + self.edges[:-1])
        return metrics, replace(pmf, bin_x=middle, simulation=curves[0], simulation_sem=of_bins)

    def _mean_force(self, residuals: Residuals, frames: Frames, rng: np.random.Generator) -> ForceCurve:
        """The mean force, over some forces of the frames if they have any."""
        curve = ForceCurve(residuals.x, residuals.exact, residuals.model)
        if frames.forces is None:
            return curve
        x, force = frames.coords[:, 0, 0], frames.forces[:, 0, 0]
        inside = np.flatnonzero((x >= self.x[0]) & (x <= self.x[-1]))
        chosen = inside[thin(len(inside), N_DOTS, rng)]
        return replace(curve, data_x=x[chosen].astype(np.float64), data=force[chosen].astype(np.float64))


def leak_metrics(
    x: NDArray[np.floating], time: Values, bounds: tuple[float, float], failed: Mapping[int, float]
) -> dict[str, float]:
    """How fast replicas leave ``bounds``: x [n_frames, n_replicas], time [n_frames] of the frames from the start on.

    failed: replica -> time at which it was frozen; it has left then, if it was not seen outside before.

    Maximum-likelihood rate of a process that happens once: replicas that have left / time spent inside by all of them
    until they were first seen outside; its standard error is the rate / sqrt(number). With none, rate and error are
    zero, and the upper limit of the rate at 95 % is 3 / (time spent).
    """
    outside = (x < bounds[0]) | (x > bounds[1])
    seen = outside.any(axis=0)
    until = np.where(seen, time[outside.argmax(axis=0)], time[-1])
    for replica, when in failed.items():
        until[replica] = min(until[replica], when)
    leaked = seen | np.isin(np.arange(x.shape[1]), list(failed))
    rate = float(leaked.sum() / until.sum())
    return {
        "leaked_fraction": float(leaked.mean()),
        "leak_rate": rate,
        "leak_rate_sem": rate / max(float(leaked.sum()), 1.0) ** 0.5,
    }


def as_coords(potential: nn.Module, coords: Values) -> Tensor:
    """Configurations in the precision and on the device of a potential; float64 where it has no parameters."""
    like = next((t for t in potential.state_dict().values() if t.is_floating_point()), torch.zeros(0).double())
    return torch.tensor(coords, dtype=like.dtype, device=like.device)


def energy_and_force(potential: nn.Module, x: Values) -> tuple[Values | None, Values]:
    """Energy (None if not conservative) and force of a one-bead, one-dimensional potential at x [n]: each [n]."""
    coords = as_coords(potential, x.reshape(-1, 1, 1))
    energy, forces = potential.energy_and_forces(coords)  # type: ignore[operator]
    return (
        None if energy is None else energy.double().cpu().numpy(),
        forces.double().cpu().numpy()[:, 0, 0],
    )


class _Exact(NamedTuple):
    """The exact density of x and mean force on a quadrature grid, all [n]."""

    x: Values
    density: Values
    force: Values

    @classmethod
    @lru_cache(maxsize=2)  # half of an evaluation's time, and the same in every round of active learning
    def of(cls, system: ToyPotential) -> _Exact:
        x = np.linspace(*system.x_range, N_QUADRATURE)
        return cls(x, system.density(x), system.mean_force(x))

    def excess_loss(self, potential: nn.Module) -> float:
        """Integral of p(x) (f_model - f_mean)^2 dx, (kT/length)^2: the force-matching loss above its noise floor."""
        _, force = energy_and_force(potential, self.x)
        return float(np.trapezoid(self.density * (force - self.force) ** 2, self.x))
