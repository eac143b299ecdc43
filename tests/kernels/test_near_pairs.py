"""Kernels that visit only the pairs within the cutoff equal those that visit all."""

from __future__ import annotations

import ctypes

import pytest
import torch
from torch import Tensor

from cgexp.errors import InputError
from cgexp.geometry import distances, near_pairs, pair_list
from cgexp.kernels.choose import make_kernel
from cgexp.kernels.evaluator import make_evaluator
from cgexp.kernels.fused_cgschnet import NEAR_FROM, FusedCGSchNet
from cgexp.kernels.kernel import Kernel
from cgexp.kernels.native_library import native_library
from cgexp.kernels.sparse import SparseKernel
from cgexp.models.cgnet import CGnet
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.potential import Potential
from cgexp.priors.prior import Prior
from cgexp.testing.finite_difference import relative_error
from tests.kernels.networks import loss_and_gradients, small_network

EXACT = 1e-10  # float64, relative
pytestmark = pytest.mark.filterwarnings("ignore:tabulated filters")  # of cutoffs that are shorter than any in use
SIZES = ((10, 7.0, 12), (13, 12.0, 80), (5, 4.0, 16), (9, 0.5, 16))  # beads, cutoff, filters


def blobs(n_frames: int, n_beads: int, seed: int = 0) -> Tensor:
    """Beads at random places, [n_frames, n_beads, 3], some 10 Å wide: no chain, so that no order helps a search."""
    generator = torch.Generator().manual_seed(seed)
    return 5.0 * torch.randn(n_frames, n_beads, 3, generator=generator, dtype=torch.float64)


def pairs_by_brute_force(coords: Tensor, cutoff: float) -> Tensor:
    n_beads = coords.shape[1]
    rows = [
        [k * n_beads + i, k * n_beads + j]
        for k, frame in enumerate(coords.tolist())
        for i in range(n_beads)
        for j in range(i + 1, n_beads)
        if not sum((a - b) ** 2 for a, b in zip(frame[i], frame[j], strict=True)) >= cutoff**2
    ]
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 2)


