"""Filters of a CGSchNet and their slopes d/dr, exactly, at distances that are data."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from cgexp.models.cgschnet import CGSchNet, Interaction
from cgexp.models.radial import cosine_cutoff


class Radial(NamedTuple):
    """What the filter networks see of n distances, and its slopes: basis [n, n_rbf], envelope [n, 1]."""

    basis: Tensor
    basis_slope: Tensor
    envelope: Tensor
    envelope_slope: Tensor


def radial(network: CGSchNet, r: Tensor) -> Radial:
    """Radial basis and envelope at distances r [n], and their slopes d/dr by forward mode; found in float64."""

    def values(r: Tensor) -> tuple[Tensor, Tensor]:
        return network.basis(r), cosine_cutoff(r, network.cutoff)[:, None]

    r = r.double()
    (basis, envelope), (basis_slope, envelope_slope) = torch.func.jvp(values, (r,), (torch.ones_like(r),))[:2]
    dtype = network.embedding.weight.dtype
    return Radial(basis.to(dtype), basis_slope.to(dtype), envelope.to(dtype), envelope_slope.to(dtype))


def filters(network: CGSchNet, at: Radial) -> tuple[Tensor, Tensor]:
    """Filters times envelope and their slopes d/dr, each [n_blocks, n, n_filters], differentiable in the parameters.

    The slope by forward mode: one tangent, dbasis/dr, goes through the filter network beside the values.
    """
    values, slopes = [], []
    for block in network.blocks:
        assert isinstance(block, Interaction)
        value, slope = torch.func.jvp(block.filter, (at.basis,), (at.basis_slope,))[:2]
        values.append(value * at.envelope)
        slopes.append(slope * at.envelope + value * at.envelope_slope)
    return torch.stack(values), torch.stack(slopes)
