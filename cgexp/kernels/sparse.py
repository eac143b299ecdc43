"""The reference kernel of a CGSchNet over the pairs within its cutoff alone, which are found anew at every call."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cgexp.energy import EnergyTerm, negative_gradient
from cgexp.errors import InputError
from cgexp.kernels.kernel import Kernel
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.potential import Potential


class SparseKernel(Kernel):
    """Plain torch and exact filters, as the reference, of the pairs that the cutoff leaves."""

    graphable = False  # the number of pairs is read back, and changes

    def __init__(self, network: EnergyTerm, coords: Tensor | None = None) -> None:
        if not isinstance(network, CGSchNet):
            raise InputError(
                f"kernel=sparse leaves out pairs beyond the cutoff of a CGSchNet, but the model is a "
                f"{type(network).__name__}: use kernel=reference"
            )
        super().__init__(network)
        self.schnet = network

    def __call__(self, coords: Tensor) -> Tensor:
        with torch.enable_grad():
            leaf = coords.detach().requires_grad_(True)
            return negative_gradient(self.schnet.near_energy(leaf), leaf, create_graph=True)


def sparse_evaluator(potential: Potential) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """coords -> energy [n_frames] and forces of a frozen potential whose network is a CGSchNet, without a graph."""
    network = potential.network
    assert isinstance(network, CGSchNet)

    def energy_and_forces(coords: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode(False), torch.enable_grad():
            leaf = (coords.clone() if coords.is_inference() else coords.detach()).requires_grad_(True)
            energy = network.near_energy(leaf) + potential.prior.energy(leaf)
            return energy.detach(), negative_gradient(energy, leaf).detach()

    return energy_and_forces
