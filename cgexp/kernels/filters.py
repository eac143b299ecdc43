"""Filters of a CGSchNet and their slopes d/dr, exactly; and the coordinate along which knots are even."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from cgexp.models.cgschnet import CGSchNet, Interaction
from cgexp.models.features import ExpNormalBasis, cosine_cutoff, cosine_cutoff_slope

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


class Radial(NamedTuple):
    """What the filter networks see of n distances, and its slopes: basis [n, n_rbf], envelope [n, 1]."""

    basis: Tensor
    basis_slope: Tensor
    envelope: Tensor
    envelope_slope: Tensor


def radial(network: CGSchNet, r: Tensor) -> Radial:
    """Radial basis and envelope at distances r [n], and their slopes d/dr; found in float64.

    By formulas, and as ``with_slope``: torch's forward mode of a product with a constant imports torch's compiler,
    which takes a second of CPU time.
    """
    r, basis = r.double(), network.basis
    envelope, slope = cosine_cutoff(r, network.cutoff)[:, None], cosine_cutoff_slope(r, network.cutoff)[:, None]
    dtype = network.embedding.weight.dtype
    return Radial(basis(r).to(dtype), basis.slope(r).to(dtype), envelope.to(dtype), slope.to(dtype))


def filters(network: CGSchNet, at: Radial) -> tuple[Tensor, Tensor]:
    """Filters times envelope and their slopes d/dr, each [n_blocks, n, n_filters], differentiable in the parameters.

    One tangent, dbasis/dr, goes through the filter network beside the values.
    """
    values, slopes = [], []
    for block in network.blocks:
        assert isinstance(block, Interaction)
        value, slope = with_slope(block.filter, at.basis, at.basis_slope)
        values.append(value * at.envelope)
        slopes.append(slope * at.envelope + value * at.envelope_slope)
    return torch.stack(values), torch.stack(slopes)


def with_slope(network: nn.Sequential, x: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """Values of a perceptron at x [n, n_inputs], and their derivatives along a line on which x has this slope."""
    for layer in network:
        if isinstance(layer, nn.Linear):
            x, slope = layer(x), nn.functional.linear(slope, layer.weight)
        else:
            x, slope = torch.func.jvp(layer, (x,), (slope,))[:2]
    return x, slope
