"""Which kernel computes a network's forces in training."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor, nn

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError, did_you_mean
from cgexp.kernels.compiled import CompiledKernel
from cgexp.kernels.filter_table import has_kinks
from cgexp.kernels.fused import ACTIVATION_NUMBERS
from cgexp.kernels.fused_cgnet import FusedCGnet
from cgexp.kernels.fused_cgschnet import FusedCGSchNet
from cgexp.kernels.kernel import DirectKernel, Kernel
from cgexp.kernels.native_library import NoNativeKernel, native_library
from cgexp.kernels.table import TableKernel
from cgexp.models.cgnet import CGnet
from cgexp.models.cgschnet import CGSchNet

log = logging.getLogger(__name__)
# network -> its fused kernel, which takes (network, coords, bf16)
FUSED: dict[type[EnergyTerm], Callable[..., Kernel]] = {CGSchNet: FusedCGSchNet, CGnet: FusedCGnet}
SOURCES: dict[type[EnergyTerm], str] = {CGSchNet: "cgschnet", CGnet: "cgnet"}
KERNELS = ("auto", "reference", "table", "compiled", "fused")


def make_kernel(name: str, network: EnergyTerm, coords: Tensor | None = None, bf16: bool = False) -> Kernel:
    """The kernel called ``name`` for a network, on the device it is on.

    coords: [n_frames, n_beads, n_dims] that it will train on, for kernels that prepare for a range of distances.
    bf16: whether the fused kernel may round factors of the parameter gradient to bfloat16. Raises InputError where
    the kernel does not serve the network.
    """
    if name not in KERNELS:
        raise InputError(f"unknown kernel={name}{did_you_mean(name, KERNELS)}: expected {' or '.join(KERNELS)}")
    if not network.conservative:
        return DirectKernel(network)
    if name == "auto":
        name = best_kernel(network)
    if bf16 and name != "fused":
        log.warning("kernel=%s keeps parameter gradients in full precision: bfloat16 is for fused", name)
    if name == "table":
        return TableKernel(network, coords)
    if name == "compiled":
        return CompiledKernel(network)
    if name == "fused":
        return _fused(network, coords, bf16)
    return Kernel(network)


def best_kernel(network: EnergyTerm, device: torch.device | None = None) -> str:
    """What kernel=auto stands for: fused on a CPU with a compiler, else table where the network has filters to
    tabulate, else the reference. The compiled kernel is never chosen: compiling takes up to a minute."""
    if has_kinks(network):
        return "reference"
    if type(network) in FUSED and (device or _device(network)).type == "cpu" and serves(network):
        try:
            native_library(SOURCES[type(network)])
            return "fused"
        except NoNativeKernel as error:
            log.warning("%s", error)
    return "table" if isinstance(network, CGSchNet) else "reference"


def serves(network: EnergyTerm) -> bool:
    """Whether the C++ kernels have the activation of a network."""
    known = (*ACTIVATION_NUMBERS, nn.Linear)
    stacks = [part for part in network.modules() if isinstance(part, nn.Sequential)]
    return all(isinstance(layer, known) for stack in stacks for layer in stack)


def _fused(network: EnergyTerm, coords: Tensor | None, bf16: bool) -> Kernel:
    if type(network) not in FUSED:
        raise InputError(
            f"kernel=fused serves {' and '.join(kind.__name__ for kind in FUSED)}, but the model is a "
            f"{type(network).__name__}: use kernel=auto"
        )
    if _device(network).type != "cpu":
        raise InputError("kernel=fused is for the CPU: use kernel=auto, or trainer=cpu")
    if bf16 and not native_library(SOURCES[type(network)]).has_bf16():
        log.warning("this processor has no bfloat16 products: parameter gradients stay in float32")
        bf16 = False
    return FUSED[type(network)](network, coords, bf16)


def _device(network: EnergyTerm) -> torch.device:
    return next(network.parameters()).device
