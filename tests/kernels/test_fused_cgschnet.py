"""The fused kernel equals the table kernel in plain torch, of which it is the fast twin."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cgexp.kernels.fused import frames_a_block
from cgexp.kernels.fused_cgschnet import FusedCGSchNet
from cgexp.kernels.kernel import Kernel
from cgexp.kernels.native_library import native_library
from cgexp.kernels.table import TableKernel
from cgexp.models.cgschnet import CGSchNet
from cgexp.testing.configurations import random_chains
from cgexp.testing.finite_difference import relative_error

EXACT = 1e-10  # float64, relative
COARSE = 5e-3  # bfloat16 in the gradient's products, norm of the difference over the norm
SIZES = ((10, 3, 32, 32), (2, 1, 16, 16), (7, 2, 24, 40), (13, 2, 16, 48))


def make_network(
    n_beads: int = 10, n_blocks: int = 2, n_features: int = 32, n_filters: int = 32, activation: str = "tanh"
) -> CGSchNet:
    torch.manual_seed(0)
    network = CGSchNet(
        n_beads, n_blocks=n_blocks, n_features=n_features, n_filters=n_filters, n_rbf=8, activation=activation
    )  # type: ignore[arg-type]
    network.bead_types.copy_(torch.arange(n_beads) % 3)
    return network.double()


def make_batch(n_frames: int = 37, n_beads: int = 10) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates, reference forces and weights of the squared error."""
    generator = torch.Generator().manual_seed(3)
    coords = random_chains(n_frames, n_beads)
    reference = torch.randn(coords.shape, generator=generator, dtype=coords.dtype)
    return coords, reference, torch.rand(coords.shape, generator=generator, dtype=coords.dtype)


