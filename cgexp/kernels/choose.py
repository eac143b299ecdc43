"""Which kernel computes a network's forces in training."""

from __future__ import annotations

import importlib
import logging
from typing import Any, get_args

import torch
from torch import Tensor, nn

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError, did_you_mean
from cgexp.kernels.filter_table import has_kinks
from cgexp.kernels.fused import ACTIVATION_NUMBERS
from cgexp.kernels.kernel import CompiledKernel, DirectKernel, Kernel
from cgexp.kernels.native_library import NoNativeKernel, native_library
from cgexp.parts.ranges import KernelName

log = logging.getLogger(__name__)
KERNELS: tuple[str, ...] = get_args(KernelName)


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
    if name == "reference":
        return Kernel(network)
    if name == "compiled":
        return CompiledKernel(network)
    kernel = _own_kernel(name, network)
    return _fused(kernel, network, coords, bf16) if name == "fused" else kernel(network, coords)


def best_kernel(network: EnergyTerm, device: torch.device | None = None) -> str:
    """What kernel=auto stands for: fused on a CPU with a compiler, else table where the network has filters to
    tabulate, else the reference. The compiled kernel is never chosen: compiling takes up to a minute."""
    own = vars(type(network)).get("kernels", {})
    if has_kinks(network):
        return "reference"
    if "fused" in own and (device or _device(network)).type == "cpu" and serves(network):
        try:
            _load_native(_own_kernel("fused", network))
            return "fused"
        except NoNativeKernel as error:
            log.warning("%s", error)
    return "table" if "table" in own else "reference"


def _own_kernel(name: str, network: EnergyTerm) -> Any:
    """The kernel that a network's class says is made for it: a class called with (network, coords)."""
    own = vars(type(network)).get("kernels", {})
    if name not in own:
        raise InputError(f"kernel={name} does not serve the model {type(network).__name__}: use kernel=auto")
    module, _, kind = own[name].rpartition(".")
    return getattr(importlib.import_module(module), kind)


def _load_native(kernel: type[Kernel]) -> Any:
    return None if kernel.native is None else native_library(kernel.native)


def serves(network: EnergyTerm) -> bool:
    """Whether the C++ kernels have the activation of a network."""
    known = (*ACTIVATION_NUMBERS, nn.Linear)
    stacks = [part for part in network.modules() if isinstance(part, nn.Sequential)]
    return all(isinstance(layer, known) for stack in stacks for layer in stack)


def _fused(kernel: Any, network: EnergyTerm, coords: Tensor | None, bf16: bool) -> Kernel:
    if _device(network).type != "cpu":
        raise InputError("kernel=fused is for the CPU: use kernel=auto, or trainer=cpu")
    if bf16 and not _load_native(kernel).has_bf16():
        log.warning("this processor has no bfloat16 products: parameter gradients stay in float32")
        bf16 = False
    made: Kernel = kernel(network, coords, bf16)
    return made


def _device(network: EnergyTerm) -> torch.device:
    return next(network.parameters()).device
