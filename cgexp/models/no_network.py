"""NoNetwork: an energy of zero, so that the prior is the whole potential."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from cgexp.energy import EnergyTerm


class NoNetwork(EnergyTerm):
    """Zero energy at every configuration; has no parameters, so that nothing is trained (runs/stages.py)."""

    trains: ClassVar[bool] = False

    def energy(self, coords: Tensor) -> Tensor:
        return (0.0 * coords).sum(dim=(1, 2))
