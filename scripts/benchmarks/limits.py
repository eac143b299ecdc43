"""What the machine can do: the least arithmetic of a step, and the rates of matrix products and of memory."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from cgexp.kernels.native_library import NoNativeKernel, native_library

N_KNOTS = 600  # of a tabulated filter
GEMM_SHAPES = ((1024, 128, 128), (1024, 1024, 1024))  # (m, n, k): a layer on a block of frames, and a large product
COPY_BYTES = 64 * 2**20
FLOAT = 4  # bytes of a number
COPY, PEAK = "copy", "multiply-adds"


@dataclass(frozen=True)
class Work:
    """Floating-point operations and bytes from and to main memory."""

    flop: float
    bytes: float


@dataclass(frozen=True)
class Rates:
    """Measured: floating-point operations per second of all threads together, bytes per second.

    flop is that of torch's matrix products, peak that of multiply-adds in registers (None: not measured).
    """

    flop: float
    bytes: float
    peak: float | None = None

    def seconds(self, work: Work) -> float:
        """The shortest time for the work: arithmetic and memory traffic may overlap."""
        return max(work.flop / self.flop, work.bytes / self.bytes)


def schnet_training(n_beads: int, batch: int, network: Mapping[str, Any], n_parameters: int = 0) -> Work:
    """The least work of a force-matching step of CGSchNet, in the tabulated form; near 10 GF at 512 x 10.

    A layer on the beads is multiplied six times: forward; force adjoint (dE/dx); tangent of the forward pass in the
    direction of the force error; second adjoint; and two outer products that make the gradient of its weights.
    """
    products = products_on_beads(n_beads, batch, network)
    # A convolution is its own adjoint, so it is done in each of the four passes.
    convolutions = 4.0 * _convolutions(n_beads, batch, network)
    # Traffic: Adam reads parameter, gradient and two moments and writes three of them; frames are read once.
    traffic = 7.0 * FLOAT * n_parameters + 2.0 * FLOAT * 3 * n_beads * batch
    return Work(products + convolutions + _knots_training(network), traffic)


def products_on_beads(n_beads: int, batch: int, network: Mapping[str, Any]) -> float:
    """Operations of a training step in the six products of each layer on the beads."""
    return 6.0 * _node_layers(n_beads, batch, network)


def schnet_simulation(n_beads: int, n_replicas: int, network: Mapping[str, Any], n_parameters: int = 0) -> Work:
    """Forward pass and force adjoint; the table of the filter is made once."""
    flop = 2.0 * (_node_layers(n_beads, n_replicas, network) + _convolutions(n_beads, n_replicas, network))
    return Work(flop, FLOAT * n_parameters + 6.0 * FLOAT * 3 * n_beads * n_replicas)


def cgnet_training(n_features: int, width: int, depth: int, batch: int, n_parameters: int = 0) -> Work:
    """Six products a layer, as above; the features of a chain are left out."""
    multiplies = n_features * width + (depth - 1) * width * width + width
    return Work(6.0 * 2.0 * batch * multiplies, 7.0 * FLOAT * n_parameters)


def _node_layers(n_beads: int, batch: int, network: Mapping[str, Any]) -> float:
    """Operations of one pass through all layers that act on beads."""
    features, filters, blocks = network["n_features"], network["n_filters"], network["n_blocks"]
    project, update = features * filters, filters * features + features * features
    # The first layer of block 0 sees the embedding alone: constant for each bead type, hence free.
    block_layers = blocks * (project + update) - project
    half = max(features // 2, 1)
    readout = features * features + features * half + half
    return 2.0 * n_beads * batch * (block_layers + readout)


def _convolutions(n_beads: int, batch: int, network: Mapping[str, Any]) -> float:
    """Operations of one pass: filter times feature, added up, for both beads of each pair and each filter.

    Interpolation of the table, activations and geometry are left out: they are no products of matrices, and a lower
    bound may leave work out.
    """
    n_pairs = n_beads * (n_beads - 1) / 2
    return 4.0 * n_pairs * batch * network["n_filters"] * network["n_blocks"]


def _knots_training(network: Mapping[str, Any]) -> float:
    """The filter network on the knots: value and slope, and their gradients. No gradient goes to the radial basis."""
    first, second = network["n_rbf"] * network["n_filters"], network["n_filters"] ** 2
    # value, slope, and the weights' gradient from each; the second layer hands both gradients down as well
    return 2.0 * N_KNOTS * network["n_blocks"] * (4 * first + 6 * second)


class Product:
    """A matrix product [m, k] x [k, n], repeated to take a few milliseconds; on a CPU it runs on one core."""

    def __init__(self, shape: tuple[int, int, int], threads: int, device: str) -> None:
        m, n, k = shape
        self.a, self.b, self.out = (torch.ones(size, device=device) for size in ((m, k), (k, n), (m, n)))
        self.repeats = max(1, round(3e8 / (2 * m * n * k)))
        self.flop = 2.0 * m * n * k * self.repeats
        self.threads = threads

    def __call__(self) -> None:
        torch.set_num_threads(1)
        for _ in range(self.repeats):
            torch.mm(self.a, self.b, out=self.out)
        torch.set_num_threads(self.threads)


class MultiplyAdds:
    """Fused multiply-adds in the registers of one CPU core, a few milliseconds of them: what no product can beat."""

    def __init__(self) -> None:
        self._run = native_library("peak").peak_f32
        self._run.restype = ctypes.c_double
        self.flop = self()

    def __call__(self) -> float:
        """Run, and return the floating-point operations done."""
        out = ctypes.c_float()
        return float(self._run(ctypes.c_int64(800_000), ctypes.c_float(0.5), ctypes.byref(out)))


class Limits:
    """Matrix products, a copy of memory, and on a CPU with a compiler multiply-adds in registers, to be timed among the
    kernels: ``steps``, then ``rates`` of their times."""

    def __init__(self, threads: int, device: str) -> None:
        self.products = {
            f"sgemm {'x'.join(str(size) for size in shape)}": Product(shape, threads, device) for shape in GEMM_SHAPES
        }
        self.peak: MultiplyAdds | None = None
        if device == "cpu":
            with contextlib.suppress(NoNativeKernel):
                self.peak = MultiplyAdds()
        self.cores = threads if device == "cpu" else 1
        source = torch.ones(COPY_BYTES // FLOAT, device=device)
        target = torch.empty_like(source)
        self.steps: dict[str, Callable[[], object]] = {**self.products, COPY: lambda: target.copy_(source)}
        if self.peak is not None:
            self.steps[PEAK] = self.peak

    def rates(self, seconds: Mapping[str, list[float]]) -> Rates:
        """The best shape's rate times the number of cores, from the fastest round of one case.

        Not from the median: a round that another process disturbed tells nothing about what the machine can do.
        """
        flop = max(product.flop / min(seconds[name]) for name, product in self.products.items())
        peak = None if self.peak is None else self.peak.flop / min(seconds[PEAK]) * self.cores
        return Rates(flop * self.cores, 2.0 * COPY_BYTES / min(seconds[COPY]), peak)
