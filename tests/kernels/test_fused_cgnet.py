"""The fused kernel of CGnet equals the reference kernel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cgexp.kernels.fused import MIN_FRAMES_A_THREAD
from cgexp.kernels.fused_cgnet import FRAMES_A_BLOCK, FusedCGnet
from cgexp.kernels.kernel import Kernel
from cgexp.kernels.native_library import native_library
from cgexp.models.cgnet import CGnet
from cgexp.testing.configurations import chain_frames, fit_to, random_chains
from cgexp.testing.finite_difference import relative_error

EXACT = 1e-10  # float64, norm of the difference over the norm
SINGLE = 1e-5  # float32
COARSE = 1e-2  # bfloat16 in the gradient's products


def make_network(
    n_beads: int = 7, width: int = 24, depth: int = 3, activation: str = "tanh", lipschitz: float | None = None
) -> CGnet:
    torch.manual_seed(0)
    network = CGnet(n_beads, width=width, depth=depth, activation=activation, lipschitz=lipschitz)  # type: ignore[arg-type]
    fit_to(network, chain_frames(40, n_beads))
    return network.double()


def make_batch(n_frames: int = 37, n_beads: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates, reference forces and weights of the squared error."""
    generator = torch.Generator().manual_seed(3)
    coords = random_chains(n_frames, n_beads, seed=1)
    reference = torch.randn(coords.shape, generator=generator, dtype=coords.dtype)
    return coords, reference, torch.rand(coords.shape, generator=generator, dtype=coords.dtype)


def gradients_of(kernel: Kernel, loss: Tensor) -> dict[str, Tensor]:
    """Of every parameter; the power iteration, which a backward pass moves on, is put back."""
    network = kernel.network
    state = {name: value.clone() for name, value in network.state_dict().items()}
    network.zero_grad(set_to_none=True)
    loss.backward()
    network.load_state_dict(state)
    return {n: torch.zeros_like(p) if p.grad is None else p.grad.clone() for n, p in network.named_parameters()}


