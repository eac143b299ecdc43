"""Smoothness: a penalty of forces that change over a short distance."""

from __future__ import annotations

import torch
from torch import Tensor

from cgexp.parts.ranges import Positive, Weight
from cgexp.training.losses import Batch, ForceField, Penalty, random_directions


class Smoothness(Penalty):
    """|F(x + d) - F(x)|^2 / |d|^2, d of length ``length`` in a random direction of configuration space.

    As d becomes short this is |H d|^2 / |d|^2 with H the matrix of the energy's second derivatives; its mean over
    directions is tr(H^2) / (n_beads n_dims), in (energy/length^2)^2. The difference stands in for a third derivative
    of the network. ``length`` (the length of the whole displacement, over all beads) is also the scale below which
    ripples of the force are damped. Costs two more force evaluations a step.
    """

    def __init__(self, weight: Weight = 1.0e-3, length: Positive = 0.1) -> None:
        super().__init__(weight)
        self.length = length

    def penalty(self, forces: ForceField, batch: Batch, generator: torch.Generator) -> Tensor:
        (direction,) = random_directions(batch.coords, 1, generator)
        here, there = forces(torch.cat([batch.coords, batch.coords + self.length * direction])).chunk(2)
        return ((there - here) / self.length).square().sum(dim=(1, 2))
