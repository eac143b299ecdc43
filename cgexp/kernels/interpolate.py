"""Reading many points of a table, and adding their gradients up at its knots."""

from __future__ import annotations

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
