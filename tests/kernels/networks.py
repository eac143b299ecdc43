"""CGSchNets to test kernels on, as they begin and after some training, and what a kernel makes of them."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from cgexp.kernels.kernel import Kernel
from cgexp.models.cgschnet import CGSchNet
from cgexp.testing.configurations import chain_frames, fit_to

BOTH_BASES: tuple[dict[str, Any], ...] = (
    {},
    {"rbf": "gaussian", "cutoff": 12.0},
    {"trainable_rbf": True, "activation": "silu", "n_rbf": 20},
    {"rbf": "gaussian", "trainable_rbf": True, "activation": "softplus", "n_blocks": 1},
    {"activation": "gelu", "cutoff": 9.0},
)


def chains(n_frames: int = 24, n_beads: int = 6) -> tuple[Tensor, Tensor]:
    """Coordinates and random forces [n_frames, n_beads, 3], float64."""
    frames = chain_frames(n_frames, n_beads)
    assert frames.forces is not None
    return torch.tensor(frames.coords, dtype=torch.float64), torch.tensor(frames.forces, dtype=torch.float64)


def small_network(n_beads: int = 6, **changes: Any) -> CGSchNet:
    """A CGSchNet in float64, its weights from one seed."""
    arguments = {"n_blocks": 2, "n_features": 16, "n_filters": 12, "n_rbf": 16, "cutoff": 15.0} | changes
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # relu is not smooth
        network = CGSchNet(n_beads, **arguments)
    fit_to(network, chain_frames(10, n_beads))
    return network.double()


def train(network: CGSchNet, n_steps: int = 100) -> CGSchNet:
    """Fit the network to random forces with the reference kernel."""
    coords, forces = chains(n_beads=network.n_beads)
    optimizer, kernel = torch.optim.Adam(network.parameters(), lr=5e-3), Kernel(network)
    for _ in range(n_steps):
        optimizer.zero_grad()
        (kernel(coords) - forces).square().mean().backward()
        optimizer.step()
    return network


def loss_and_gradients(kernel: Kernel, coords: Tensor, forces: Tensor) -> dict[str, Tensor]:
    """The forces, the mean squared error's value and its gradient in each parameter, by name."""
    kernel.network.zero_grad(set_to_none=True)
    loss, predicted = kernel.squared_error(coords, forces, torch.full_like(forces, 1.0 / forces.numel()))
    loss.backward()
    gradients = {n: p.grad.clone() for n, p in kernel.network.named_parameters() if p.grad is not None}
    return {"forces": predicted, "loss": loss.detach(), **gradients}
