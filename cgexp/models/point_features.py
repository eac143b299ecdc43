"""Input features of the toy networks: z-scored coordinates and, optionally, random Fourier features of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cgexp.energy import float64_coords
from cgexp.frames import Frames
from cgexp.models.normalisation import ZScore, frame_weights


class PointFeatures(nn.Module):
    """Coordinates [n_frames, n_beads, n_dims] -> features [n_frames, n_features].

    The z-scored coordinates, then the sine and cosine of ``n_fourier`` fixed random projections of the centred
    coordinates (Tancik et al. 2020, arXiv:2006.10739). Their wave vectors are normal with standard deviation
    ``fourier_std``, in rad per unit of *coordinate* length, so the value does not depend on the spread of the data:
    choose it near the root-mean-square wave number of the finest ripple that the force should resolve.
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
        self.z_score.fit(float64_coords(frames).flatten(1), frame_weights(frames))

    def forward(self, coords: Tensor) -> Tensor:
        flat = coords.flatten(1)
        scaled = self.z_score(flat)
        if self.n_fourier == 0:
            return scaled
        phase = (flat - self.z_score.mean) @ self.wave_vectors
        return torch.cat([scaled, phase.sin(), phase.cos()], dim=1)
