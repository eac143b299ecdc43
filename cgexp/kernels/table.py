"""The table kernels: a CGSchNet whose filters are read from a table, in training and in simulation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.geometry import displacements
from cgexp.kernels.convolve import Points, convolve, interpolate
from cgexp.kernels.filter_table import FilterTable, warn_if_coarse
from cgexp.kernels.fused_prior import DistanceTerms, add_prior
from cgexp.kernels.kernel import Kernel
from cgexp.models.cgschnet import CGSchNet, Interaction
from cgexp.models.potential import Potential


class TableKernel(Kernel):
    """Forces of a CGSchNet from its tabulated filters.

    In a training step the distances r_p of pairs are data, not parameters. With values G_p and slopes D_p of the
    filters read from the table,

        u_p = dU/dr_p = sum over blocks and filters of dU/dG_p D_p,    F = -sum over pairs of u_p dr_p/dx,

    and dU/dG comes from reverse mode through the node network alone: the second derivative of the loss's gradient does
    not go through the filters. Pairs and beads lead and frames follow, as convolve.py takes them.
    """

    def __init__(self, network: EnergyTerm, coords: Tensor | None = None) -> None:
        """coords: [n_frames, n_beads, 3] to train on, whose distances the table is made for; None: any distance."""
        if not isinstance(network, CGSchNet):
            raise InputError(
                f"kernel=table tabulates the filters of a CGSchNet, but the model is a {type(network).__name__}: "
                "use kernel=reference or kernel=compiled"
            )
        super().__init__(network)
        self.schnet = network
        on_gpu = network.embedding.weight.is_cuda
        # a table of all distances needs no look at them, for which a GPU would wait
        self.table = FilterTable.for_coords(network, None if on_gpu else coords)
        self.graphable = self.table.covers_all
        warn_if_coarse(self.schnet, self.table)

    def __call__(self, coords: Tensor) -> Tensor:
        with torch.enable_grad():
            coords, pairs = coords.detach(), self.schnet.pairs
            vectors = displacements(coords, pairs).transpose(0, 1)
            r = vectors.square().sum(-1).sqrt()
            along = (self._slopes(r) / r)[..., None] * vectors
            forces = coords.new_zeros(self.schnet.n_beads, len(coords), 3)
            return forces.index_add(0, pairs[:, 1], along).index_add(0, pairs[:, 0], -along).transpose(0, 1)

    def check(self) -> None:
        warn_if_coarse(self.schnet, self.table)

    def energy(self, coords: Tensor) -> Tensor:
        """The energy [n_frames] whose negative gradient the forces are, of the interpolated filters; without a graph.

        coords: [n_frames, n_beads, 3].
        """
        with torch.no_grad():
            r = displacements(coords, self.schnet.pairs).transpose(0, 1).square().sum(-1).sqrt()
            values, _ = self._read(r)
            return self._energy(values)

    def _slopes(self, r: Tensor) -> Tensor:
        """dU/dr of each pair, at distances r [n_pairs, n_frames]: the same shape."""
        values, slopes = self._read(r)
        # with every filter frozen there is still an energy to differentiate
        values = [value if value.requires_grad else value.requires_grad_() for value in values]
        adjoints = torch.autograd.grad(self._energy(values).sum(), values, create_graph=True)
        return torch.stack([(a * d).sum(-1) for a, d in zip(adjoints, slopes, strict=True)]).sum(0)

    def _read(self, r: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Values and slopes of the filters of each block at distances r: [n_pairs, n_frames, n_filters]."""
        self._cover(r)
        index, *weights = (part.flatten(0, 1) for part in self.table.hermite_weights(r))
        points = Points.sorted_by_knot(index, self.table.n_knots)
        tables = self.table.tables()
        values, slopes = (
            [interpolate(rows, points, weight).unflatten(0, r.shape) for rows in tables] for weight in weights
        )
        return values, slopes

    def _energy(self, filters: Sequence[Tensor]) -> Tensor:
        """Energy of each frame [n_frames] from the filters of each block [n_pairs, n_frames, n_filters]."""
        network = self.schnet
        # the first block's features are the same in all frames
        features = network.embedding(network.bead_types)[:, None]
        for block, values in zip(network.blocks, filters, strict=True):
            assert isinstance(block, Interaction)
            projected = block.project(features).expand(-1, values.shape[1], -1)
            features = features + block.update(convolve(values, projected))
        energies: Tensor = network.readout(features).sum(dim=(0, 2))
        return energies

    def _cover(self, r: Tensor) -> None:
        """Extend the table to distances r, which may lie beyond the data's where a penalty displaces beads."""
        if self.table.covers_all:
            return
        low, high = (float(value) for value in r.aminmax())
        if not (math.isnan(low) or self.table.covers(low, high)):
            self.table = self.table.extended(low, high)
            warn_if_coarse(self.schnet, self.table)


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
