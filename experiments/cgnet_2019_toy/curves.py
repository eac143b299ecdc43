"""Energies and forces of all models on a grid that reaches far beyond the data, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.toy import energy_and_force
from cgexp.runs.load import Run
from cgexp.studies.results import Results
from cgexp.systems.cgnet_toy import CGnetToy

Values = NDArray[np.float64]

PLOTTED = (-8.0, 8.0)  # length, the range of the paper's Fig. 3c and d; a replica beyond it has leaked
X = np.linspace(*CGnetToy.x_range, 2001)  # length; the Boltzmann probability beyond it is negligible


class Exact(NamedTuple):
    """The exact answer on ``X``, each [n_x]: PMF, kT; mean force, kT/length; density, 1/length. noise: of a loss."""

    pmf: Values
    force: Values
    density: Values
    noise: float

    @classmethod
    def of(cls, system: CGnetToy) -> Exact:
        return cls(system.pmf(X), system.mean_force(X), system.density(X), system.noise_floor())


class Curves(NamedTuple):
    """Of the models of an arm on ``X``, each [n_runs, n_x]: energy, kT, up to a constant; force, kT/length."""

    energy: Values
    force: Values

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Curves:
        pairs = [energy_and_force(run.potential, X) for run in runs]
        return cls(np.array([energy for energy, _ in pairs]), np.array([force for _, force in pairs]))


def model_curves(results: Results) -> dict[str, Curves]:
    """Arm -> curves of its runs, seed after seed; computed once."""

    def make() -> dict[str, Values]:
        found = {name: Curves.of(runs) for name, runs in results.by_arm.items() if runs}
        return {f"{name}:{part}": array for name, c in found.items() for part, array in c._asdict().items()}

    kept = results.cached("curves", make)
    return {
        name: Curves(kept[f"{name}:energy"], kept[f"{name}:force"]) for name, runs in results.by_arm.items() if runs
    }


def leak_bound(x: Values, energy: Values, bounds: tuple[float, float] = PLOTTED) -> float:
    """The flux of an equilibrium inside ``bounds`` out of them, 1/time: energy in kT at x, each [n], mass 1.

    k = sqrt(kT/(2 pi m)) [exp(-U(lower)) + exp(-U(upper))] / integral of exp(-U) between them: transition state theory
    without recrossing. Replicas leak no faster on average, and slower where they come back or where the density next
    to an open end falls below that of equilibrium. It is known also where a simulation is too short to see a leak.
    """
    inside = (x >= bounds[0]) & (x <= bounds[1])
    weight = np.exp(energy[inside].min() - energy[inside])
    at_ends = np.interp(bounds, x[inside], weight)
    return float(np.sqrt(0.5 / np.pi) * at_ends.sum() / np.trapezoid(weight, x[inside]))


def excess_loss(force: Values, exact: Exact, bounds: tuple[float, float] = CGnetToy.x_range) -> Values:
    """Integral of p(x) (f - f_mean)^2 over ``bounds`` / noise floor: force [..., n_x] -> [...].

    Over the whole range it is the metric loss_excess_relative.
    """
    density = np.where(_within(bounds), exact.density, 0.0)
    return np.asarray(np.trapezoid(density * (force - exact.force) ** 2, X, axis=-1)) / exact.noise


def force_error(force: Values, exact: Exact, bounds: tuple[float, float] = CGnetToy.evaluation_range) -> Values:
    """RMSE of the force on ``bounds`` over the exact force's standard deviation there: [..., n_x] -> [...]."""
    inside = _within(bounds)
    return np.asarray(np.sqrt(np.mean((force - exact.force)[..., inside] ** 2, axis=-1))) / exact.force[inside].std()


def normalised(energy: Values, bounds: tuple[float, float] = CGnetToy.evaluation_range) -> Values:
    """Free energy -ln of the probability density relative to that of ``bounds``, kT: energy [..., n_x] -> the same."""
    inside = _within(bounds)
    lowest = energy[..., inside].min(axis=-1, keepdims=True)
    total = np.trapezoid(np.exp(lowest - energy[..., inside]), X[inside], axis=-1)
    return energy - lowest + np.log(total)[..., None]


def _within(bounds: tuple[float, float]) -> NDArray[np.bool_]:
    return np.asarray((bounds[0] <= X) & (bounds[1] >= X))
