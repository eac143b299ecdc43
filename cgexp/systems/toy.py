"""Toy systems: an analytic two-dimensional potential, coarse-grained to x, with its exact answers by quadrature."""

from __future__ import annotations

import pickle
from abc import abstractmethod
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from cgexp.errors import InputError
from cgexp.parts.ranges import Positive
from cgexp.systems.base import System

N_Y = 2001  # quadrature points in y: the trapezoidal rule has converged to 1e-8 at 501 for both published toys
N_X = 2001
NEGLIGIBLE = 1e-10  # relative Boltzmann weight tolerated at the ends of a quadrature range
N_KNOWN = 4  # grids whose moments are kept
BATCH = 256  # x values a batch: bounds the memory of the x-y grid


class _Moments(NamedTuple):
    """Of the Boltzmann distribution over y at given x, all [n]: -kT ln of its integral, mean and variance of f_x."""

    pmf: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


@lru_cache(maxsize=4)
def _known_of(toy: type[ToyPotential], facts: bytes) -> dict[bytes, _Moments]:
    """Moments on the grids asked for last, shared by equal toys: those of a run's stages and of a sweep's runs."""
    return {}


class _Marginal(NamedTuple):
    """The Boltzmann distribution of x on a grid over x_range: density is exp(log_scale - U/kT)."""

    grid: NDArray[np.float64]
    moments: _Moments
    log_scale: float


class ToyPotential(System):
    """A 2D potential V(x, y) whose coarse-grained system is x alone: one bead in one dimension, mass 1.

    A new toy is a subclass with a name, ``potential`` and three ranges. Energies are in kT at temperature 1, lengths
    in 1. temperature: kT. x_range, y_range: where all of the Boltzmann probability lies, for quadrature and sampling.
    evaluation_range: of x, where a model is compared with the exact answer.
    """

    units = "reduced"
    n_beads = 1
    n_dims = 1
    kind = "a toy potential"
    analysis = "toy"
    figures = ("pmf_rounds",)
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    evaluation_range: tuple[float, float]

    def __init__(self, temperature: Positive = 1.0) -> None:
        self.temperature = temperature
        self.bead_types = np.zeros(1, dtype=np.int64)
        self.masses = np.ones(1)

    @abstractmethod
    def potential(self, x: Tensor, y: Tensor) -> Tensor:
        """V(x, y) in kT, elementwise and differentiable."""

    def energy(self, points: ArrayLike) -> NDArray[np.float64]:
        """V in kT at 2D points [..., 2] -> [...]."""
        where = torch.tensor(np.asarray(points, dtype=np.float64))
        return self.potential(where[..., 0], where[..., 1]).numpy()

    def force_x(self, points: ArrayLike) -> NDArray[np.float64]:
        """The instantaneous force -dV/dx at 2D points [..., 2] -> [...], kT/length."""
        where = torch.tensor(np.asarray(points, dtype=np.float64))
        return self._force_x(where[..., 0], where[..., 1])[1].numpy()

    def pmf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Potential of mean force U(x) = -kT ln of the integral of exp(-V/kT) over y, in kT, with no constant dropped.

        x [n] -> [n]. Exact to quadrature. Raises InputError if y_range cuts probability off.
        """
        return self._moments(x).pmf

    def mean_force(self, x: ArrayLike) -> NDArray[np.float64]:
        """Mean force E[-dV/dx given x] = -dU/dx, kT/length: x [n] -> [n]."""
        return self._moments(x).mean

    def force_variance(self, x: ArrayLike) -> NDArray[np.float64]:
        """Var[-dV/dx given x], (kT/length)^2: the noise of instantaneous forces at x; x [n] -> [n]."""
        return self._moments(x).variance

    def density(self, x: ArrayLike) -> NDArray[np.float64]:
        """Boltzmann probability density of x, 1/length: x [n] -> [n]. Raises InputError if x_range is too small."""
        return np.exp(self._marginal.log_scale - self.pmf(x) / self.temperature)

    def noise_floor(self) -> float:
        """Irreducible force-matching loss E[Var(f_x given x)] over the Boltzmann distribution, (kT/length)^2."""
        grid, moments, log_scale = self._marginal
        return float(np.trapezoid(np.exp(log_scale - moments.pmf / self.temperature) * moments.variance, grid))

    @cached_property
    def _marginal(self) -> _Marginal:
        grid = np.linspace(*self.x_range, N_X)
        moments = self._moments(grid)
        lowest = moments.pmf.min()
        weight = np.exp((lowest - moments.pmf) / self.temperature)
        self._refuse_cut("x_range", max(weight[0], weight[-1]))
        return _Marginal(grid, moments, float(lowest / self.temperature - np.log(np.trapezoid(weight, grid))))

    @cached_property
    def _known(self) -> dict[bytes, _Moments]:
        """The moments on the grids asked for last: PMF, mean force and density are asked for on the same ones."""
        own = {name: value for name, value in vars(self).items() if name != "_marginal"}
        try:
            facts = pickle.dumps((self.x_range, self.y_range, N_Y, own))
        except (pickle.PicklingError, AttributeError, TypeError):  # a toy that holds a function, say
            return {}
        return _known_of(type(self), facts)

    def _moments(self, x: ArrayLike) -> _Moments:
        grid = np.asarray(x, dtype=np.float64)
        key = grid.tobytes()
        if key not in self._known:
            values = torch.tensor(grid)
            parts = [self._moments_batch(batch) for batch in values.reshape(-1).split(BATCH)]
            if len(self._known) == N_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[key] = _Moments(*(torch.cat(p).numpy() for p in zip(*parts, strict=True)))
        return _Moments(*(values.reshape(grid.shape).copy() for values in self._known[key]))

    def _moments_batch(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = torch.linspace(*self.y_range, N_Y, dtype=torch.float64)
        energy, force = self._force_x(x[:, None].expand(-1, N_Y), y.expand(len(x), -1))
        log_weight = -energy / self.temperature
        top = log_weight.amax(dim=1, keepdim=True)
        weight = torch.exp(log_weight - top)
        self._refuse_cut("y_range", float(weight[:, [0, -1]].max()))
        total = weight.sum(dim=1)
        # The integrand has vanished at both ends, so the sum is the trapezoidal rule, which converges exponentially.
        pmf = -self.temperature * (top[:, 0] + torch.log(total * (y[1] - y[0])))
        mean = (weight * force).sum(dim=1) / total
        variance = (weight * (force - mean[:, None]) ** 2).sum(dim=1) / total
        return pmf, mean, variance

    def _force_x(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = x.detach().clone().requires_grad_()
            energy = self.potential(x, y)
            (gradient,) = torch.autograd.grad(energy.sum(), x)
        return energy.detach(), -gradient

    def _refuse_cut(self, name: str, weight_at_end: float) -> None:
        if weight_at_end > NEGLIGIBLE:
            raise InputError(
                f"{name} of system '{self.name}' ends where the relative Boltzmann weight is {weight_at_end:.1e} at "
                f"temperature {self.temperature}: expected less than {NEGLIGIBLE:.0e}; widen it in the system's module"
            )
