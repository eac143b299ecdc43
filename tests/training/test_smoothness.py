"""Smoothness: the penalty checks, and its exact value for a linear force."""

from __future__ import annotations

import pytest
import torch

from cgexp.testing.loss_checks import PenaltyChecks
from cgexp.training.losses import Batch, random_directions
from cgexp.training.smoothness import Smoothness


class TestSmoothness(PenaltyChecks):
    def make_penalty(self) -> Smoothness:
        return Smoothness(weight=1.0, length=0.2)


def batch_of(n_frames: int, n_beads: int, n_dims: int) -> Batch:
    generator = torch.Generator().manual_seed(1)
    coords = torch.randn(n_frames, n_beads, n_dims, generator=generator, dtype=torch.float64)
    return Batch(coords, torch.zeros_like(coords), torch.ones(n_frames, dtype=torch.float64))


@pytest.mark.parametrize("length", [1e-3, 0.1, 5.0])
def test_a_linear_force_costs_its_matrix_along_the_direction(length: float) -> None:
    batch = batch_of(7, 2, 3)
    matrix = torch.randn(6, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def forces(coords: torch.Tensor) -> torch.Tensor:
        return (coords.flatten(1) @ matrix.T).view_as(coords)

    values = Smoothness(length=length).penalty(forces, batch, torch.Generator().manual_seed(3))
    (u,) = random_directions(batch.coords, 1, torch.Generator().manual_seed(3))
    torch.testing.assert_close(values, (u.flatten(1) @ matrix.T).square().sum(1))


def test_its_mean_is_the_trace_of_the_squared_hessian_over_the_number_of_coordinates() -> None:
    batch = batch_of(20000, 1, 2)
    stiffness = torch.tensor([1.0, 3.0], dtype=torch.float64)
    mean = Smoothness(weight=1.0)(lambda coords: -stiffness * coords, batch, torch.Generator().manual_seed(0))
    assert mean.item() == pytest.approx((1.0 + 9.0) / 2, rel=0.02)


def test_directions_are_orthonormal_cover_the_sphere_and_do_not_depend_on_the_precision() -> None:
    coords = batch_of(20000, 1, 3).coords
    directions = random_directions(coords, 2, torch.Generator().manual_seed(0)).flatten(2)
    products = torch.einsum("ifc,jfc->fij", directions, directions)
    torch.testing.assert_close(products, torch.eye(2, dtype=torch.float64).expand_as(products))
    for each in directions:
        torch.testing.assert_close(each.mean(0), torch.zeros(3, dtype=torch.float64), rtol=0.0, atol=0.02)
        torch.testing.assert_close(each.T @ each / len(each), torch.eye(3).double() / 3, rtol=0.0, atol=0.02)
    single = random_directions(coords.float(), 2, torch.Generator().manual_seed(0)).flatten(2)
    assert torch.equal(single, directions.float())
    with pytest.raises(ValueError, match="2 orthonormal directions asked for in 1 coordinates"):
        random_directions(coords[:, :, :1], 2, torch.Generator())
