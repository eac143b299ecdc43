from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from cgexp.geometry import distances
from cgexp.kernels.filter_table import MAX_FILTER_ERROR, FilterTable, default_spacing, filter_error
from cgexp.kernels.filters import radial, with_slope
from cgexp.models.cgschnet import CGSchNet, Interaction
from cgexp.models.features import cosine_cutoff
from tests.kernels.networks import BOTH_BASES, chains, small_network, train


@pytest.mark.parametrize("activation", ["tanh", "silu", "softplus", "gelu"])
def test_slopes_of_filters_are_those_of_forward_mode(activation: str) -> None:
    """Bit for bit."""
    network = small_network(activation=activation)
    at = radial(network, torch.linspace(2.0, 14.0, 200))
    for block in network.blocks:
        assert isinstance(block, Interaction)
        expected = torch.func.jvp(block.filter, (at.basis,), (at.basis_slope,))[:2]
        for found, exact in zip(with_slope(block.filter, at.basis, at.basis_slope), expected, strict=True):
            assert torch.equal(found, exact)


@pytest.mark.slow  # a process of its own: 2 CPU s
def test_a_table_needs_no_compiler_of_torch() -> None:
    code = (
        "import sys, torch; from cgexp.models.cgschnet import CGSchNet; from cgexp.kernels.filter_table import *; "
        "FilterTable(CGSchNet(6), 3.0, 8.0, 0.1).tables(); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def exact_filters(network: CGSchNet, r: Tensor) -> Tensor:
    """[n_blocks, n, n_filters], as CGSchNet itself evaluates them."""
    envelope = cosine_cutoff(r, network.cutoff)[:, None]
    return torch.stack([block.filter(network.basis(r)) * envelope for block in network.blocks])


def read(table: FilterTable, r: Tensor) -> tuple[Tensor, Tensor]:
    """Values and slopes interpolated at r, row by row."""
    index, value, slope = table.hermite_weights(r)
    rows = table.tables()
    corners = torch.stack([rows[:, 2 * index + corner] for corner in range(4)], dim=2)
    return (corners * value[:, :, None]).sum(2), (corners * slope[:, :, None]).sum(2)


@pytest.mark.parametrize("changes", [*BOTH_BASES, {"activation": "relu"}], ids=str)
def test_knots_hold_the_exact_filters_and_slopes(changes: dict[str, Any]) -> None:
    network = small_network(**changes)
    table = FilterTable(network, 3.0, 8.0, 0.1)
    r = table.knots().requires_grad_()
    exact = exact_filters(network, r)
    rows = table.tables().unflatten(1, (table.n_knots, 2))
    torch.testing.assert_close(rows[:, :, 0], exact)
    for column in range(0, network.blocks[0].project.out_features, 5):
        (slope,) = torch.autograd.grad(exact[:, :, column].sum(), r, retain_graph=True)
        torch.testing.assert_close(rows[:, :, 1, column].sum(0) * table.grid.slope(r), slope)


@pytest.mark.parametrize("changes", BOTH_BASES, ids=str)
def test_gradients_of_the_parameters_go_through_values_and_slopes(changes: dict[str, Any]) -> None:
    network = small_network(n_filters=4, **changes)
    table = FilterTable(network, 4.0, 5.0, 0.25)
    weights = torch.randn(table.tables().shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    parameters = [p for n, p in network.named_parameters() if "filter" in n or "basis" in n]
    found = torch.autograd.grad((table.tables() * weights).sum(), parameters)

    r = table.knots().requires_grad_()
    exact, rows = exact_filters(network, r), weights.unflatten(1, (-1, 2))
    total = (exact * rows[:, :, 0]).sum()
    for block, column in [(b, c) for b in range(len(exact)) for c in range(4)]:
        (slope,) = torch.autograd.grad(exact[block, :, column].sum(), r, create_graph=True)
        total = total + (slope / table.grid.slope(r.detach()) * rows[block, :, 1, column]).sum()
    for gradient, expected in zip(found, torch.autograd.grad(total, parameters), strict=True):
        torch.testing.assert_close(gradient, expected)


def test_the_error_falls_with_the_third_power_of_the_spacing() -> None:
    network = small_network()
    errors = [
        filter_error(network, table, table.worst_places())
        for table in (FilterTable(network, 3.0, 12.0, spacing) for spacing in (0.04, 0.02, 0.01))
    ]
    assert errors[0] / errors[1] > 7.0
    assert errors[1] / errors[2] > 7.0


def test_the_slope_is_the_derivative_of_the_value() -> None:
    table = FilterTable(small_network(), 3.0, 12.0, 0.1)
    r = torch.linspace(3.1, 11.9, 57, dtype=torch.float64)
    h = 1e-5
    differences = (read(table, r + h)[0] - read(table, r - h)[0]) / (2 * h)
    torch.testing.assert_close(read(table, r)[1], differences, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_at_the_cutoff_and_beyond_the_filter_is_exactly_zero(dtype: torch.dtype) -> None:
    network = small_network(cutoff=7.3).to(dtype)
    table = FilterTable(network, 4.0, 50.0, 0.037)
    assert table.high == network.cutoff
    assert table.covers(4.0, 1e6)
    r = torch.tensor([network.cutoff, network.cutoff + 1e-3, 40.0, math.inf], dtype=dtype)
    for part in read(table, r):
        assert bool((part == 0.0).all())


def test_an_extended_table_keeps_its_grid_and_values() -> None:
    network = small_network()
    table = FilterTable(network, 5.0, 8.0, 0.07)
    assert table.covers(5.0, 8.0)
    assert not table.covers(4.5, 8.0)
    assert not table.covers(5.0, 9.5)
    assert not table.covers(math.nan, math.nan)
    wider = table.extended(4.0, 9.0)
    assert wider.spacing == table.spacing
    assert wider.covers(0.96 * 4.0, 1.04 * 9.0)
    skipped = round((table.start - wider.start) / table.spacing)
    assert float(wider.knots()[skipped]) == pytest.approx(table.low, abs=1e-12)
    kept = wider.tables()[:, 2 * skipped :][:, : 2 * table.n_knots]
    torch.testing.assert_close(kept, table.tables(), rtol=1e-12, atol=1e-14)
    everything = wider.extended(0.0, 100.0)
    assert (everything.low, everything.high) == (0.0, network.cutoff)


def test_a_table_for_coords_covers_their_distances_with_a_margin() -> None:
    network, (coords, _) = small_network(), chains(50)
    r = distances(coords, network.pairs)
    table = FilterTable.for_coords(network, coords)
    assert table.covers(0.951 * float(r.min()), 1.049 * float(r.max()))
    assert table.low > 0.9 * float(r.min())
    whole = FilterTable.for_coords(network, spacing=0.2)
    assert (whole.low, whole.high) == (0.0, 15.0)
    assert whole.spacing <= 0.2
    with pytest.raises(ValueError, match="not finite"):
        FilterTable.for_coords(network, coords * math.nan)


@pytest.mark.parametrize("changes", [*BOTH_BASES, {"n_rbf": 64, "cutoff": 30.0}, {"n_rbf": 8}], ids=str)
def test_the_default_spacing_follows_the_basis(changes: dict[str, Any]) -> None:
    network = small_network(**changes)
    table = FilterTable(network, 3.5, 14.0, default_spacing(network))
    assert filter_error(network, table, table.worst_places()) < MAX_FILTER_ERROR[torch.float64] / 1.5
    assert default_spacing(network.float()) > 2.0 * table.spacing


def test_a_trained_network_is_read_as_exactly() -> None:
    network = train(small_network())
    table = FilterTable.for_coords(network, chains()[0])
    assert filter_error(network, table, table.worst_places()) < MAX_FILTER_ERROR[torch.float64]


def test_the_table_is_in_the_networks_type_and_follows_it() -> None:
    network = small_network()
    table = FilterTable(network, 3.0, 8.0, 0.01)
    exact = table.tables().detach()
    network.float()
    assert table.tables().dtype == torch.float32
    torch.testing.assert_close(table.tables().double(), exact, rtol=1e-4, atol=1e-5)


def test_a_descending_range_is_refused() -> None:
    with pytest.raises(ValueError, match="ascending"):
        FilterTable(small_network(), 5.0, 4.0, 0.1)
