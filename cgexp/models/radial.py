"""Radial basis functions and the smooth cutoff of a distance-based network."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def cosine_cutoff(r: Tensor, cutoff: float) -> Tensor:
    """(1 + cos(pi r / cutoff)) / 2 inside the cutoff and 0 outside; value and slope vanish at the cutoff."""
    return 0.5 * (1.0 + torch.cos(r.clamp(max=cutoff) * (math.pi / cutoff)))


def _exp_minus(exponent: Tensor) -> Tensor:
    """exp(-exponent), and exactly 0 beyond exp(-50), far below the rounding of what it is added to.

    In float32 the tail would be subnormal numbers, on which a CPU is so slow that a training step takes twice as long.
    """
    return torch.exp(-exponent.masked_fill(exponent > 50.0, torch.inf))


class GaussianBasis(nn.Module):
    """exp(-((r - center_k) / width_k)^2 / 2), centres even over [0, cutoff] and as wide as they are apart (SchNet)."""

    centers: Tensor
    widths: Tensor

    def __init__(self, n_basis: int, cutoff: float, trainable: bool) -> None:
        super().__init__()
        self.cutoff = cutoff
        spacing = cutoff / max(n_basis - 1, 1)
        _store(self, "centers", torch.linspace(0.0, cutoff, n_basis), trainable)
        _store(self, "widths", torch.full((n_basis,), spacing), trainable)

    def forward(self, r: Tensor) -> Tensor:
        """Distances [...] -> [..., n_basis]."""
        return _exp_minus(0.5 * ((r[..., None] - self.centers) / self.widths).square())


class ExpNormalBasis(nn.Module):
    """cutoff(r) exp(-beta_k (exp(-alpha r) - mu_k)^2), alpha = 5 / cutoff (PhysNet, arXiv:1902.08408, Eq. 8).

    The centres mu_k are even in exp(-alpha r), hence denser at short range where the force varies most.
    """

    centers: Tensor
    exponents: Tensor

    def __init__(self, n_basis: int, cutoff: float, trainable: bool) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.alpha = 5.0 / cutoff
        start = math.exp(-cutoff)
        beta = (2.0 / n_basis * (1.0 - start)) ** -2
        _store(self, "centers", torch.linspace(start, 1.0, n_basis), trainable)
        _store(self, "exponents", torch.full((n_basis,), beta), trainable)

    def forward(self, r: Tensor) -> Tensor:
        """Distances [...] -> [..., n_basis]."""
        decay = torch.exp(-self.alpha * r)[..., None]
        values = _exp_minus(self.exponents * (decay - self.centers).square())
        return cosine_cutoff(r, self.cutoff)[..., None] * values


BASES = {"expnorm": ExpNormalBasis, "gaussian": GaussianBasis}


def _store(module: nn.Module, name: str, value: Tensor, trainable: bool) -> None:
    if trainable:
        module.register_parameter(name, nn.Parameter(value))
    else:
        module.register_buffer(name, value)
