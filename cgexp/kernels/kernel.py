"""Kernel: how a network's forces are computed in a training step; the reference, and torch.compile of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import torch
from torch import Tensor, nn

from cgexp.energy import EnergyTerm, negative_gradient


class Kernel:
    """Forces of a network in training, differentiable in its parameters (double backprop).

    This one is the reference kernel, with which tests compare all others: plain torch, reverse mode for the force, the
    graph kept for the loss's gradient. A subclass overrides ``__call__``, and ``squared_error`` where it can find loss
    and gradient together in less work.
    """

    native: ClassVar[str | None] = None  # the library of native/ that it calls
    graphable = True  # whether a CUDA graph can record it: it reads no value back from the GPU

    def __init__(self, network: EnergyTerm) -> None:
        self.network = network

    def __call__(self, coords: Tensor) -> Tensor:
        """coords [n_frames, n_beads, n_dims] -> forces, the same shape."""
        with torch.enable_grad():
            leaf = coords.detach().requires_grad_(True)
            return negative_gradient(self.network.energy(leaf), leaf, create_graph=True)

    def check(self) -> None:
        """Warn where the kernel no longer follows the network as it is now; called after each epoch."""

    def squared_error(self, coords: Tensor, reference: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """The sum of weights (F - F_ref)^2, a scalar to call backward on, and the forces F without a graph.

        coords, reference, weights: [n_frames, n_beads, n_dims].
        """
        forces = self(coords)
        if not forces.shape == reference.shape == weights.shape:
            raise ValueError(
                f"forces {list(forces.shape)}, reference {list(reference.shape)} and weights {list(weights.shape)} "
                "differ in shape: broadcasting would train a constant force"
            )
        return (weights * (forces - reference).square()).sum(), forces.detach()


class DirectKernel(Kernel):
    """Forces of a network that predicts them itself: there is no second derivative to speed up."""

    def __call__(self, coords: Tensor) -> Tensor:
        forces: Tensor = self.network(coords)
        return forces


log = logging.getLogger(__name__)


class CompiledKernel(Kernel):
    """Compiling the energy and differentiating outside fails (a compiled graph has no double backward), so the force
    is taken inside the compiled function."""

    graphable = False

    def __init__(self, network: EnergyTerm) -> None:
        super().__init__(network)
        self._shapes: set[torch.Size] = set()
        self._names = [name for name, _ in network.named_parameters()]
        buffers = dict(network.named_buffers())
        module: nn.Module = network

        def energy(coords: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
            return torch.func.functional_call(module, {**parameters, **buffers}, (coords,)).sum()

        self._gradient = torch.compile(torch.func.grad(energy), fullgraph=True)

    def __call__(self, coords: Tensor) -> Tensor:
        with torch.enable_grad(), self._announced(coords.shape):
            parameters = dict(zip(self._names, self.network.parameters(), strict=True))
            return -self._gradient(coords, parameters)  # type: ignore[no-any-return]

    @contextmanager
    def _announced(self, shape: torch.Size) -> Iterator[None]:
        """Show what compiling costs: once for each shape of a batch, and less where torch has it in its cache."""
        if shape in self._shapes:
            yield
            return
        self._shapes.add(shape)
        began = time.perf_counter()
        yield
        seconds = time.perf_counter() - began
        log.info("compiled the forces of %s coords, cached by torch: %.0f s", list(shape), seconds)
