"""Kernels: how the network's forces are computed in a training step. Every kernel is held to ``reference`` by tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from cgexp.energy import EnergyTerm, negative_gradient
from cgexp.errors import InputError, did_you_mean

Kernel = Callable[[Tensor], Tensor]


def make_kernel(name: str, network: EnergyTerm) -> Kernel:
    """Return coords [n, b, d] -> forces [n, b, d], differentiable in the parameters (double backprop)."""
    if name not in KERNELS:
        raise InputError(f"unknown kernel={name}{did_you_mean(name, KERNELS)}: expected {' or '.join(KERNELS)}")
    if not network.conservative:  # a direct-force control has no second derivative to speed up
        return lambda coords: network(coords)  # not the module itself, which its owner would take for a part of it
    return KERNELS[name](network)


def reference_kernel(network: EnergyTerm) -> Kernel:
    """Plain torch: energy, reverse mode for the force, and the graph kept for the loss's gradient."""

    def forces(coords: Tensor) -> Tensor:
        with torch.enable_grad():
            leaf = coords.detach().requires_grad_(True)
            return negative_gradient(network.energy(leaf), leaf, create_graph=True)

    return forces


def compiled_kernel(network: EnergyTerm) -> Kernel:
    """torch.compile of the nested functional gradient.

    Compiling the energy and differentiating outside fails (a compiled graph has no double backward), so the force is
    taken inside the compiled function.
    """
    names = [name for name, _ in network.named_parameters()]
    buffers = dict(network.named_buffers())
    module: nn.Module = network

    def energy(coords: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        return torch.func.functional_call(module, {**parameters, **buffers}, (coords,)).sum()

    compiled = torch.compile(torch.func.grad(energy), fullgraph=True)

    def forces(coords: Tensor) -> Tensor:
        with torch.enable_grad():
            parameters = dict(zip(names, network.parameters(), strict=True))
            return -compiled(coords, parameters)  # type: ignore[no-any-return]

    return forces


KERNELS: dict[str, Callable[[EnergyTerm], Kernel]] = {"reference": reference_kernel, "compiled": compiled_kernel}
