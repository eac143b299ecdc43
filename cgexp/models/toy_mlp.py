"""ToyMLP: the energy of a toy system as a function of its few coordinates."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from cgexp.energy import EnergyTerm
from cgexp.frames import Frames
from cgexp.models.features import PointFeatures, check_fits
from cgexp.models.layers import hidden_layers, warn_if_not_smooth
from cgexp.parts.ranges import Depth, NonNegativeInt, Positive, PositiveInt, Seed, Size
from cgexp.systems.base import System


class ToyMLP(EnergyTerm):
    """Energy (kT, in the toys' reduced units) by a multilayer perceptron on PointFeatures.

    A plain network learns slow variations first and takes very long for a fast ripple (spectral bias); with Fourier
    features (``n_fourier`` > 0) the ripple is there from the start.

    n_beads, n_dims: shape of a configuration. width, depth: units and number of hidden layers. activation: between
    layers; 'relu' warns, since its force has jumps. n_fourier, fourier_std (rad/length): see PointFeatures.
    fourier_seed: of the wave vectors, independent of the seed of the weights. scale: energy (kT) of the last layer's
    unit output; where hidden units are bounded (tanh) and energies are large, a network at scale 1 gets stuck before
    its last layer has grown.
    """

    def __init__(
        self,
        n_beads: PositiveInt,
        n_dims: PositiveInt,
        width: Size = 128,
        depth: Depth = 2,
        activation: Literal["tanh", "silu", "softplus", "gelu", "relu"] = "silu",
        n_fourier: NonNegativeInt = 0,
        fourier_std: Positive = 1.0,
        fourier_seed: Seed = 0,
        scale: Positive = 1.0,
    ) -> None:
        super().__init__()
        warn_if_not_smooth(activation)
        self.n_beads, self.n_dims, self.scale = n_beads, n_dims, scale
        self.features = PointFeatures(n_beads * n_dims, n_fourier, fourier_std, fourier_seed)
        self.hidden = hidden_layers([self.features.n_features, *[width] * depth], activation)
        self.energy_layer = nn.Linear(width, 1, bias=False)  # forces do not see a constant

    def fit(self, frames: Frames, system: System) -> None:
        """Take mean and spread of the coordinates from the frames; raises InputError if they are another system."""
        check_fits(type(self).__name__, self.n_beads, self.n_dims, frames)
        self.features.fit(frames)

    def energy(self, coords: Tensor) -> Tensor:
        return self.scale * self.energy_layer(self.hidden(self.features(coords))).squeeze(-1)
