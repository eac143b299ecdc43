"""Continuous-filter convolution over all pairs, and its derivatives of any order.

Both operations are linear in each argument and each is the other's derivative,

    convolve(W, x)_i = sum over j of W_ij x_j,    cross(a, b)_ij = a_i b_j + a_j b_i,
    d convolve(W, x): dW = cross(g, x), dx = convolve(W, g),    d cross(a, b): da = convolve(g, b), db = convolve(g, a),

so that double backprop needs no third one. Filters are [n_pairs, n_frames, n_filters] with the pairs i < j ordered by
i, then j, and features [n_beads, n_frames, n_filters]: the pairs of bead i with all later beads lie side by side, and a
loop over beads touches each filter once, without gathering.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


def convolve(filters: Tensor, features: Tensor) -> Tensor:
    """Messages that each bead receives from all others: [n_beads, n_frames, n_filters]."""
    received: Tensor = _Convolve.apply(filters, features)
    return received


def cross(a: Tensor, b: Tensor) -> Tensor:
    """a_i b_j + a_j b_i of each pair: two of [n_beads, n_frames, n_filters] -> [n_pairs, n_frames, n_filters]."""
    products: Tensor = _Cross.apply(a, b)
    return products


class _Convolve(Function):
    @staticmethod
    def forward(ctx: Any, filters: Tensor, features: Tensor) -> Tensor:
        ctx.save_for_backward(filters, features)
        received = torch.zeros_like(features, memory_format=torch.contiguous_format)
        for i, pairs in _pairs_of_bead(len(features)):
            received[i + 1 :].addcmul_(filters[pairs], features[i])
            received[i] += (filters[pairs] * features[i + 1 :]).sum(0)
        return received

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        filters, features = ctx.saved_tensors
        return (
            cross(grad, features) if ctx.needs_input_grad[0] else None,
            convolve(filters, grad) if ctx.needs_input_grad[1] else None,
        )


class _Cross(Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        n_beads = len(a)
        products = a.new_empty(n_beads * (n_beads - 1) // 2, *a.shape[1:])
        for i, pairs in _pairs_of_bead(n_beads):
            torch.mul(a[i + 1 :], b[i], out=products[pairs])
            products[pairs].addcmul_(b[i + 1 :], a[i])
        return products

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        return (
            convolve(grad, b) if ctx.needs_input_grad[0] else None,
            convolve(grad, a) if ctx.needs_input_grad[1] else None,
        )


def _pairs_of_bead(n_beads: int) -> Iterator[tuple[int, slice]]:
    """Each bead but the last, and where its pairs with later beads lie."""
    start = 0
    for i in range(n_beads - 1):
        stop = start + n_beads - 1 - i
        yield i, slice(start, stop)
        start = stop
