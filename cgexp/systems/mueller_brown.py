"""The Müller-Brown potential (Müller and Brown 1979, Theor. Chim. Acta 53, 75): three basins on a bent path."""

from __future__ import annotations

import torch
from torch import Tensor

from cgexp.systems.toy import ToyPotential

# kT for an energy unit of the paper: the saddles then lie 5.3 kT above the deepest basin, 1.8 kT above the second.
SCALE = 0.05
# One row a term, in the paper's units: (A, a, b, c, x0, y0) of A exp(a dx^2 + b dx dy + c dy^2), dx = x - x0.
TERMS = (
    (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
    (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
    (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
    (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
)


class MuellerBrown(ToyPotential):
    """V = SCALE times the sum over TERMS, in kT, with the parameters of the paper.

    The path between the basins runs in x and in y: the force along x scatters strongly, and in the PMF of x, with one
    barrier of 2.8 kT, the basin in the middle is not seen. The evaluation range ends 5 kT above the lowest PMF.
    """

    name = "toy_mueller_brown"
    x_range = (-4.0, 2.0)
    y_range = (-2.0, 4.0)
    evaluation_range = (-1.4, 1.0)

    def potential(self, x: Tensor, y: Tensor) -> Tensor:
        total = torch.zeros_like(x)
        for height, a, b, c, x0, y0 in TERMS:
            dx, dy = x - x0, y - y0
            total = total + height * torch.exp(a * dx**2 + b * dx * dy + c * dy**2)
        return SCALE * total
