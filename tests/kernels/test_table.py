from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from cgexp.errors import InputError
from cgexp.kernels.choose import make_kernel
from cgexp.kernels.kernel import Kernel
from cgexp.kernels.table import TableKernel
from cgexp.models.cgnet import CGnet
from cgexp.testing.finite_difference import finite_difference_forces, relative_error
from tests.kernels.networks import BOTH_BASES, chains, loss_and_gradients, small_network, train

TOLERANCE = 2e-5  # float64, default knots


def assert_agrees(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert relative_error(found[name], values) <= tolerance, name


@pytest.mark.parametrize("n_steps", [0, 100])
@pytest.mark.parametrize("changes", BOTH_BASES, ids=str)
def test_forces_loss_and_gradients_are_the_references(changes: dict[str, Any], n_steps: int) -> None:
    coords, forces = chains()
    network = train(small_network(**changes), n_steps)
    kernel = TableKernel(network, coords)
    expected = loss_and_gradients(Kernel(network), coords, forces)
    found = loss_and_gradients(kernel, coords, forces)
    assert_agrees(found, expected, TOLERANCE)
    energies = network.energy(coords).detach()
    assert relative_error(kernel.energy(coords), energies) <= TOLERANCE


@pytest.mark.parametrize("n_steps", [0, 100])
def test_in_float32_the_error_is_that_of_rounding(n_steps: int) -> None:
    coords, forces = chains()
    network = train(small_network(), n_steps)
    expected = loss_and_gradients(Kernel(network), coords, forces)
    coords, forces = coords.float(), forces.float()
    found = loss_and_gradients(TableKernel(network.float(), coords), coords, forces)
    assert found["forces"].dtype == torch.float32
    assert_agrees({name: value.double() for name, value in found.items()}, expected, 2e-3)
    assert relative_error(found["forces"].double(), expected["forces"]) <= 3e-4


def test_forces_are_the_gradient_of_the_interpolated_energy() -> None:
    coords, _ = chains(4)
    network = small_network()
    kernel = TableKernel(network, coords)
    kernel.table = type(kernel.table)(network, 2.0, 15.0, 0.5)  # so coarse that it is another energy
    exact = Kernel(network)(coords).detach()
    found = kernel(coords).detach()
    assert relative_error(found, exact) > 1e-3
    assert relative_error(found, finite_difference_forces(kernel, coords)) < 1e-7


def test_it_follows_coordinates_that_leave_its_range() -> None:
    coords, _ = chains()
    network = small_network(cutoff=40.0)
    kernel = TableKernel(network, coords)
    low, high = kernel.table.low, kernel.table.high
    for scale in (0.7, 1.3, 1.31):
        expected = Kernel(network)(scale * coords).detach()
        assert relative_error(kernel(scale * coords).detach(), expected) <= TOLERANCE
    assert kernel.table.low < low < high < kernel.table.high


def test_coordinates_that_are_not_finite_give_forces_that_are_not() -> None:
    coords, _ = chains(3)
    kernel = TableKernel(small_network(), coords)
    coords[1, 2, 0] = torch.nan
    forces = kernel(coords)
    assert bool(forces[1].isnan().any())
    assert bool(forces[[0, 2]].isfinite().all())


def test_frozen_filters_leave_the_other_gradients() -> None:
    coords, forces = chains()
    network = small_network()
    for block in network.blocks:
        block.filter.requires_grad_(False)
    expected = loss_and_gradients(Kernel(network), coords, forces)
    assert_agrees(loss_and_gradients(TableKernel(network, coords), coords, forces), expected, TOLERANCE)


def test_a_trained_basis_is_followed_whatever_was_evaluated_without_a_graph() -> None:
    coords, forces = chains()
    network = small_network(trainable_rbf=True)
    kernel = TableKernel(network, coords)
    kernel.energy(coords)
    with torch.no_grad():
        network.basis.centers.add_(0.01)
    expected = loss_and_gradients(Kernel(network), coords, forces)
    assert_agrees(loss_and_gradients(kernel, coords, forces), expected, TOLERANCE)


def test_two_beads_and_one_frame() -> None:
    coords, forces = chains(1, 2)
    network = small_network(2)
    expected = loss_and_gradients(Kernel(network), coords, forces)
    assert_agrees(loss_and_gradients(TableKernel(network), coords, forces), expected, TOLERANCE)


def test_the_gradient_is_the_same_every_time() -> None:
    coords, forces = chains()
    kernel = TableKernel(small_network(), coords)
    first, second = (loss_and_gradients(kernel, coords, forces) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_network_too_sharp_for_the_knots_is_said() -> None:
    network = small_network()
    with torch.no_grad():
        for block in network.blocks:
            block.filter[0].weight.mul_(50.0)
    with pytest.warns(UserWarning, match="tabulated filters have a relative error of"):
        TableKernel(network)


def test_a_slope_that_jumps_is_said_and_energies_are_still_close() -> None:
    coords, _ = chains()
    network = small_network(activation="relu")
    with pytest.warns(UserWarning, match="tabulated filters"):
        kernel = TableKernel(network, coords)
    assert relative_error(kernel.energy(coords), network.energy(coords).detach()) < 1e-3


def test_another_network_is_refused_with_what_to_use() -> None:
    with pytest.raises(InputError, match="kernel=table does not serve the model CGnet: use kernel=auto"):
        make_kernel("table", CGnet(5, width=8, depth=1))
