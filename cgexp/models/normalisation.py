"""What a network learns from the training frames before training: mean and spread of its inputs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from cgexp.errors import InputError
from cgexp.frames import Frames


class ZScore(nn.Module):
    """(x - mean) / std for each of ``n_features`` inputs; mean 0 and std 1 until fitted."""

    mean: Tensor
    std: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("std", torch.ones(n_features))

    def fit(self, values: Tensor, weights: Tensor | None = None) -> None:
        """Set mean and standard deviation from values [n_frames, n_features] and weights [n_frames].

        An input that never changes keeps std 1.
        """
        share = torch.ones(len(values), dtype=values.dtype) if weights is None else weights.to(values.dtype)
        share = (share / share.sum())[:, None]
        mean = (share * values).sum(0)
        std = (share * (values - mean).square()).sum(0).sqrt()
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
