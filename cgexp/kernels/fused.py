"""What fused kernels share: calls of the C++ passes on threads, their buffers, and their place in autograd."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from cgexp.kernels.native_library import native_library

PAD = 16  # native/vector.h: widths of features are multiples of it
FORCES, SQUARED_ERROR, GIVEN_DIRECTION = 0, 1, 2  # enum Task of the C++ sources
ACTIVATION_NUMBERS: dict[type[nn.Module], int] = {
    nn.Tanh: 0, nn.SiLU: 1, nn.Softplus: 2, nn.GELU: 3, nn.ReLU: 4,
}  # fmt: skip
SUFFIXES = {torch.float32: "f32", torch.float64: "f64"}
MIN_FRAMES_A_THREAD = 2  # handing fewer to a second thread takes longer than doing them


@dataclass
class Result:
    """What one call found: energy [n_frames], forces, sum of weighted squared errors, gradient of each weight, range.

    distances: the smallest and the largest pair distance seen (where the kernel looks at them).
    """

    energy: Tensor
    forces: Tensor
    loss: float
    gradients: list[Tensor]
    distances: tuple[float, float]


class Passes:
    """The C++ passes of one kind of network (``native/<name>.cpp``).

    make_shape: (weights, frames a block) -> the C structure of sizes. Calls split the frames over as many threads as
    torch uses; gradients of the threads are added in order, so that a result depends on the number of threads only.
    """

    def __init__(self, name: str, make_shape: Callable[[Sequence[Tensor]], ctypes.Structure]) -> None:
        self.name, self.make_shape = name, make_shape
        self._library = native_library(name)
        self._memory: dict[str, Tensor] = {}

    def __call__(
        self,
        weights: Sequence[Tensor],
        coords: Tensor,
        task: int = FORCES,
        reference: Tensor | None = None,
        error_weights: Tensor | None = None,
        shape: ctypes.Structure | None = None,
    ) -> Result:
        """Run on coords [n_frames, n_beads, 3]; reference (F_ref, or lambda = dL/dF) and weights of the same shape.

        shape: the sizes that belong to the weights, where they are not those of now: a table may have been extended.
        """
        weights = [weight.detach().contiguous() for weight in weights]
        coords = coords.detach().contiguous()
        reference, error_weights = _plain(reference), _plain(error_weights)
        shape, pointers = shape or self.make_shape(weights), _pointers(weights)
        prepared = self._block("prepared", self._size("prepared_bytes", coords.dtype, shape))
        self._function("prepare", coords.dtype)(ctypes.byref(shape), pointers, _address(prepared))
        return self.run_prepared(weights, pointers, shape, prepared, coords, task, reference, error_weights)

    def run_prepared(
        self, weights: Sequence[Tensor], pointers: ctypes.Array[ctypes.c_void_p], shape: ctypes.Structure,
        prepared: Tensor, coords: Tensor,
        task: int, reference: Tensor | None, error_weights: Tensor | None,
    ) -> Result:  # fmt: skip
        """As ``__call__``, with weights that were packed before; all arrays contiguous."""
        _check(coords, int(shape.n_beads), weights[0])
        parts = _parts(len(coords), torch.get_num_threads())
        size = self._size("workspace_bytes", coords.dtype, shape, int(task != FORCES))
        workspaces = [self._block(f"workspace {k} {task != FORCES}", size) for k in range(len(parts))]
        n_gradient = sum(weight.numel() for weight in weights) if task != FORCES else 0
        gradient = coords.new_zeros(len(parts), n_gradient)
        energy, forces = coords.new_empty(len(coords)), torch.empty_like(coords)
        found = [(ctypes.c_double * 3)(0.0, float("inf"), 0.0) for _ in parts]
        run = self._function("run", coords.dtype)

        def work(k: int) -> None:
            run(
                ctypes.byref(shape), pointers, _address(prepared), _address(workspaces[k]), ctypes.c_int64(task),
                ctypes.c_int64(parts[k][0]), ctypes.c_int64(parts[k][1]), _address(coords), _address(reference),
                _address(error_weights), _address(energy), _address(forces), _address(gradient[k]), found[k],
            )  # fmt: skip

        _in_threads(work, len(parts))
        distances = min(part[1] for part in found), max(part[2] for part in found)
        total = gradient[0] if len(parts) == 1 else gradient.sum(0)
        pieces = total.split([weight.numel() for weight in weights]) if n_gradient else ()
        gradients = [piece.view_as(weight) for piece, weight in zip(pieces, weights, strict=False)]
        return Result(energy, forces, sum(part[0] for part in found), gradients, distances)

    def prepare(self, weights: Sequence[Tensor]) -> Callable[[Tensor], Result]:
        """Pack the weights once, for many calls that ask for energies and forces: coords -> Result."""
        weights = [weight.detach().contiguous().clone() for weight in weights]
        shape, pointers, dtype = self.make_shape(weights), _pointers(weights), weights[0].dtype
        prepared = torch.empty(self._size("prepared_bytes", dtype, shape) + 64, dtype=torch.uint8)
        self._function("prepare", dtype)(ctypes.byref(shape), pointers, _address(prepared))

        def evaluate(coords: Tensor) -> Result:
            return self.run_prepared(weights, pointers, shape, prepared, coords.contiguous(), FORCES, None, None)

        return evaluate

    def _function(self, name: str, dtype: torch.dtype) -> Any:
        return getattr(self._library, f"{self.name}_{name}_{SUFFIXES[dtype]}")

    def _size(self, name: str, dtype: torch.dtype, shape: ctypes.Structure, *arguments: int) -> int:
        function = self._function(name, dtype)
        function.restype = ctypes.c_int64
        return int(function(ctypes.byref(shape), *map(ctypes.c_int64, arguments)))

    def _block(self, name: str, size: int) -> Tensor:
        """Memory that is kept between calls; it grows where a call needs more."""
        if name not in self._memory or len(self._memory[name]) < size + 64:
            self._memory[name] = torch.empty(size + 64, dtype=torch.uint8)
        return self._memory[name]


class ForcesFunction(torch.autograd.Function):
    """Forces as a function of the weights. The backward pass runs the frames again: nothing of them is kept."""

    @staticmethod
    def forward(ctx: Any, passes: Passes, coords: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        shape = passes.make_shape(weights)
        result = passes(weights, coords, shape=shape)
        ctx.passes, ctx.shape = passes, shape
        ctx.save_for_backward(coords, *weights)
        distances = torch.tensor(result.distances, dtype=torch.float64)
        ctx.mark_non_differentiable(distances)
        return result.forces, distances

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, direction: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        coords, *weights = ctx.saved_tensors
        return None, None, *ctx.passes(weights, coords, GIVEN_DIRECTION, direction, shape=ctx.shape).gradients


class SquaredErrorFunction(torch.autograd.Function):
    """The sum of weighted squared force errors, whose gradient is found in the same pass; and the forces."""

    @staticmethod
    def forward(
        ctx: Any, passes: Passes, coords: Tensor, reference: Tensor, error_weights: Tensor, *weights: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        result = passes(weights, coords, SQUARED_ERROR, reference, error_weights)
        ctx.gradients = result.gradients
        distances = torch.tensor(result.distances, dtype=torch.float64)
        ctx.mark_non_differentiable(result.forces, distances)
        return coords.new_tensor(result.loss), result.forces, distances

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, factor: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None
        return None, None, None, None, *(gradient.mul_(factor) for gradient in gradients)


def padded(value: Tensor) -> Tensor:
    """The tensor with zeros added so that its last dimension, and of a weight both, are multiples of PAD."""
    missing = [-size % PAD for size in value.shape[-2:]]
    if not any(missing):
        return value
    return pad(value, [0, missing[-1]] if value.ndim == 1 else [0, missing[1], 0, missing[0]])


def padded_rows(value: Tensor) -> Tensor:
    """As ``padded``, in the last dimension only."""
    missing = -value.shape[-1] % PAD
    return pad(value, [0, missing]) if missing else value


def frames_a_block(n_beads: int) -> int:
    """So many frames that their node features fill the cache that is nearest to a core, and matrices are not thin."""
    return max(1, min(16, 160 // n_beads))


def _parts(n: int, n_threads: int) -> list[tuple[int, int]]:
    count = max(1, min(n_threads, n // MIN_FRAMES_A_THREAD))
    edges = [n * k // count for k in range(count + 1)]
    return list(pairwise(edges))


def _in_threads(work: Callable[[int], None], count: int) -> None:
    """Call work(0) ... work(count - 1) at the same time: ctypes lets go of Python's lock."""
    waiting = [_pool(count - 1).submit(work, k) for k in range(1, count)] if count > 1 else []
    work(0)
    for future in waiting:
        future.result()


@lru_cache(maxsize=None)
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="fused")


def _check(coords: Tensor, n_beads: int, weight: Tensor) -> None:
    """The passes read raw memory: what does not fit would be nonsense or worse."""
    fits = coords.ndim == 3 and coords.shape[1:] == (n_beads, 3)
    if not fits or coords.dtype != weight.dtype or coords.device.type != "cpu" or weight.device.type != "cpu":
        raise ValueError(
            f"coords {list(coords.shape)} of {coords.dtype} on {coords.device}: expected [n_frames, {n_beads}, 3] of "
            f"{weight.dtype} on the CPU"
        )


def _plain(value: Tensor | None) -> Tensor | None:
    return None if value is None else value.detach().contiguous()


def _pointers(weights: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(weights))(*[weight.data_ptr() for weight in weights])


def _address(value: Tensor | None) -> ctypes.c_void_p:
    """Where the numbers are; memory blocks of bytes are aligned to 64."""
    if value is None:
        return ctypes.c_void_p(None)
    start = value.data_ptr()
    return ctypes.c_void_p(-(-start // 64) * 64 if value.dtype == torch.uint8 else start)
