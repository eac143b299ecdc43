"""CGSchNet (Husic et al. 2020, J. Chem. Phys. 153, 194101): continuous-filter convolutions over all pairs of beads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.geometry import distances, near_pairs, pair_list
from cgexp.models.features import BASES, ExpNormalBasis, GaussianBasis, check_fits, cosine_cutoff
from cgexp.models.layers import activation_module, mlp, warn_if_not_smooth
from cgexp.parts.ranges import Depth, Positive, PositiveInt, Size
from cgexp.systems.base import System


class CGSchNet(EnergyTerm):
    """Energy (kcal/mol) from bead types and all pair distances, with tanh where SchNet has shifted softplus.

    Dense: every pair is seen in every frame and the cutoff (Å) only switches its filter off smoothly, so shapes are
    static. The filter W(r) is symmetric, so it is evaluated once per pair i < j and read by both beads. A network of
    distances gives a structure and its mirror image the same energy; a dihedral prior tells them apart.

    n_beads: of a configuration; n_dims: 3; both are compared with the frames in ``fit``. n_bead_types: length of the
    embedding table. n_blocks: interaction blocks. n_features: of each bead. n_filters: of each pair. n_rbf, rbf: number
    and kind of the radial basis functions; trainable_rbf: whether their centres and widths are trained. cutoff: Å,
    where the filter has fallen to zero. activation: of all layers; 'relu' warns, since its force has jumps. Raises
    InputError in ``fit`` for frames of another shape.
    """

    kernels: ClassVar[Mapping[str, str]] = {
        "fused": "cgexp.kernels.fused_cgschnet.FusedCGSchNet",
        "sparse": "cgexp.kernels.sparse.SparseKernel",
        "table": "cgexp.kernels.table.TableKernel",
    }

    bead_types: Tensor
    pairs: Tensor
    neighbours: Tensor
    pair_of_neighbour: Tensor

    def __init__(
        self,
        n_beads: PositiveInt,
        n_dims: Literal[3] = 3,
        n_bead_types: Size = 20,
        n_blocks: Depth = 2,
        n_features: Size = 64,
        n_filters: Size = 64,
        n_rbf: Size = 32,
        rbf: Literal["expnorm", "gaussian"] = "expnorm",
        trainable_rbf: bool = False,
        cutoff: Positive = 30.0,
        activation: Literal["tanh", "silu", "softplus", "gelu", "relu"] = "tanh",
    ) -> None:
        super().__init__()
        if n_beads < 2:
            raise InputError(f"CGSchNet got n_beads={n_beads}: expected at least 2 beads, whose distances it reads")
        warn_if_not_smooth(activation)
        self.n_beads, self.n_dims, self.n_bead_types, self.cutoff = n_beads, n_dims, n_bead_types, cutoff
        self._register_topology(n_beads)
        self.embedding = nn.Embedding(n_bead_types, n_features)
        self.basis: ExpNormalBasis | GaussianBasis = BASES[rbf](n_rbf, cutoff, trainable_rbf)
        self.blocks = nn.ModuleList(Interaction(n_features, n_filters, n_rbf, activation) for _ in range(n_blocks))
        self.readout = mlp([n_features, n_features, max(n_features // 2, 1), 1], activation, last_bias=False)

    def _register_topology(self, n_beads: int) -> None:
        """Neighbours of each bead, bead after bead, [n_beads (n_beads - 1)], and the pair each belongs to."""
        pairs = pair_list(n_beads)
        pair_index = torch.zeros(n_beads, n_beads, dtype=torch.int64)
        pair_index[pairs[:, 0], pairs[:, 1]] = torch.arange(len(pairs))
        pair_index = pair_index + pair_index.T
        others = ~torch.eye(n_beads, dtype=torch.bool)
        self.register_buffer("bead_types", torch.zeros(n_beads, dtype=torch.int64))
        self.register_buffer("pairs", pairs)
        self.register_buffer("neighbours", others.nonzero()[:, 1])
        self.register_buffer("pair_of_neighbour", pair_index[others])

    def fit(self, frames: Frames, system: System) -> None:
        """Take the bead types from the frames; raises InputError if they are another system."""
        check_fits(type(self).__name__, self.n_beads, self.n_dims, frames)
        types = np.array(frames.bead_types, dtype=np.int64)
        if types.min() < 0 or types.max() >= self.n_bead_types:
            raise InputError(
                f"the frames have bead types from {types.min()} to {types.max()} but CGSchNet embeds 0 to "
                f"{self.n_bead_types - 1}: set model.n_bead_types={types.max() + 1}"
            )
        self.bead_types.copy_(torch.from_numpy(types))

    def energy(self, coords: Tensor) -> Tensor:
        r = distances(coords, self.pairs)
        basis = self.basis(r)
        envelope = cosine_cutoff(r, self.cutoff)[..., None]
        # One row for all frames until the first block mixes in the distances: it broadcasts.
        features = self.embedding(self.bead_types)[None]
        for block in self.blocks:
            features = block(features, basis, envelope, self.neighbours, self.pair_of_neighbour)
        return self.readout(features).sum(dim=(1, 2))

    def near_energy(self, coords: Tensor) -> Tensor:
        """As ``energy``, of the pairs within the cutoff alone: less memory where they are few of many beads."""
        pairs = near_pairs(coords.detach(), self.cutoff)
        r = distances(coords.reshape(1, -1, 3), pairs)[0]
        basis, envelope = self.basis(r), cosine_cutoff(r, self.cutoff)[:, None]
        features = self.embedding(self.bead_types).repeat(len(coords), 1)
        for block in self.blocks:
            assert isinstance(block, Interaction)
            features = block.of_pairs(features, basis, envelope, pairs)
        energies: Tensor = self.readout(features).reshape(len(coords), self.n_beads).sum(1)
        return energies


class Interaction(nn.Module):
    """One residual block: x_i + f(sum over j of W(r_ij) * (A x_j)), f a linear layer, the activation, another."""

    def __init__(self, n_features: int, n_filters: int, n_rbf: int, activation: str) -> None:
        super().__init__()
        self.filter = mlp([n_rbf, n_filters, n_filters], activation, last_bias=False)
        self.project = nn.Linear(n_features, n_filters, bias=False)
        self.update = nn.Sequential(
            nn.Linear(n_filters, n_features), activation_module(activation), nn.Linear(n_features, n_features)
        )
        for layer in (*self.filter, self.project, *self.update):
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(
        self, features: Tensor, basis: Tensor, envelope: Tensor, neighbours: Tensor, pair_of_neighbour: Tensor
    ) -> Tensor:
        """Features [n_frames, n_beads, n_features] after the block; those before it may be one row for all frames.

        basis [n_frames, n_pairs, n_rbf], envelope [n_frames, n_pairs, 1]; neighbours, pair_of_neighbour
        [n_beads (n_beads - 1)].
        """
        n_beads = features.shape[1]
        filters = self.filter(basis) * envelope
        messages = filters.index_select(1, pair_of_neighbour) * self.project(features).index_select(1, neighbours)
        received = messages.unflatten(1, (n_beads, n_beads - 1)).sum(2)
        return features + self.update(received)

    def of_pairs(self, features: Tensor, basis: Tensor, envelope: Tensor, pairs: Tensor) -> Tensor:
        """As ``forward``, for the beads of all frames in one list: features [n, n_features] of them.

        pairs: [n_pairs, 2], each once; basis [n_pairs, n_rbf], envelope [n_pairs, 1].
        """
        filters, projected = self.filter(basis) * envelope, self.project(features)
        first, second = pairs.unbind(1)
        received = torch.zeros_like(projected)
        received = received.index_add(0, first, filters * projected.index_select(0, second))
        received = received.index_add(0, second, filters * projected.index_select(0, first))
        return features + self.update(received)
