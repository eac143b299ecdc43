"""The toy of CGnet (Wang et al. 2019, ACS Cent. Sci. 5, 755, Fig. 3): a ripple in x and y makes the force noisy."""

from __future__ import annotations

import torch
from torch import Tensor

from cgexp.systems.toy import ToyPotential


class CGnetToy(ToyPotential):
    """V = (x-4)(x-2)(x+2)(x+3)/50 + y^2/20 + sin(3(x+5)(y-6))/25, in kT.

    The ripple couples x and y: at a given x the force -dV/dx scatters, with E[Var(f_x given x)] = 0.3311 at kT = 1.
    """

    name = "toy_cgnet"
    x_range = (-10.0, 10.0)
    y_range = (-30.0, 30.0)
    evaluation_range = (-3.8, 4.5)

    def potential(self, x: Tensor, y: Tensor) -> Tensor:
        ripple = torch.sin(3.0 * (x + 5.0) * (y - 6.0)) / 25.0
        return (x - 4.0) * (x - 2.0) * (x + 2.0) * (x + 3.0) / 50.0 + y**2 / 20.0 + ripple
