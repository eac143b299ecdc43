"""Plane: a toy at full resolution, one bead that moves in x and y, where a force need not have an energy."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from cgexp.systems.base import System
from cgexp.systems.toy import ToyPotential


class Plane(System):
    """The 2D potential of ``toy`` as a system of its own: nothing is coarse-grained, its forces are exact.

    name: '<name of the toy>_plane'. temperature: of the toy, kT. evaluation_range: of x and of y, the square where a
    model is compared with the exact force, length.
    """

    units = "reduced"
    n_beads = 1
    n_dims = 2
    kind = "a toy in the plane"
    analysis = "plane"

    def __init__(self, toy: ToyPotential) -> None:
        self.toy = toy
        self.name = f"{toy.name}_plane"
        self.temperature = toy.temperature
        self.evaluation_range = toy.evaluation_range
        self.bead_types = np.zeros(1, dtype=np.int64)
        self.masses = np.ones(1)

    def energy(self, points: ArrayLike) -> NDArray[np.float64]:
        """V in kT at 2D points [..., 2] -> [...]."""
        return self.toy.energy(points)

    def force(self, points: ArrayLike) -> NDArray[np.float64]:
        """(-dV/dx, -dV/dy) in kT/length at 2D points [..., 2] -> [..., 2]."""
        return self._force(points)[1].detach().numpy()

    def force_jacobian(self, points: ArrayLike) -> NDArray[np.float64]:
        """Derivative of force component i in coordinate j, kT/length^2: points [..., 2] -> [..., i, j]; symmetric."""
        with torch.enable_grad():
            where, force = self._force(points)
            rows = [torch.autograd.grad(force[..., i].sum(), where, retain_graph=True)[0] for i in range(2)]
        return torch.stack(rows, dim=-2).numpy()

    def _force(self, points: ArrayLike) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            where = torch.tensor(np.asarray(points, dtype=np.float64)).requires_grad_()
            energy = self.toy.potential(where[..., 0], where[..., 1])
            (gradient,) = torch.autograd.grad(energy.sum(), where, create_graph=True)
        return where, -gradient
