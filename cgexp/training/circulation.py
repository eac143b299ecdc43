"""Circulation: a penalty of forces that are no gradient of an energy."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cgexp.errors import InputError
from cgexp.parts.ranges import Positive, Weight
from cgexp.training.losses import Batch, ForceField, Penalty, random_directions


class Circulation(Penalty):
    """(Work of the force around a small square / area of the square)^2, in (energy/length^2)^2.

    The square of side ``side`` (length) is centred at the frame and spanned by random orthonormal directions u and v
    of configuration space. By Stokes, work / area -> u^T (J^T - J) v as it shrinks, J = dF/dx: the antisymmetric part
    of the force's Jacobian, zero for a conservative force. Each edge is integrated by two Gauss points, exact for a
    force cubic in the coordinates, so a conservative force pays only for rounding and for its fourth derivatives.
    Costs eight force evaluations a step.
    """

    def __init__(self, weight: Weight = 1.0, side: Positive = 0.1) -> None:
        super().__init__(weight)
        self.side = side

    def penalty(self, forces: ForceField, batch: Batch, generator: torch.Generator) -> Tensor:
        coords = batch.coords
        n_beads, n_dims = coords.shape[1:]
        if n_beads * n_dims < 2:
            raise InputError(
                f"the loss has a circulation term but a frame has {n_beads} bead in {n_dims} dimension, where every "
                "force is conservative: use it with two or more coordinates, or leave it out"
            )
        u, v = random_directions(coords, 2, generator)
        half, gauss = 0.5 * self.side, 0.5 * self.side / math.sqrt(3.0)
        points, steps = [], []
        for along in (gauss, -gauss):  # anticlockwise: bottom, right, top, left edge
            points += [along * u - half * v, half * u + along * v, along * u + half * v, -half * u + along * v]
            steps += [u, v, -u, -v]
        offsets, directions = torch.stack(points), torch.stack(steps)
        field = forces((coords + offsets).flatten(0, 1)).view_as(offsets)
        work = half * (field * directions).sum(dim=(0, 2, 3))  # two Gauss points of weight side/2 an edge
        return (work / self.side**2).square()
