"""Continuous-filter convolution over all pairs, derivatives of any order, and reading many points of a table.

Both operations are linear in each argument and each is the other's derivative,

    convolve(W, x)_i = sum over j of W_ij x_j,    cross(a, b)_ij = a_i b_j + a_j b_i,
    d convolve(W, x): dW = cross(g, x), dx = convolve(W, g),    d cross(a, b): da = convolve(g, b), db = convolve(g, a),

so that double backprop needs no third one. Filters are [n_pairs, n_frames, n_filters] with the pairs i < j ordered by
i, then j, and features [n_beads, n_frames, n_filters]: the pairs of bead i with all later beads lie side by side, and a
loop over beads touches each filter once, without gathering.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag


class Points(NamedTuple):
    """Where n points lie in a table of n_knots knots.

    rows: [n, 4] rows of the table that each point reads. order: [4 n] the points sorted by knot, four times over;
    starts: [4 (n_knots - 1)] where in it those between two knots begin, once for each of the four rows.
    """

    rows: Tensor
    order: Tensor
    starts: Tensor

    @classmethod
    def sorted_by_knot(cls, index: Tensor, n_knots: int) -> Points:
        """index: [n] knot below each point."""
        order = index.argsort(stable=True)
        each = torch.arange(4, device=index.device)
        # not bincount, which makes a GPU wait
        begins = torch.searchsorted(index[order], torch.arange(n_knots - 1, device=index.device))
        starts = begins + len(index) * each[:, None]
        return cls(2 * index[:, None] + each, order.repeat(4), starts.flatten())


def interpolate(table: Tensor, points: Points, weights: Tensor) -> Tensor:
    """Weighted sum of the four rows that each point reads: [n, n_columns].

    table: [2 n_knots, n_columns], value and slope by turns; weights: [n, 4]. Differentiable once, in the table.
    """
    found: Tensor = _Interpolate.apply(table, points, weights)
    return found


class _Interpolate(Function):
    """Both directions are sums over bags of rows. Points are summed in their sorted order, so that the gradient is the
    same every time; scattering them into the table would be slower, and on a GPU random in the last digits."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, points: Points, weights: Tensor) -> Tensor:
        ctx.points, ctx.n_knots = points, len(table) // 2
        ctx.save_for_backward(weights)
        return embedding_bag(points.rows, table, per_sample_weights=weights, mode="sum")

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (weights,) = ctx.saved_tensors
        points, n = ctx.points, len(weights)
        by_knot = weights[points.order[:n]].T.flatten()
        sums = embedding_bag(points.order, grad.contiguous(), points.starts, mode="sum", per_sample_weights=by_knot)
        lower, upper = sums.view(2, 2, ctx.n_knots - 1, -1)
        table = grad.new_zeros(ctx.n_knots, 2, grad.shape[1])
        table[:-1] += lower.transpose(0, 1)
        table[1:] += upper.transpose(0, 1)
        return table.flatten(0, 1), None, None


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