def pairs_of_the_library(coords: Tensor, cutoff: float) -> Tensor:
    n_beads, suffix = coords.shape[1], "f32" if coords.dtype == torch.float32 else "f64"
    find, found = getattr(native_library("cgschnet"), f"cgschnet_near_{suffix}"), []
    for k, frame in enumerate(coords.contiguous()):
        begin = torch.zeros(n_beads + 1, dtype=torch.int32)
        second = torch.zeros(n_beads * (n_beads - 1) // 2 + 1, dtype=torch.int32)
        find(
            ctypes.c_int64(n_beads), ctypes.c_double(cutoff),
            *(ctypes.c_void_p(value.data_ptr()) for value in (frame, begin, second)),
        )  # fmt: skip
        first = torch.repeat_interleave(torch.arange(n_beads), begin.diff())
        found.append(torch.stack([first, second[: begin[-1]]], dim=1) + k * n_beads)
    return torch.cat(found)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("cutoff", [0.1, 6.0, 11.0, 1e3])
def test_the_pairs_of_every_replica_at_every_step(cutoff: float, dtype: torch.dtype) -> None:
    coords = blobs(4, 17).to(dtype)
    for step in range(5):
        expected = pairs_by_brute_force(coords, cutoff)
        assert near_pairs(coords, cutoff).equal(expected)
        assert pairs_of_the_library(coords, cutoff).equal(expected)
        coords = coords + blobs(4, 17, seed=step + 1).to(dtype)  # far beyond what any skin would allow


def test_a_bead_that_is_nowhere_has_all_pairs_so_that_its_frame_is_spoilt() -> None:
    coords = blobs(2, 6)
    coords[1, 2, 0] = torch.nan
    found = near_pairs(coords, 1e-3)
    assert found.equal(pairs_of_the_library(coords, 1e-3))
    assert found.tolist() == [[6, 8], [7, 8], [8, 9], [8, 10], [8, 11]]


def test_the_search_goes_by_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    coords = blobs(7, 5)
    expected = near_pairs(coords, 6.0)
    monkeypatch.setattr("cgexp.geometry.SEARCH_BYTES", 2 * 5 * 5 * 3 * 8)
    assert near_pairs(coords, 6.0).equal(expected)
    assert near_pairs(coords[:0], 6.0).shape == (0, 2)


@pytest.mark.parametrize(("n_beads", "cutoff", "n_filters"), SIZES)
def test_loss_forces_and_gradients(n_beads: int, cutoff: float, n_filters: int) -> None:
    network = small_network(n_beads, cutoff=cutoff, n_filters=n_filters, n_blocks=3)
    coords, forces = blobs(19, n_beads), blobs(19, n_beads, seed=1)
    dense, near = (FusedCGSchNet(network, coords, near=near) for near in (False, True))
    pairs = (
        (loss_and_gradients(near, coords, forces), loss_and_gradients(dense, coords, forces)),
        (
            loss_and_gradients(SparseKernel(network), coords, forces),
            loss_and_gradients(Kernel(network), coords, forces),
        ),
    )
    for found, expected in pairs:
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert float((found[name] - value).norm()) <= EXACT * max(float(value.norm()), 1e-6), name


def test_forces_and_parameter_gradients_are_finite_differences() -> None:
    network, coords, step = small_network(8, cutoff=9.0), blobs(6, 8), 1e-5
    forces, direction = blobs(6, 8, seed=1), blobs(6, 8, seed=2)
    kernel = FusedCGSchNet(network, None, near=True)
    evaluate = kernel.evaluator()
    up, down = (evaluate(coords + sign * step * direction)[0] for sign in (1.0, -1.0))
    slope = -(evaluate(coords)[1] * direction).sum((1, 2))
    assert relative_error((up - down) / (2.0 * step), slope) < 1e-6
    weight = network.blocks[1].update[0].weight  # type: ignore[index, union-attr]
    gradient = loss_and_gradients(kernel, coords, forces)["blocks.1.update.0.weight"]
    towards = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    losses = []
    for sign in (1.0, -1.0):
        with torch.no_grad():
            weight.add_(sign * step * towards)
        losses.append(loss_and_gradients(kernel, coords, forces)["loss"])
        with torch.no_grad():
            weight.sub_(sign * step * towards)
    assert float((losses[0] - losses[1]) / (2.0 * step)) == pytest.approx(float((gradient * towards).sum()), rel=1e-6)


def test_float32_and_bfloat16_gradients() -> None:
    network, coords, forces = small_network(9, cutoff=9.0).float(), blobs(12, 9).float(), blobs(12, 9, seed=1).float()
    for bf16 in (False, bool(native_library("cgschnet").has_bf16())):
        found, expected = (
            loss_and_gradients(FusedCGSchNet(network, coords, bf16, near), coords, forces) for near in (True, False)
        )
        for name, value in expected.items():
            assert float((found[name] - value).norm()) <= 1e-5 * float(value.norm()), name


@pytest.mark.parametrize("kernel", ["fused", "sparse"])
def test_replicas_that_meet_and_part(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Energies and forces of a simulation, whose beads cross the cutoff all the time."""
    monkeypatch.setattr("cgexp.kernels.fused_cgschnet.NEAR_FROM", 2)
    potential = Potential(small_network(7, cutoff=8.0), Prior({}, 300.0))
    coords, towards = blobs(5, 7), blobs(5, 7, seed=1)
    evaluate, reference = (make_evaluator(name, potential, coords) for name in (kernel, "reference"))
    numbers = []
    for step in range(8):
        moved = coords + 0.5 * step * towards
        (energy, forces), (expected_energy, expected) = evaluate(moved), reference(moved)
        assert energy is not None
        assert expected_energy is not None
        torch.testing.assert_close(energy, expected_energy, rtol=1e-5, atol=1e-7)
        assert float((forces - expected).norm()) <= 2e-5 * float(expected.norm())
        numbers.append(len(near_pairs(moved, 8.0)))
    assert len(set(numbers)) > 4


def test_beads_without_a_pair_feel_nothing() -> None:
    network = small_network(6, cutoff=5.0)
    coords = 100.0 * torch.arange(18, dtype=torch.float64).reshape(1, 6, 3)
    for kernel in (FusedCGSchNet(network, None, near=True), SparseKernel(network)):
        assert not kernel(coords).any()


def test_many_beads_visit_the_near_pairs() -> None:
    few, many = (CGSchNet(n, n_features=8, n_filters=8, n_rbf=6) for n in (NEAR_FROM - 1, NEAR_FROM))
    assert not FusedCGSchNet(few).near
    assert FusedCGSchNet(many).near


def test_a_thousand_beads() -> None:
    """The memory of a step is far below what the filters of all pairs would take: 130 MB for each block."""
    torch.manual_seed(0)
    network = CGSchNet(1000, n_blocks=2, n_features=16, n_filters=32, n_rbf=8, cutoff=8.0).double()
    coords = 3.0 * blobs(1, 1000)
    share = float((distances(coords, pair_list(1000)) < 8.0).double().mean())
    assert 0.005 < share < 0.05
    kernel = FusedCGSchNet(network, coords)
    assert relative_error(kernel(coords).detach(), SparseKernel(network)(coords).detach()) < 2e-5


def test_sparse_says_whom_it_serves() -> None:
    with pytest.raises(InputError, match="does not serve the model CGnet"):
        make_kernel("sparse", CGnet(6, width=8, depth=2))
    with pytest.raises(InputError, match="but the model is a CGnet"):
        SparseKernel(CGnet(6, width=8, depth=2))
