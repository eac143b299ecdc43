"""DirectForce: the control that predicts forces without an energy behind them."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.models.features import PointFeatures, check_fits
from cgexp.models.layers import hidden_layers
from cgexp.parts.ranges import Depth, NonNegativeInt, Positive, PositiveInt, Seed, Size
from cgexp.systems.base import System


class DirectForce(EnergyTerm):
    """Force [n_beads, n_dims] (kT/length, in the toys' reduced units) by a multilayer perceptron on PointFeatures.

    Non-conservative: in one dimension the force can be integrated to an energy, in more there need not be one. The
    network is that of ToyMLP but for its last layer, so that the two differ in nothing else, and the hidden layers of
    one can be the start of the other (trainer.start_from).

    n_beads, n_dims: shape of a configuration. width, depth: units and number of hidden layers. activation: between
    layers. n_fourier, fourier_std (rad/length), fourier_seed: see PointFeatures; n_fourier = 0: coordinates alone.
    """

    conservative = False

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
    ) -> None:
        super().__init__()
        self.n_beads, self.n_dims = n_beads, n_dims
        self.features = PointFeatures(n_beads * n_dims, n_fourier, fourier_std, fourier_seed)
        self.hidden = hidden_layers([self.features.n_features, *[width] * depth], activation)
        self.force_layer = nn.Linear(width, n_beads * n_dims)

    def fit(self, frames: Frames, system: System) -> None:
        """Take mean and spread of the coordinates from the frames; raises InputError if they are another system."""
        check_fits(type(self).__name__, self.n_beads, self.n_dims, frames)
        self.features.fit(frames)

    def forces(self, coords: Tensor) -> Tensor:
        """Predicted forces, of the shape of coords [n_frames, n_beads, n_dims]."""
        return self.force_layer(self.hidden(self.features(coords))).view_as(coords)

    def energy(self, coords: Tensor) -> Tensor:
        raise InputError("DirectForce predicts forces and has no energy: ask for forces, or use an energy model")

    def forward(self, coords: Tensor) -> Tensor:
        return self.forces(coords)