def step(kernel: Kernel, batch: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Loss, forces and the gradient of each parameter."""
    loss, forces = kernel.squared_error(*batch)
    return {"loss": loss.detach(), "forces": forces, **gradients_of(kernel, loss)}


def assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():  # of relu the gradient of a bias is zero
        assert (found[name] - value).norm() <= tolerance * value.norm(), name


@pytest.mark.parametrize(
    ("n_beads", "width", "depth", "n_frames", "lipschitz"),
    [(4, 24, 1, 1, None), (7, 250, 2, 37, None), (13, 24, 5, 37, 0.3), (10, 160, 2, FRAMES_A_BLOCK + 3, 4.0)],
)
def test_energy_forces_loss_and_gradients_of_every_size(
    n_beads: int, width: int, depth: int, n_frames: int, lipschitz: float | None
) -> None:
    network, batch = make_network(n_beads, width, depth, lipschitz=lipschitz), make_batch(n_frames, n_beads)
    assert_equal(step(FusedCGnet(network), batch), step(Kernel(network), batch), EXACT)
    energy, forces = FusedCGnet(network).evaluator()(batch[0])
    assert relative_error(energy, network.energy(batch[0]).detach()) <= EXACT
    assert relative_error(forces, Kernel(network)(batch[0]).detach()) <= EXACT


@pytest.mark.parametrize("activation", ["silu", "softplus", "gelu", "relu"])
@pytest.mark.filterwarnings("ignore:activation 'relu'")
def test_every_activation(activation: str) -> None:
    network, batch = make_network(activation=activation), make_batch()
    assert_equal(step(FusedCGnet(network), batch), step(Kernel(network), batch), EXACT)


def test_a_loss_that_is_no_sum_of_squares_goes_through_autograd() -> None:
    network, (coords, reference, _) = make_network(lipschitz=0.5), make_batch()
    found = []
    for kernel in (FusedCGnet(network), Kernel(network)):
        forces = kernel(coords)
        gradients = gradients_of(kernel, (forces - reference).abs().mean())
        found.append({"forces": forces.detach(), **gradients})
    assert_equal(found[0], found[1], EXACT)


def test_a_second_derivative_of_the_loss_is_refused_and_not_lost() -> None:
    network, (coords, _, _) = make_network(), make_batch()
    weight = next(network.parameters())
    (first,) = torch.autograd.grad(FusedCGnet(network)(coords).square().sum(), weight, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_float32_and_bfloat16() -> None:
    network, batch = make_network(10, 64), make_batch(64, 10)
    expected = step(Kernel(network), batch)
    network, batch = network.float(), tuple(value.float() for value in batch)  # type: ignore[assignment]
    single = {name: value.double() for name, value in step(FusedCGnet(network), batch).items()}
    assert_equal(single, expected, SINGLE)
    coarse = {name: value.double() for name, value in step(FusedCGnet(network, bf16=True), batch).items()}
    for name in ("loss", "forces"):
        assert torch.equal(coarse[name], single[name])
    assert_equal(coarse, expected, COARSE)
    if native_library("cgnet").has_bf16():
        assert any(not torch.equal(coarse[name], single[name]) for name in expected)


def test_one_network_in_both_precisions_and_at_changing_sizes() -> None:
    """The workspace is kept between calls: what an earlier one left in it must not matter."""
    network = make_network()
    kernel = FusedCGnet(network)
    for n_frames in (37, 1, 70, 5):
        batch = make_batch(n_frames)
        assert_equal(step(kernel, batch), step(Kernel(network), batch), EXACT)
    network.float()
    assert kernel(make_batch(3)[0].float()).dtype == torch.float32


def test_two_threads_equal_one_up_to_the_order_of_the_gradients_sum() -> None:
    network, batch = make_network(), make_batch(MIN_FRAMES_A_THREAD * 9)
    n_threads, found = torch.get_num_threads(), []
    try:
        for n in (1, 2, 2):
            torch.set_num_threads(n)
            found.append(step(FusedCGnet(network), batch))
    finally:
        torch.set_num_threads(n_threads)
    assert torch.equal(found[0]["forces"], found[1]["forces"])
    assert_equal(found[1], found[0], 1e-12)
    for name, value in found[1].items():
        assert torch.equal(value, found[2][name])


@pytest.mark.parametrize("activation", ["tanh", "silu", "softplus", "gelu", "relu"])
@pytest.mark.filterwarnings("ignore:activation 'relu'")
def test_a_coordinate_that_is_not_a_number_spoils_its_frame_only(activation: str) -> None:
    network, (coords, reference, weights) = make_network(activation=activation), make_batch()
    clean = FusedCGnet(network)(coords).detach()
    coords[5, 2, 1] = torch.nan
    loss, forces = FusedCGnet(network).squared_error(coords, reference, weights)
    others = torch.arange(len(coords)) != 5
    assert torch.equal(forces[others], clean[others])
    assert forces[5].isnan().all()
    assert loss.isnan()
    energy, _ = FusedCGnet(network).evaluator()(coords)
    assert torch.equal(energy.isnan(), ~others)


def test_beads_that_coincide_give_nan_as_in_the_reference() -> None:
    network, (coords, _, _) = make_network(), make_batch(3)
    coords[1, 4] = coords[1, 0]
    expected = Kernel(network)(coords).detach()
    torch.testing.assert_close(FusedCGnet(network)(coords).detach(), expected, equal_nan=True, rtol=EXACT, atol=1e-12)
    assert expected[1].isnan().any()


def test_training_follows_the_references_course() -> None:
    """Twenty steps of Adam, the power iteration of the spectral bound included."""
    courses = []
    for make in (FusedCGnet, Kernel):
        network, batch = make_network(lipschitz=0.5), make_batch()
        kernel, optimizer = make(network), torch.optim.Adam(network.parameters(), lr=1e-3)
        losses = []
        for _ in range(20):
            optimizer.zero_grad()
            loss = kernel.squared_error(*batch)[0]
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        courses.append(torch.stack(losses))
    assert courses[1][-1] < courses[1][0]
    torch.testing.assert_close(courses[0], courses[1], rtol=1e-8, atol=0.0)


def test_arrays_of_different_shapes_are_refused() -> None:
    coords, reference, weights = make_batch()
    with pytest.raises(ValueError, match="differ in shape"):
        FusedCGnet(make_network()).squared_error(coords, reference[:1], weights)
