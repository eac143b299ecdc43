"""The fused CPU kernel of CGnet: native/cgnet.cpp."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from cgexp.kernels.fused import ACTIVATION_NUMBERS, ForcesFunction, Passes, SquaredErrorFunction, padded
from cgexp.kernels.kernel import Kernel
from cgexp.models.cgnet import CGnet

FRAMES_A_BLOCK = 64  # more of them spread a weight gradient's traffic, fewer stay in cache: the fastest of 16 to 128


class Shape(ctypes.Structure):
    """struct Shape of native/cgnet.cpp."""

    _fields_ = [
        *[(name, ctypes.c_int64) for name in (
            "n_beads", "n_pairs", "n_triples", "n_quads", "n_inputs", "n_hidden", "n_layers", "activation", "bf16",
            "block_frames",
        )],
        *[(name, ctypes.c_void_p) for name in ("pairs", "triples", "quads")],
    ]  # fmt: skip


class FusedCGnet(Kernel):
    """Forces, loss and parameter gradient of a CGnet in one pass over blocks of frames that stay in cache.

    bf16: factors of the matrix products of the parameter gradient are rounded to bfloat16, while energies, forces and
    loss are not. The spectral bound of the weights is left to torch, once a step: the passes take bounded weights.
    """

    native: ClassVar[str] = "cgnet"
    graphable = False
    network: CGnet

    def __init__(self, network: CGnet, coords: Tensor | None = None, bf16: bool = False) -> None:
        super().__init__(network)
        self.bf16 = bf16
        self._passes = Passes(self.native, self._shape)

    def __call__(self, coords: Tensor) -> Tensor:
        with torch.enable_grad():
            forces, _ = ForcesFunction.apply(self._passes, coords, *self._weights())
        return forces  # type: ignore[no-any-return]

    def squared_error(self, coords: Tensor, reference: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        if not coords.shape == reference.shape == weights.shape:
            raise ValueError(
                f"coords {list(coords.shape)}, reference {list(reference.shape)} and weights {list(weights.shape)} "
                "differ in shape"
            )
        with torch.enable_grad():
            loss, forces, _ = SquaredErrorFunction.apply(self._passes, coords, reference, weights, *self._weights())
        return loss, forces

    def evaluator(self) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """coords -> energy [n_frames] and forces with the present weights, for simulation."""
        with torch.no_grad():
            evaluate = self._passes.prepare(self._weights())

        def energy_and_forces(coords: Tensor) -> tuple[Tensor, Tensor]:
            result = evaluate(coords)
            return result.energy, result.forces

        return energy_and_forces

    def _weights(self) -> list[Tensor]:
        """mean, std, then W, b of each layer, w; padded."""
        z_score, layers = self.network.z_score, [m for m in self.network.network if isinstance(m, nn.Linear)]
        weights = [padded(z_score.mean), padded(z_score.std)]
        for layer in layers[:-1]:
            weights += [padded(layer.weight), padded(layer.bias)]
        return [*weights, padded(layers[-1].weight[0])]

    def _shape(self, weights: Sequence[Tensor]) -> Shape:
        network = self.network
        lists = (network.pairs, network.triples, network.quads)
        return Shape(
            network.n_beads, *map(len, lists), len(weights[0]), len(weights[-1]), len(weights) // 2 - 1,
            ACTIVATION_NUMBERS[type(network.network[1])], int(self.bf16), FRAMES_A_BLOCK,
            *[beads.data_ptr() for beads in lists],
        )  # fmt: skip
