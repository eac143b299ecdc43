"""What networks see of a configuration: standardised inputs, random Fourier features, radial basis."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from cgexp.energy import Measured
from cgexp.errors import InputError
from cgexp.frames import Frames

LARGEST_EXPONENT = 50.0  # of exp(-exponent), beyond which it is 0


class ZScore(nn.Module):
    """(x - mean) / std for each of ``n_features`` inputs; mean 0 and std 1 until fitted."""

    mean: Tensor
    std: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("std", torch.ones(n_features))

    def fit(self, measured: Measured) -> None:
        """Set mean and standard deviation from the inputs measured on frames; one that never changes keeps std 1."""
        mean, variance = measured.mean_and_variance()
        std = variance.sqrt()
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > 1e-6 * (1.0 + mean.abs()), std, torch.ones_like(std)))

    def forward(self, values: Tensor) -> Tensor:
        return (values - self.mean) / self.std


def frame_weights(frames: Frames) -> Tensor | None:
    """Weights of frames as a float64 tensor, or None where all count the same."""
    return None if frames.weights is None else torch.from_numpy(np.array(frames.weights, dtype=np.float64))


def check_fits(model: str, n_beads: int, n_dims: int, frames: Frames) -> None:
    """Raise InputError where a model made for [n_beads, n_dims] meets frames of another system."""
    if (frames.n_beads, frames.n_dims) != (n_beads, n_dims):
        raise InputError(
            f"{model} is made for {n_beads} beads in {n_dims} dimensions but the frames of '{frames.system}' have "
            f"{frames.n_beads} beads in {frames.n_dims}: choose a model for this system"
        )


class PointFeatures(nn.Module):
    """Coordinates [n_frames, n_beads, n_dims] -> features [n_frames, n_features].

    The z-scored coordinates, then the sine and cosine of ``n_fourier`` fixed random projections of the centred
    coordinates (Tancik et al. 2020, arXiv:2006.10739). Their wave vectors are normal with standard deviation
    ``fourier_std``, in rad per unit of *coordinate* length, so the value does not depend on the spread of the data:
    choose it near the root-mean-square wave number of the finest ripple that the force should resolve.

    n_inputs: n_beads * n_dims. n_fourier: projections, each with two features; 0: none. fourier_seed: of their draw.
    """

    wave_vectors: Tensor

    def __init__(self, n_inputs: int, n_fourier: int, fourier_std: float, fourier_seed: int) -> None:
        super().__init__()
        self.n_features = n_inputs + 2 * n_fourier
        self.n_fourier = n_fourier
        self.z_score = ZScore(n_inputs)
        generator = torch.Generator().manual_seed(fourier_seed)
        directions = torch.randn(n_inputs, n_fourier, generator=generator, dtype=torch.float64)
        self.register_buffer("wave_vectors", (fourier_std * directions).to(torch.get_default_dtype()))

    def fit(self, frames: Frames) -> None:
        self.z_score.fit(Measured(frames, lambda coords: coords.flatten(1)))

    def forward(self, coords: Tensor) -> Tensor:
        flat = coords.flatten(1)
        scaled = self.z_score(flat)
        if self.n_fourier == 0:
            return scaled
        phase = (flat - self.z_score.mean) @ self.wave_vectors
        return torch.cat([scaled, phase.sin(), phase.cos()], dim=1)


def cosine_cutoff(r: Tensor, cutoff: float) -> Tensor:
    """(1 + cos(pi r / cutoff)) / 2 inside the cutoff and 0 outside; value and slope vanish at the cutoff."""
    return 0.5 * (1.0 + torch.cos(r.clamp(max=cutoff) * (math.pi / cutoff)))


def cosine_cutoff_slope(r: Tensor, cutoff: float) -> Tensor:
    """The derivative of ``cosine_cutoff`` by r."""
    inside = (r <= cutoff).to(r.dtype)
    return 0.5 * (inside * (math.pi / cutoff) * -torch.sin(r.clamp(max=cutoff) * (math.pi / cutoff)))


def _exp_minus(exponent: Tensor) -> Tensor:
    """exp(-exponent), and exactly 0 beyond exp(-50), far below the rounding of what it is added to.

    In float32 the tail would be subnormal numbers, on which a CPU is so slow that a training step takes twice as long.
    """
    return torch.exp(-exponent.masked_fill(exponent > LARGEST_EXPONENT, torch.inf))


def _slope_of_exp_minus(exponent: Tensor, slope: Tensor) -> Tensor:
    """The derivative of ``_exp_minus``, of an exponent whose derivative is ``slope``."""
    return -slope.masked_fill(exponent > LARGEST_EXPONENT, 0.0) * _exp_minus(exponent)


class GaussianBasis(nn.Module):
    """exp(-((r - center_k) / width_k)^2 / 2), centres even over [0, cutoff] and as wide as they are apart (SchNet).

    n_basis: functions. cutoff: Å. trainable: whether centres and widths are parameters. [n] -> [n, n_basis].
    """

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
        return _exp_minus(self._exponent(r))

    def slope(self, r: Tensor) -> Tensor:
        """The derivative of ``forward`` by r, [..., n_basis]."""
        z = (r[..., None] - self.centers) / self.widths
        return _slope_of_exp_minus(self._exponent(r), self.widths.to(r.dtype).reciprocal() * z)

    def _exponent(self, r: Tensor) -> Tensor:
        return 0.5 * ((r[..., None] - self.centers) / self.widths).square()


class ExpNormalBasis(nn.Module):
    """cutoff(r) exp(-beta_k (exp(-alpha r) - mu_k)^2), alpha = 5 / cutoff (PhysNet, arXiv:1902.08408, Eq. 8).

    The centres mu_k are even in exp(-alpha r), hence denser at short range where the force varies most.
    n_basis: functions. cutoff: Å. trainable: whether mu and beta are parameters.
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
        return cosine_cutoff(r, self.cutoff)[..., None] * _exp_minus(self._exponent(decay))

    def slope(self, r: Tensor) -> Tensor:
        """The derivative of ``forward`` by r, [..., n_basis]."""
        decay = torch.exp(-self.alpha * r)[..., None]
        exponent = self._exponent(decay)
        slope = -self.alpha * decay * (2.0 * (decay - self.centers)) * self.exponents
        return cosine_cutoff(r, self.cutoff)[..., None] * _slope_of_exp_minus(exponent, slope) + cosine_cutoff_slope(
            r, self.cutoff
        )[..., None] * _exp_minus(exponent)

    def _exponent(self, decay: Tensor) -> Tensor:
        return self.exponents * (decay - self.centers).square()


BASES: dict[str, type[ExpNormalBasis | GaussianBasis]] = {"expnorm": ExpNormalBasis, "gaussian": GaussianBasis}


def _store(module: nn.Module, name: str, value: Tensor, trainable: bool) -> None:
    if trainable:
        module.register_parameter(name, nn.Parameter(value))
    else:
        module.register_buffer(name, value)
