from __future__ import annotations

import pytest
import torch

from cgexp.kernels.filters import Grid
from cgexp.models.cgschnet import CGSchNet


@pytest.mark.parametrize("rbf", ["expnorm", "gaussian"])
def test_distance_and_coordinate_are_inverse_and_the_slope_is_the_derivative(rbf: str) -> None:
    grid = Grid.of(CGSchNet(4, rbf=rbf))  # type: ignore[arg-type]
    r = torch.linspace(0.0, 30.0, 301, dtype=torch.float64, requires_grad=True)
    x = grid.x(r)
    torch.testing.assert_close(grid.r(x.detach()), r.detach(), rtol=0.0, atol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(x.sum(), r)[0], grid.slope(r).detach())
    assert grid.x(r[7].item()) == pytest.approx(x[7].item(), abs=1e-14)


def test_knots_follow_the_basis_functions() -> None:
    even, following = Grid.of(CGSchNet(4, rbf="gaussian")), Grid.of(CGSchNet(4, rbf="expnorm"))
    assert even.x(12.0) == 12.0
    near, far = (following.x(r + 1.0) - following.x(r) for r in (3.0, 25.0))
    assert near > 10.0 * far > 0.0
