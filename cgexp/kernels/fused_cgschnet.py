"""The fused CPU kernel of CGSchNet: native/cgschnet.cpp with the filter from a table."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from cgexp.kernels.filter_table import FilterTable, warn_if_coarse
from cgexp.kernels.fused import (
    ACTIVATION_NUMBERS,
    ForcesFunction,
    Passes,
    SquaredErrorFunction,
    frames_a_block,
    padded,
    padded_rows,
)
from cgexp.kernels.kernel import Kernel
from cgexp.models.cgschnet import CGSchNet, Interaction


class Shape(ctypes.Structure):
    """struct Shape of native/cgschnet.cpp."""

    _fields_ = [
        *[(name, ctypes.c_int64) for name in (
            "n_beads", "n_blocks", "n_features", "n_filters", "n_hidden", "n_half", "n_knots", "activation", "bf16",
            "block_frames", "near",
        )],
        *[(name, ctypes.c_double) for name in ("start", "spacing", "decay", "even", "end", "cutoff")],
    ]  # fmt: skip


NEAR_FROM = 24  # beads


def visits_near_pairs(n_beads: int) -> bool:
    """Whether the fused kernel finds the pairs within the cutoff, and does not visit all and keep their filters.

    Measured (docs/speed.md): with few beads filters stay in cache and keeping them is as fast. From some 20 beads on
    reading them again is faster even with every pair within the cutoff, and the more so the fewer there are.
    """
    return n_beads >= NEAR_FROM


class FusedCGSchNet(Kernel):
    """Forces, loss and parameter gradient of a CGSchNet in one pass over blocks of frames that stay in cache.

    coords: those it will train on, which set the range of the table; distances outside extend it. bf16: factors of the
    matrix products of the parameter gradient are rounded to bfloat16, while energies, forces and loss are not. near:
    whether only pairs within the cutoff are visited; None: see ``visits_near_pairs``. The numbers are the same.
    """

    native: ClassVar[str] = "cgschnet"
    graphable = False
    network: CGSchNet

    def __init__(
        self, network: CGSchNet, coords: Tensor | None = None, bf16: bool = False, near: bool | None = None
    ) -> None:
        super().__init__(network)
        self.bf16, self.near = bf16, visits_near_pairs(network.n_beads) if near is None else near
        self.table = FilterTable.for_coords(network, coords)
        warn_if_coarse(network, self.table)
        self._passes = Passes(self.native, self._shape)

    def __call__(self, coords: Tensor) -> Tensor:
        with torch.enable_grad():
            while True:
                forces, distances = ForcesFunction.apply(self._passes, coords, *self._weights())
                if self._covers(distances):
                    return forces  # type: ignore[no-any-return]

    def squared_error(self, coords: Tensor, reference: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        if not coords.shape == reference.shape == weights.shape:
            raise ValueError(
                f"coords {list(coords.shape)}, reference {list(reference.shape)} and weights {list(weights.shape)} "
                "differ in shape"
            )
        with torch.enable_grad():
            while True:
                loss, forces, distances = SquaredErrorFunction.apply(
                    self._passes, coords, reference, weights, *self._weights()
                )
                if self._covers(distances):
                    return loss, forces

    def evaluator(self) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """coords -> energy [n_frames] and forces with the present weights, for simulation."""
        with torch.no_grad():
            evaluate = [self._passes.prepare(self._weights())]

        def energy_and_forces(coords: Tensor) -> tuple[Tensor, Tensor]:
            result = evaluate[0](coords)
            if not self.table.covers(*result.distances):
                self.table = self.table.extended(*result.distances)
                with torch.no_grad():
                    evaluate[0] = self._passes.prepare(self._weights())
                return energy_and_forces(coords)
            return result.energy, result.forces

        return energy_and_forces

    def _covers(self, distances: Tensor) -> bool:
        low, high = distances.tolist()
        if self.table.covers(low, high):
            return True
        self.table = self.table.extended(low, high)
        self.check()
        return False

    def check(self) -> None:
        warn_if_coarse(self.network, self.table)

    def _weights(self) -> list[Tensor]:
        """x0, y0, table, then W1 (not of block 0), W2, b2, W3, b3 of each block, A1, a1, A2, a2, a3; padded."""
        network = self.network
        blocks = [cast(Interaction, block) for block in network.blocks]
        embedded = network.embedding(network.bead_types)
        per_bead = [embedded, blocks[0].project(embedded), self.table.tables()]
        dense: list[Tensor] = []
        for t, block in enumerate(blocks):
            dense += [block.project.weight] if t else []
            dense += [*_linear(block.update[0]), *_linear(block.update[2])]
        dense += [*_linear(network.readout[0]), *_linear(network.readout[2]), *_linear(network.readout[4])]
        return [*map(padded_rows, per_bead), *map(padded, dense)]

    def _shape(self, weights: Sequence[Tensor]) -> Shape:
        network, table = self.network, self.table
        return Shape(
            network.n_beads, len(network.blocks), weights[0].shape[1], weights[1].shape[1], weights[-5].shape[0],
            weights[-3].shape[0], table.n_knots, ACTIVATION_NUMBERS[type(network.readout[1])], int(self.bf16),
            frames_a_block(network.n_beads), int(self.near), table.start, table.spacing, table.grid.decay,
            table.grid.even, table.high, network.cutoff,
        )  # fmt: skip


def _linear(layer: nn.Module) -> list[Tensor]:
    """Weight and bias; of the last layer, which has one output and no bias, the one row."""
    assert isinstance(layer, nn.Linear)
    return [layer.weight[0]] if layer.bias is None else [layer.weight, layer.bias]
