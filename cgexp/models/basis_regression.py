"""BasisRegression: an energy linear in given functions of one coordinate, the "feature regression" of CGnet 2019."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from cgexp.energy import EnergyTerm, Measured, float64_coords
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.models.features import ZScore, check_fits, frame_weights
from cgexp.parts.ranges import Positive, Size
from cgexp.systems.base import System

RANK_TOLERANCE = 1e-10  # of the largest eigenvalue: below, basis functions depend linearly on one another


class BasisRegression(EnergyTerm):
    """U(x) = sum_k c_k phi_k(x) in kT: polynomials x^k, k = 1..``degree``, and sines and cosines of ``wave_numbers``.

    Force matching is then linear least squares, the classical multiscale coarse-graining (Noid et al. 2008, J. Chem.
    Phys. 128, 244114) and the feature regression beside which CGnet was first shown (Wang et al. 2019, ACS Cent. Sci.
    5, 755, Fig. 3). ``wave_numbers`` are in rad/length.

    It trains like a network, by gradients, but in a basis made orthonormal by ``fit``: the coefficients are those of
    combinations whose *forces* have the identity as second moment over the frames. The Hessian of the mean squared
    force error is then twice the identity and any optimiser converges fast, where in powers of x its condition number
    is millions. The powers are of z = (x - mean)/std and the phases count from the mean, which spans the same
    functions.
    """

    whitening: Tensor  # [n_basis, n_basis]: column j holds the weights of phi_k in the j-th orthonormal function
    waves: Tensor

    def __init__(
        self,
        n_beads: Literal[1] = 1,
        n_dims: Literal[1] = 1,
        degree: Size = 4,
        wave_numbers: Sequence[Positive] = (),
    ) -> None:
        super().__init__()
        self.n_beads, self.n_dims, self.degree = n_beads, n_dims, degree
        n_basis = degree + 2 * len(wave_numbers)
        self.z_score = ZScore(1)
        self.register_buffer("waves", torch.tensor(list(wave_numbers), dtype=torch.get_default_dtype()))
        self.register_buffer("whitening", torch.eye(n_basis))
        self.coefficients = nn.Parameter(torch.zeros(n_basis))

    def fit(self, frames: Frames, system: System) -> None:
        """Make the basis orthonormal over the frames' coordinates; their forces are not looked at.

        Combinations whose forces vanish on the frames get no weight. Raises InputError if the frames are of another
        system, or where x never changes.
        """
        check_fits(type(self).__name__, self.n_beads, self.n_dims, frames)
        x, weights = float64_coords(frames).flatten(1), frame_weights(frames)
        if not bool((x != x[0]).any()):
            raise InputError(
                f"all {len(x)} frames of '{frames.system}' have the same x, so no function of x can be fitted: "
                "expected frames that sample a range"
            )
        self.z_score.fit(Measured(frames, lambda coords: coords.flatten(1)))
        forces = self._basis_forces(x)
        share = torch.ones(len(x), dtype=x.dtype) if weights is None else weights
        moment = forces.T @ (forces * (share / share.sum())[:, None])
        size = moment.diagonal().sqrt()  # unit diagonal first, so that the threshold knows no units
        values, vectors = torch.linalg.eigh(moment / torch.outer(size, size))
        kept = values > RANK_TOLERANCE * values[-1]
        inverse_root = torch.where(kept, values, torch.ones_like(values)).rsqrt() * kept
        self.whitening.copy_(vectors * inverse_root / size[:, None])

    def energy(self, coords: Tensor) -> Tensor:
        return self._basis(coords.flatten(1)) @ (self.whitening @ self.coefficients)

    def _basis(self, x: Tensor) -> Tensor:
        """phi_k at x [n_frames, 1] -> [n_frames, n_basis]."""
        phase = (x - self.z_score.mean) * self.waves
        z = self.z_score(x)
        return torch.cat([*(z**k for k in range(1, self.degree + 1)), phase.sin(), phase.cos()], dim=1)

    def _basis_forces(self, x: Tensor) -> Tensor:
        """-dphi_k/dx at x [n_frames, 1] -> [n_frames, n_basis], in float64."""
        std, waves = self.z_score.std.double(), self.waves.double()
        z, phase = (x - self.z_score.mean) / std, (x - self.z_score.mean) * waves
        powers = [-k * z ** (k - 1) / std for k in range(1, self.degree + 1)]
        return torch.cat([*powers, -waves * phase.cos(), waves * phase.sin()], dim=1)
