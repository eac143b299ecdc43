"""Whether bfloat16 gradients pay on this machine: a step is timed with and without them, once, and the result told.

Products in bfloat16 are twice as fast where a processor has the units for them, but rounding to it takes time, too: on
some machines a step gets faster by a fifth, on others slower by a seventh (docs/speed.md).
"""

from __future__ import annotations

import copy
import logging
import time
from typing import Any

import torch
from torch import Tensor

from cgexp.energy import EnergyTerm
from cgexp.kernels.kernel import Kernel
from cgexp.kernels.native_library import digest
from cgexp.remembered import Numbers, remembered

N_FRAMES, ROUNDS = 128, 5
FULL, BFLOAT16 = "full", "bfloat16"
log = logging.getLogger(__name__)


def bfloat16_pays(kernel: Kernel, network: EnergyTerm, coords: Tensor) -> bool:
    """Whether training steps of a fused kernel that was made with bf16 are faster than without.

    coords: [n_frames, n_beads, n_dims], of which the first are tried. Measured once for a processor, a kernel, a
    network of these sizes and a number of threads, and read from the user's cache afterwards.
    """
    assert kernel.native is not None
    facts = {
        "kernel": digest(kernel.native),  # the processor is part of it
        "parameters": [list(parameter.shape) for parameter in network.parameters()],
        "n_beads": coords.shape[1],
        "n_threads": torch.get_num_threads(),
    }
    found = remembered("probes", facts, lambda: step_seconds(type(kernel), network, coords[:N_FRAMES]))
    pays = found[BFLOAT16] < found[FULL]
    tell = log.info if pays else log.warning
    tell(
        "bfloat16 gradients: a step of %d frames takes %.2f ms instead of %.2f ms on this machine%s",
        min(N_FRAMES, len(coords)), 1e3 * found[BFLOAT16], 1e3 * found[FULL],
        "" if pays else ": parameter gradients stay in float32",
    )  # fmt: skip
    return pays


def step_seconds(kind: Any, network: EnergyTerm, coords: Tensor) -> Numbers:
    """Seconds of a training step with and without bfloat16, the fastest of ROUNDS, taken in turns; of a copy."""
    tried = copy.deepcopy(network)
    kernels = {name: kind(tried, coords, name == BFLOAT16) for name in (FULL, BFLOAT16)}
    forces, weights = torch.zeros_like(coords), torch.ones_like(coords)
    seconds: dict[str, list[float]] = {name: [] for name in kernels}
    for _ in range(ROUNDS):
        for name, kernel in kernels.items():
            began = time.perf_counter()
            total, _ = kernel.squared_error(coords, forces, weights)
            total.backward()
            seconds[name].append(time.perf_counter() - began)
    return {name: min(times) for name, times in seconds.items()}
