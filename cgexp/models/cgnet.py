"""CGnet (Wang et al. 2019, ACS Cent. Sci. 5, 755): a perceptron on the internal coordinates of a chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor

from cgexp.energy import EnergyTerm, Measured
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.geometry import angle_list, dihedral_cos_sin, dihedral_list, distances, pair_list
from cgexp.geometry import angles as bond_angles
from cgexp.models.features import ZScore, check_fits
from cgexp.models.layers import bound_spectral_norm, mlp, warn_if_not_smooth
from cgexp.parts.ranges import Depth, Positive, PositiveInt, Size
from cgexp.systems.base import System


class CGnet(EnergyTerm):
    """Energy (kcal/mol) of one chain from all distances, the angles, and the dihedrals as cosine and sine, z-scored.

    For 10 beads: 45 + 8 + 2 x 7 = 67 features. The energy is invariant under rotation and translation, but not under
    a mirror: the sines change sign. Beads are told apart by their place, so the model serves one sequence only.

    n_beads: of the chain; n_dims: 3; both are compared with the frames in ``fit``. width: units of each hidden layer.
    depth: hidden layers. activation: between layers; 'relu' warns, since its force has jumps. lipschitz: bound of the
    spectral norm of every layer, by which CGnet 2019 regularises; None leaves it free. Raises InputError in ``fit`` for
    frames of another shape.
    """

    kernels: ClassVar[Mapping[str, str]] = {"fused": "cgexp.kernels.fused_cgnet.FusedCGnet"}

    pairs: Tensor
    triples: Tensor
    quads: Tensor

    def __init__(
        self,
        n_beads: PositiveInt,
        n_dims: Literal[3] = 3,
        width: Size = 160,
        depth: Depth = 5,
        activation: Literal["tanh", "silu", "softplus", "gelu", "relu"] = "tanh",
        lipschitz: Positive | None = None,
    ) -> None:
        super().__init__()
        if n_beads < 4:
            raise InputError(f"CGnet got n_beads={n_beads}: expected a chain of at least 4 beads, which has a dihedral")
        warn_if_not_smooth(activation)
        self.n_beads, self.n_dims = n_beads, n_dims
        self.register_buffer("pairs", pair_list(n_beads))
        self.register_buffer("triples", angle_list(n_beads))
        self.register_buffer("quads", dihedral_list(n_beads))
        n_features = len(self.pairs) + len(self.triples) + 2 * len(self.quads)
        self.z_score = ZScore(n_features)
        self.network = mlp([n_features, *[width] * depth, 1], activation, last_bias=False)
        if lipschitz is not None:
            bound_spectral_norm(self.network, lipschitz)

    def fit(self, frames: Frames, system: System) -> None:
        """Take mean and spread of the features from the frames; raises InputError if they are another system."""
        check_fits(type(self).__name__, self.n_beads, self.n_dims, frames)
        device = self.pairs.device
        self.z_score.fit(Measured(frames, lambda coords: self.features(coords.to(device)).cpu()))

    def features(self, coords: Tensor) -> Tensor:
        """Distances (Å), angles (rad), cosines and sines of dihedrals: [n_frames, n_features]."""
        cosine, sine = dihedral_cos_sin(coords, self.quads)
        return torch.cat([distances(coords, self.pairs), bond_angles(coords, self.triples), cosine, sine], dim=1)

    def energy(self, coords: Tensor) -> Tensor:
        return self.network(self.z_score(self.features(coords))).squeeze(-1)
