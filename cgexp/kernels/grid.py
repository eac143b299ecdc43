"""The coordinate along which the knots of a filter table are even."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from cgexp.models.cgschnet import CGSchNet
from cgexp.models.radial import ExpNormalBasis

Number = TypeVar("Number", float, Tensor)
EVEN_SHARE = 0.03  # of the density of knots that does not fall with the distance: it resolves the cutoff function
NEWTON_STEPS = 60  # far more than float64 needs


@dataclass(frozen=True)
class Grid:
    """x(r) = (1 - exp(-decay r)) / decay + even r, in Å.

    Exponential-normal basis functions are even in exp(-decay r): narrow at short distance and wide at long. Knots that
    follow them are some three times fewer than knots even in r. For Gaussians decay is 0 and x = r.
    """

    decay: float
    even: float

    @classmethod
    def of(cls, network: CGSchNet) -> Grid:
        """The grid for a network's radial basis."""
        basis = network.basis
        return cls(basis.alpha, EVEN_SHARE) if isinstance(basis, ExpNormalBasis) else cls(0.0, 1.0)

    def x(self, r: Number) -> Number:
        """The coordinate of distances r (Å)."""
        if self.decay == 0.0:
            return self.even * r
        if isinstance(r, Tensor):
            return -torch.expm1(-self.decay * r) / self.decay + self.even * r
        return -math.expm1(-self.decay * r) / self.decay + self.even * r

    def slope(self, r: Tensor) -> Tensor:
        """dx/dr at distances r."""
        return torch.full_like(r, self.even) if self.decay == 0.0 else torch.exp(-self.decay * r) + self.even

    def r(self, x: Tensor) -> Tensor:
        """Distances of coordinates x, float64: Newton's iteration, from below, where x(r) is concave."""
        r = torch.zeros_like(x)
        for _ in range(NEWTON_STEPS):
            r = r + (x - self.x(r)) / self.slope(r)
        return r
