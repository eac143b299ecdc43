"""The baseline: CGSchNet over all n_beads x n_beads pairs, eager, as general graph stacks compute it."""

from __future__ import annotations

import torch
from torch import Tensor

from cgexp.energy import EnergyTerm
from cgexp.models.cgschnet import CGSchNet, Interaction
from cgexp.models.features import cosine_cutoff


class DenseCGSchNet(EnergyTerm):
    """The energy of the package's CGSchNet, with its own layers, from the full matrix of distances.

    Each pair is computed twice and each bead with itself, which a mask then drops.
    """

    def __init__(self, network: CGSchNet) -> None:
        super().__init__()
        self.network = network

    def energy(self, coords: Tensor) -> Tensor:
        network = self.network
        n_frames, n_beads, _ = coords.shape
        itself = torch.eye(n_beads, dtype=coords.dtype, device=coords.device)
        # the 1 on the diagonal keeps the gradient of the square root finite
        r = ((coords[:, :, None] - coords[:, None]).square().sum(-1) + itself).sqrt()
        envelope = (cosine_cutoff(r, network.cutoff) * (1.0 - itself))[..., None]
        basis = network.basis(r)
        features = network.embedding(network.bead_types).expand(n_frames, n_beads, -1)
        for block in network.blocks:
            assert isinstance(block, Interaction)
            filters = block.filter(basis) * envelope
            messages = (filters * block.project(features)[:, None]).sum(2)
            features = features + block.update(messages)
        energy: Tensor = network.readout(features).sum(dim=(1, 2))
        return energy