def step(kernel: Kernel, batch: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, forces and the gradient of all parameters."""
    kernel.network.zero_grad()
    loss, forces = kernel.squared_error(*batch)
    loss.backward()
    return loss.detach(), forces, gradient_of(kernel)


def gradient_of(kernel: Kernel) -> Tensor:
    return torch.cat(
        [parameter.grad.flatten() for parameter in kernel.network.parameters() if parameter.grad is not None]
    )


def assert_equal(found: tuple[Tensor, ...], expected: tuple[Tensor, ...], tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        assert relative_error(one, other) <= tolerance


@pytest.mark.parametrize(("n_beads", "n_blocks", "n_features", "n_filters"), SIZES)
def test_forces_loss_and_gradients_of_every_size(n_beads: int, n_blocks: int, n_features: int, n_filters: int) -> None:
    network, batch = make_network(n_beads, n_blocks, n_features, n_filters), make_batch(n_beads=n_beads)
    fused, table = FusedCGSchNet(network, batch[0]), TableKernel(network, batch[0])
    assert_equal(step(fused, batch), step(table, batch), EXACT)


@pytest.mark.parametrize("activation", ["silu", "softplus", "gelu", "relu"])
@pytest.mark.filterwarnings("ignore:activation 'relu'", "ignore:tabulated filters")
def test_every_activation(activation: str) -> None:
    network, batch = make_network(activation=activation), make_batch()
    assert_equal(step(FusedCGSchNet(network, batch[0]), batch), step(TableKernel(network, batch[0]), batch), EXACT)


def test_a_loss_that_is_no_sum_of_squares_goes_through_autograd() -> None:
    network, (coords, reference, _) = make_network(), make_batch()
    found = []
    for kernel in (FusedCGSchNet(network, coords), TableKernel(network, coords)):
        network.zero_grad()
        forces = kernel(coords)
        (forces - reference).abs().mean().backward()
        found.append((forces.detach(), gradient_of(kernel)))
    assert_equal(found[0], found[1], EXACT)


def test_within_the_tables_tolerance_of_the_reference() -> None:
    network, batch = make_network(n_features=48), make_batch()
    assert_equal(step(FusedCGSchNet(network, batch[0]), batch), step(Kernel(network), batch), 2e-5)


def test_float32() -> None:
    network, batch = make_network().float(), make_batch()
    single = tuple(value.float() for value in batch)
    found = step(FusedCGSchNet(network, single[0]), single)
    expected = step(FusedCGSchNet(network.double(), batch[0]), batch)
    assert_equal(found, expected, 3e-4)


def test_bfloat16_touches_only_the_parameter_gradient() -> None:
    if not native_library("cgschnet").has_bf16():
        pytest.skip("this processor has no bfloat16 products")
    network, batch = make_network().float(), tuple(value.float() for value in make_batch())
    full, coarse = (FusedCGSchNet(network, batch[0], bf16=bf16) for bf16 in (False, True))
    expected, found = step(full, batch), step(coarse, batch)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])
    assert 0.0 < float((found[2] - expected[2]).norm() / expected[2].norm()) <= COARSE


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_threads_change_nothing_but_the_order_of_a_sum(n_threads: int) -> None:
    network, batch = make_network(), make_batch()
    kernel, before = FusedCGSchNet(network, batch[0]), torch.get_num_threads()
    expected = step(kernel, batch)
    try:
        torch.set_num_threads(n_threads)
        first, second = step(kernel, batch), step(kernel, batch)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert_equal(first, expected, 1e-12)


def test_energies_and_forces_for_simulation() -> None:
    network, (coords, _, _) = make_network(), make_batch()
    energy, forces = FusedCGSchNet(network, coords).evaluator()(coords)
    expected = network.energy(coords).detach()
    assert relative_error(energy - energy.mean(), expected - expected.mean()) <= 2e-5
    assert relative_error(forces, Kernel(network)(coords).detach()) <= 2e-5


def test_distances_outside_the_table_extend_it() -> None:
    network, batch = make_network(), make_batch()
    kernel = FusedCGSchNet(network, batch[0])
    evaluate, far = kernel.evaluator(), 1.4 * batch[0]
    expected = Kernel(network)(far).detach()
    assert relative_error(kernel(far).detach(), expected) <= 2e-5
    assert relative_error(evaluate(0.8 * batch[0])[1], Kernel(network)(0.8 * batch[0]).detach()) <= 2e-5


def test_a_coordinate_that_is_not_a_number_spoils_its_frame_only() -> None:
    network, (coords, _, _) = make_network(), make_batch()
    kernel = FusedCGSchNet(network, coords)
    expected = kernel(coords).detach()
    coords[5, 3, 1] = torch.nan
    found = kernel(coords).detach()
    assert torch.isnan(found[5]).any()
    others = [k for k in range(len(coords)) if k != 5]
    assert torch.equal(found[others], expected[others])


def test_beads_far_beyond_the_cutoff_feel_nothing() -> None:
    network, (coords, _, _) = make_network(), make_batch(4)
    coords = coords.clone()
    coords[:, -1] += 1e6
    energy, forces = FusedCGSchNet(network).evaluator()(coords)
    assert torch.isfinite(energy).all()
    assert (forces[:, -1] == 0.0).all()


def test_one_frame_and_no_pair_of_equal_shapes() -> None:
    network, batch = make_network(), make_batch(1)
    kernel = FusedCGSchNet(network, batch[0])
    assert_equal(step(kernel, batch), step(TableKernel(network, batch[0]), batch), EXACT)
    with pytest.raises(ValueError, match="differ in shape"):
        kernel.squared_error(batch[0], batch[1][:, :1], batch[2])


def test_blocks_have_at_least_one_frame() -> None:
    assert [frames_a_block(n) for n in (2, 10, 80, 1000)] == [16, 16, 2, 1]


def test_a_table_extended_between_forward_and_backward() -> None:
    """As a penalty does, that looks beside the data before the loss is differentiated."""
    network, (coords, reference, _) = make_network(), make_batch()
    found = []
    for kernel in (FusedCGSchNet(network, coords), TableKernel(network, coords)):
        network.zero_grad()
        near = kernel(coords)
        far = kernel(1.4 * coords)
        ((near - reference).square().mean() + far.square().mean()).backward()
        found.append((gradient_of(kernel),))
    assert_equal(found[0], found[1], EXACT)


def test_coordinates_that_do_not_fit_are_refused() -> None:
    network, (coords, _, _) = make_network(), make_batch()
    kernel = FusedCGSchNet(network, coords)
    for wrong in (coords[:, :7], coords.float(), coords[..., :2], coords[0]):
        with pytest.raises(ValueError, match=r"expected \[n_frames, 10, 3\] of torch.float64"):
            kernel(wrong)
