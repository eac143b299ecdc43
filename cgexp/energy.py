"""EnergyTerm: what a network and a prior have in common. Potential (models/) sums terms and alone takes gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from cgexp.frames import Frames
from cgexp.parts.part import Part
from cgexp.systems.base import System


class EnergyTerm(Part, nn.Module):
    """A differentiable energy of a configuration.

    A subclass implements ``energy``; what it takes from data before training (normalisation, the parameters of a prior
    term) it does in ``fit`` and keeps in buffers, so that its state_dict restores it. This ``fit`` is no training:
    training/fit.py does that, and ``cgexp.fit`` does both. Constructor arguments are plain config values.
    """

    conservative = True
    trains: ClassVar[bool] = True  # whether there is anything to train
    # name -> class of a kernel (kernels/) that is made for this very class; a subclass says its own
    kernels: ClassVar[Mapping[str, str]] = {}

    def fit(self, frames: Frames, system: System) -> None:
        """Adapt buffers to the training frames, which are of ``system``; the default needs nothing."""

    def trainable(self) -> list[nn.Parameter]:
        """The parameters that a training changes; none where there is nothing to train."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def saved_spec(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The config node that, with the state_dict, makes the term again, as it stands in a potential's file.

        spec: the node that it was made of, which is the default.
        """
        return dict(spec)

    def energy(self, coords: Tensor) -> Tensor:
        """Energy of each frame: coords [n_frames, n_beads, n_dims] -> [n_frames], in the system's energy unit."""
        raise NotImplementedError

    def forward(self, coords: Tensor) -> Tensor:
        return self.energy(coords)


PART_BYTES = 8 * 2**20  # of the vectors of all pairs in float64; what is measured takes several times as much


@dataclass(frozen=True)
class Measured:
    """What ``measure`` finds in frames, a part of them at a time: all of it may not fit into the memory.

    measure: coords [n, n_beads, n_dims], float64 -> values [n, n_values]. Each iteration begins anew and gives values
    [n, n_values] and shares [n] of consecutive frames; a share is the weight of a frame over the sum of all weights.
    """

    frames: Frames
    measure: Callable[[Tensor], Tensor]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        coords, weights = self.frames.coords, self.frames.weights
        total = float(len(coords) if weights is None else np.sum(weights, dtype=np.float64))
        n_beads, n_dims = self.frames.n_beads, self.frames.n_dims
        size = max(1, PART_BYTES // (8 * n_dims * max(n_beads, n_beads * (n_beads - 1) // 2)))
        for first in range(0, len(coords), size):
            part = torch.from_numpy(np.array(coords[first : first + size], dtype=np.float64))
            given = np.ones(len(part)) if weights is None else np.array(weights[first : first + size], dtype=np.float64)
            with torch.no_grad():
                yield self.measure(part), torch.from_numpy(given / total)

    def mean_and_variance(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of each value over the frames, each [n_values]; two passes, so that neither cancels."""
        mean = torch.stack([shares @ values for values, shares in self]).sum(0)
        return mean, torch.stack([shares @ (values - mean).square() for values, shares in self]).sum(0)

    def range(self) -> tuple[float, float]:
        """The smallest and the largest value of all."""
        lows, highs = zip(*(values.aminmax() for values, _ in self), strict=True)
        return float(min(lows)), float(max(highs))


def float64_coords(frames: Frames) -> Tensor:
    """Coordinates of frames [n_frames, n_beads, n_dims] as a float64 tensor, in which terms are fitted."""
    return torch.from_numpy(np.array(frames.coords, dtype=np.float64))


def negative_gradient(energy: Tensor, coords: Tensor, create_graph: bool = False) -> Tensor:
    """Forces -dE/dx [n_frames, n_beads, n_dims] of energies [n_frames]; the graph is kept for double backprop."""
    if energy.shape != coords.shape[:1]:
        raise ValueError(f"energy has shape {list(energy.shape)}: expected [n_frames] = [{coords.shape[0]}]")
    (gradient,) = torch.autograd.grad(energy.sum(), coords, create_graph=create_graph)
    return -gradient
