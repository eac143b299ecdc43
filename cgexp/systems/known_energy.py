"""Molecules whose energy is known as a formula, so that forces are exact and a data set is made in seconds."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgexp.systems.molecule import Molecule


class KnownEnergy(Molecule):
    """A molecule with an energy U of its beads, in reduced units. temperature: kT.

    A new one is a subclass with a name, ``potential`` and ``sample``; datasets/known_energy_data.py makes its data.
    """

    temperature: float

    @abstractmethod
    def potential(self, coords: Tensor) -> Tensor:
        """U of coords [n, n_beads, n_dims] -> [n], differentiable."""

    @abstractmethod
    def sample(self, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
        """Configurations [n, n_beads, n_dims] that dynamics starts from: samples of exp(-U/kT), or close to them.

        No two are alike and none is at rest, as exact minima would be: jitter those.
        """

    def energy_and_forces(self, coords: Tensor) -> tuple[Tensor, Tensor]:
        """U [n] and -dU/dx, of the shape of coords [n, n_beads, n_dims], without a graph."""
        with torch.enable_grad():
            coords = coords.detach().requires_grad_()
            energy = self.potential(coords)
            (gradient,) = torch.autograd.grad(energy.sum(), coords)
        return energy.detach(), -gradient

    def energy(self, coords: NDArray[np.floating]) -> NDArray[np.float64]:
        """U in float64: coords [n, n_beads, n_dims] -> [n]."""
        return self.potential(torch.tensor(np.asarray(coords, dtype=np.float64))).numpy()

    def forces(self, coords: NDArray[np.floating]) -> NDArray[np.float64]:
        """Exact forces -dU/dx in float64: coords [n, n_beads, n_dims] -> the same shape."""
        return self.energy_and_forces(torch.tensor(np.asarray(coords, dtype=np.float64)))[1].numpy()
