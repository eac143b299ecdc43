from __future__ import annotations

import torch

from cgexp.geometry import pair_list
from cgexp.kernels.convolve import Points, convolve, cross, interpolate

N_BEADS, N_FRAMES, N_FILTERS = 4, 2, 3


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def test_messages_and_products_are_the_sums_that_define_them() -> None:
    pairs = pair_list(N_BEADS)
    filters, features, other = random(6, 2, 3), random(4, 2, 3), random(4, 2, 3) + 1.0
    received = torch.zeros_like(features)
    for p, (i, j) in enumerate(pairs.tolist()):
        received[i] += filters[p] * features[j]
        received[j] += filters[p] * features[i]
    torch.testing.assert_close(convolve(filters, features), received)
    i, j = pairs.T
    torch.testing.assert_close(cross(features, other), features[i] * other[j] + features[j] * other[i])


def test_derivatives_of_first_and_second_order() -> None:
    filters = random(6, 2, 3).requires_grad_()
    features, other = random(4, 2, 3).requires_grad_(), (random(4, 2, 3) + 1.0).requires_grad_()
    for function, inputs in ((convolve, (filters, features)), (cross, (features, other))):
        assert torch.autograd.gradcheck(function, inputs)
        assert torch.autograd.gradgradcheck(function, inputs)


def test_one_row_for_all_frames_is_expanded() -> None:
    filters, row = random(6, 2, 3), random(4, 1, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda row: convolve(filters, row.expand(-1, 2, -1)), (row,))


def test_reading_a_table_and_its_gradient() -> None:
    table = random(10, 3).requires_grad_()
    index = torch.tensor([3, 0, 0, 2, 3, 0])
    weights = random(6, 4)
    points = Points.sorted_by_knot(index, n_knots=5)
    expected = torch.stack([weight @ table[2 * k : 2 * k + 4] for k, weight in zip(index, weights, strict=True)])
    torch.testing.assert_close(interpolate(table, points, weights), expected)
    assert torch.autograd.gradcheck(lambda table: interpolate(table, points, weights), (table,))
