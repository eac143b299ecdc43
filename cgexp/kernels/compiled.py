"""The compiled kernel: torch.compile of the nested functional gradient."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cgexp.energy import EnergyTerm
from cgexp.kernels.kernel import Kernel

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
