"""Potential: the sum of a network and a prior, and the only place where forces are taken as gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cgexp.energy import EnergyTerm, negative_gradient
from cgexp.errors import InputError


class Potential(nn.Module):
    """Energy and forces of coarse-grained configurations, in the units of the system.

    network: an energy network, a direct-force network (``conservative`` is then False and there is no energy), or
    None for the prior alone. prior: any energy term; it may be a sum of none. Forces can be asked for inside a
    caller's ``torch.no_grad`` or ``torch.inference_mode``.
    """

    def __init__(self, network: EnergyTerm | None, prior: EnergyTerm) -> None:
        super().__init__()
        self.network = network
        self.prior = prior

    @property
    def conservative(self) -> bool:
        """Whether the forces are the gradient of an energy."""
        return self.network is None or self.network.conservative

    def energy(self, coords: Tensor) -> Tensor:
        """Energies [n_frames] of coords [n_frames, n_beads, n_dims]; raises InputError for a direct-force network."""
        if not self.conservative:
            raise InputError("this potential predicts forces directly and has no energy: ask for its forces only")
        if self.network is None:
            return self.prior.energy(coords)
        return self.network.energy(coords) + self.prior.energy(coords)

    def forward(self, coords: Tensor) -> Tensor:
        return self.energy(coords)

    def forces(self, coords: Tensor, create_graph: bool = False) -> Tensor:
        """Forces [n_frames, n_beads, n_dims]; with ``create_graph`` they can be differentiated in the parameters."""
        with torch.inference_mode(False), torch.enable_grad():
            leaf = _leaf(coords)
            if create_graph:
                return self._energy_and_forces(leaf, create_graph=True)[1]
            with self._frozen():
                return self._energy_and_forces(leaf, create_graph=False)[1].detach()

    def energy_and_forces(self, coords: Tensor) -> tuple[Tensor | None, Tensor]:
        """Energies [n_frames] (None if not conservative) and forces, in one pass and free of any graph."""
        with torch.inference_mode(False), torch.enable_grad(), self._frozen():
            energy, forces = self._energy_and_forces(_leaf(coords), create_graph=False)
        return None if energy is None else energy.detach(), forces.detach()

    def _energy_and_forces(self, coords: Tensor, create_graph: bool) -> tuple[Tensor | None, Tensor]:
        if self.conservative:
            energy = self.energy(coords)
            return energy, self._gradient(energy, coords, create_graph)
        prior_forces = self._gradient(self.prior.energy(coords), coords, create_graph)
        assert self.network is not None
        return None, self.network(coords) + prior_forces

    @staticmethod
    def _gradient(energy: Tensor, coords: Tensor, create_graph: bool) -> Tensor:
        if not energy.requires_grad:  # a sum of no terms does not depend on the coordinates
            return torch.zeros_like(coords)
        return negative_gradient(energy, coords, create_graph)

    @contextmanager
    def _frozen(self) -> Iterator[None]:
        """Leave the parameters out of the graph, which then holds only what the forces need."""
        trainable = [parameter for parameter in self.parameters() if parameter.requires_grad]
        for parameter in trainable:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in trainable:
                parameter.requires_grad_(True)


def _leaf(coords: Tensor) -> Tensor:
    """Coordinates that can be differentiated, without a history of their own."""
    if coords.is_inference():
        coords = coords.clone()
    return coords if coords.requires_grad else coords.detach().requires_grad_()
