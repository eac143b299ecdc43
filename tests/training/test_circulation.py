"""Circulation: the penalty checks, exact values for linear forces, and none for conservative ones."""

from __future__ import annotations

import pytest
import torch

from cgexp.errors import InputError
from cgexp.kernels.choose import make_kernel
from cgexp.models.toy_mlp import ToyMLP
from cgexp.systems.base import system_of
from cgexp.testing.configurations import toy_frames
from cgexp.testing.loss_checks import PenaltyChecks
from cgexp.training.circulation import Circulation
from cgexp.training.losses import Batch, random_directions


class TestCirculation(PenaltyChecks):
    def make_penalty(self) -> Circulation:
        return Circulation(weight=1.0, side=0.2)


def batch_of(n_frames: int, n_beads: int, n_dims: int) -> Batch:
    generator = torch.Generator().manual_seed(1)
    coords = torch.randn(n_frames, n_beads, n_dims, generator=generator, dtype=torch.float64)
    return Batch(coords, torch.zeros_like(coords), torch.ones(n_frames, dtype=torch.float64))


def values_of(matrix: torch.Tensor, batch: Batch, side: float) -> torch.Tensor:
    """Circulation of F = A x, frame by frame."""

    def forces(coords: torch.Tensor) -> torch.Tensor:
        return (coords.flatten(1) @ matrix.T).view_as(coords)

    return Circulation(side=side).penalty(forces, batch, torch.Generator().manual_seed(3))


@pytest.mark.parametrize("side", [1e-2, 0.1, 5.0])
def test_a_linear_force_costs_its_antisymmetric_part(side: float) -> None:
    batch = batch_of(7, 2, 3)
    matrix = torch.randn(6, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    u, v = random_directions(batch.coords, 2, torch.Generator().manual_seed(3)).flatten(2)
    curl = torch.einsum("fi,ij,fj->f", u, matrix.T - matrix, v)
    torch.testing.assert_close(values_of(matrix, batch, side), curl**2)
    symmetric = values_of(matrix + matrix.T, batch, side)
    torch.testing.assert_close(symmetric, torch.zeros_like(symmetric), rtol=0.0, atol=1e-18)


def test_in_two_dimensions_it_is_the_square_of_the_curl() -> None:
    rotation = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)  # curl 2 everywhere
    values = values_of(rotation, batch_of(5, 1, 2), 0.3)
    torch.testing.assert_close(values, torch.full_like(values, 4.0))


def test_the_force_of_an_energy_of_fourth_order_costs_nothing() -> None:
    batch = batch_of(5, 1, 2)
    values = Circulation(side=1.0).penalty(
        # U = x^3 y + x^2 y^2
        lambda r: -torch.stack([3 * r[..., 0] ** 2 * r[..., 1] + 2 * r[..., 0] * r[..., 1] ** 2,
                                r[..., 0] ** 3 + 2 * r[..., 0] ** 2 * r[..., 1]], dim=-1),
        batch, torch.Generator().manual_seed(0),
    )  # fmt: skip
    torch.testing.assert_close(values, torch.zeros_like(values), rtol=0.0, atol=1e-24)


def test_a_conservative_network_pays_next_to_nothing() -> None:
    torch.manual_seed(0)
    network, frames = ToyMLP(1, 2, width=16).double(), toy_frames(50, 2)
    network.fit(frames, system_of(frames))
    coords = torch.tensor(frames.coords, dtype=torch.float64)
    batch = Batch(coords, torch.zeros_like(coords), torch.ones(50, dtype=torch.float64))
    penalty = Circulation()(make_kernel("reference", network), batch, torch.Generator().manual_seed(0))
    assert float(penalty.detach()) < 1e-12


def test_one_coordinate_has_no_loop() -> None:
    with pytest.raises(InputError, match="1 bead in 1 dimension, where every force is conservative"):
        Circulation()(lambda coords: coords, batch_of(5, 1, 1), torch.Generator())
