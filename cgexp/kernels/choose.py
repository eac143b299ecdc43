"""Which kernel computes a network's forces in training."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError, did_you_mean
from cgexp.kernels.compiled import CompiledKernel
from cgexp.kernels.kernel import DirectKernel, Kernel
from cgexp.kernels.table import TableKernel

Make = Callable[[EnergyTerm, Tensor | None], Kernel]
KERNELS: dict[str, Make] = {
    "reference": lambda network, coords: Kernel(network),
    "compiled": lambda network, coords: CompiledKernel(network),
    "table": TableKernel,
}


def make_kernel(name: str, network: EnergyTerm, coords: Tensor | None = None) -> Kernel:
    """The kernel called ``name`` for a network.

    coords: [n_frames, n_beads, n_dims] that it will train on, for kernels that prepare for a range of distances.
    """
    if name not in KERNELS:
        raise InputError(f"unknown kernel={name}{did_you_mean(name, KERNELS)}: expected {' or '.join(KERNELS)}")
    if not network.conservative:
        return DirectKernel(network)
    return KERNELS[name](network, coords)
