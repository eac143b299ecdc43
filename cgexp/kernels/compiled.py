"""The compiled kernel: torch.compile of the nested functional gradient."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cgexp.energy import EnergyTerm
from cgexp.kernels.kernel import Kernel


class CompiledKernel(Kernel):
    """Compiling the energy and differentiating outside fails (a compiled graph has no double backward), so the force
    is taken inside the compiled function."""

    graphable = False

    def __init__(self, network: EnergyTerm) -> None:
        super().__init__(network)
        self._names = [name for name, _ in network.named_parameters()]
        buffers = dict(network.named_buffers())
        module: nn.Module = network

        def energy(coords: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
            return torch.func.functional_call(module, {**parameters, **buffers}, (coords,)).sum()

        self._gradient = torch.compile(torch.func.grad(energy), fullgraph=True)

    def __call__(self, coords: Tensor) -> Tensor:
        with torch.enable_grad():
            parameters = dict(zip(self._names, self.network.parameters(), strict=True))
            return -self._gradient(coords, parameters)  # type: ignore[no-any-return]
