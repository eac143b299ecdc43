"""A CGSchNet and a prior with tabulated filters, for simulation: plain torch on any device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from cgexp.geometry import displacements
from cgexp.kernels.convolve import convolve
from cgexp.kernels.filter_table import FilterTable, warn_if_coarse
from cgexp.kernels.prior_forces import DistanceTerms, add_prior
from cgexp.models.cgschnet import CGSchNet, Interaction
from cgexp.models.potential import Potential

FEW_NUMBERS = 100_000  # of filters of a block; below, a call takes longer than its arithmetic


class TablePotential:
    """Energy and forces of a frozen potential, whose filters are evaluated once.

    With values G_p and slopes D_p of the filters at distance r_p, read from the table,

        u_p = dU/dr_p = sum over blocks and filters of dU/dG_p D_p,    F = -sum over pairs of u_p dr_p/dx,

    where dU/dG is taken by reverse mode through the node network alone. Terms of the prior that depend on distances
    add theirs to u. The table covers all distances: a replica may go anywhere, and a table extended on the way would
    give other last digits after a resume. All shapes are static and nothing waits for the device, so that a CUDA graph
    can hold it.
    """

    def __init__(self, potential: Potential, coords: Tensor) -> None:
        """coords: of the type and on the device to be used."""
        network = potential.network
        assert isinstance(network, CGSchNet)
        self.network = network
        self.table = FilterTable.for_coords(network)
        warn_if_coarse(network, self.table)
        with torch.no_grad():
            # the filters of all blocks side by side: [2 n_knots, n_blocks n_filters]
            self._rows = torch.cat(tuple(self.table.tables()), dim=1).contiguous()
        self._corners = torch.arange(4, device=coords.device)
        self._distance_terms = DistanceTerms(potential.prior, network.pairs)
        rest = self._distance_terms.rest
        self._add_rest = None if rest is None else add_prior(rest)
        after = network.neighbours > torch.arange(network.n_beads, device=coords.device).repeat_interleave(
            network.n_beads - 1
        )
        # the vector of a pair points from its later bead to its earlier one
        self._signs = torch.where(after, -1.0, 1.0).to(coords)[:, None, None]

    def __call__(self, coords: Tensor) -> tuple[Tensor, Tensor]:
        coords, network = coords.detach(), self.network
        vectors = displacements(coords, network.pairs).transpose(0, 1)
        r = vectors.square().sum(-1).sqrt()
        energy, slopes = self._network(r)
        self._distance_terms.add(r, energy, slopes)
        along = (slopes / r)[..., None] * vectors
        # a sum over the pairs of each bead, in the same order every time
        signed = along.index_select(0, network.pair_of_neighbour) * self._signs
        forces = signed.unflatten(0, (network.n_beads, network.n_beads - 1)).sum(1).transpose(0, 1).contiguous()
        if self._add_rest is not None:
            self._add_rest(coords, energy, forces)
        return energy, forces

    def _network(self, r: Tensor) -> tuple[Tensor, Tensor]:
        """Energy [n_frames] of the network and dU/dr [n_pairs, n_frames] at distances r [n_pairs, n_frames]."""
        index, *weights = (part.flatten(0, 1) for part in self.table.hermite_weights(r))
        places = 2 * index[:, None] + self._corners
        values, slopes = (
            embedding_bag(places, self._rows, per_sample_weights=w, mode="sum").unflatten(0, r.shape) for w in weights
        )
        with torch.enable_grad():
            energies = self._energies(values.requires_grad_())
            (adjoints,) = torch.autograd.grad(energies.sum(), values)
        return energies.detach(), (adjoints * slopes).sum(-1)

    def _energies(self, filters: Tensor) -> Tensor:
        """Energies [n_frames] from the filters of all blocks, [n_pairs, n_frames, n_blocks n_filters]."""
        network = self.network
        features = network.embedding(network.bead_types)[:, None]
        for block, values in zip(network.blocks, filters.chunk(len(network.blocks), dim=-1), strict=True):
            assert isinstance(block, Interaction)
            projected = block.project(features).expand(-1, filters.shape[1], -1)
            features = features + block.update(self._messages(values, projected))
        energies: Tensor = network.readout(features).sum(dim=(0, 2))
        return energies

    def _messages(self, filters: Tensor, features: Tensor) -> Tensor:
        """What each bead receives, as ``convolve`` has it; with few frames in few calls instead of little memory."""
        if filters.numel() > FEW_NUMBERS:
            return convolve(filters, features)
        network = self.network
        of_pairs = filters.index_select(0, network.pair_of_neighbour)
        products = of_pairs * features.index_select(0, network.neighbours)
        return products.unflatten(0, (network.n_beads, network.n_beads - 1)).sum(1)
