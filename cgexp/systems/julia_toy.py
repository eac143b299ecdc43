"""The toy of the Julia report (Venkatachalam, Harvey Mudd College, 2025, Eq. 2): its force has no noise."""

from __future__ import annotations

import torch
from torch import Tensor

from cgexp.systems.toy import ToyPotential


class JuliaToy(ToyPotential):
    """V = (x-4)(x+2)(x-2)(x+3)/50 + y^2/2 + sin(3(x+5)(x+6))/25, in kT.

    The ripple depends on x only, so that -dV/dx does not depend on y and the PMF is the x-part of V (up to the constant
    -kT/2 ln(2 pi kT)). Its local wave number 3(2x+11) reaches 63 at x = 5, its curvature 157.
    """

    name = "toy_julia"
    x_range = (-10.0, 10.0)
    y_range = (-12.0, 12.0)
    evaluation_range = (-5.0, 5.0)

    def potential(self, x: Tensor, y: Tensor) -> Tensor:
        ripple = torch.sin(3.0 * (x + 5.0) * (x + 6.0)) / 25.0
        return (x - 4.0) * (x + 2.0) * (x - 2.0) * (x + 3.0) / 50.0 + y**2 / 2.0 + ripple
