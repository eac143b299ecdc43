"""TeacherOracle: a trained potential stands for the truth, so that labels are exact and cost next to nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from cgexp.errors import InputError
from cgexp.models.potential import Potential
from cgexp.models.potential_store import load_potential
from cgexp.reference.oracles.oracle import Coords, DirectOracle, Forces

POTENTIAL_FILE = "potential.npz"  # of a finished run's folder
BATCH = 1000  # configurations at once


@dataclass(kw_only=True)
class TeacherOracle(DirectOracle):
    """Forces of a potential, in float64, with standard error 0. path: a run's folder, or the file of a potential.

    Raises InputError if there is no potential, or one of another number of beads or dimensions.
    """

    path: str

    name: ClassVar[str] = "teacher"

    @property
    def source(self) -> str:
        return f"teacher oracle: {Path(self.path).name}"

    @cached_property
    def potential(self) -> Potential:
        """The potential, read once."""
        path = Path(self.path)
        file = path / POTENTIAL_FILE if path.is_dir() else path
        if not file.is_file():
            raise InputError(
                f"oracle.path={self.path} holds no potential: give a finished run's folder or the file of a potential"
            )
        potential = load_potential(file).double()
        for part in (potential.network, potential.prior):
            for fact in ("n_beads", "n_dims"):
                found, expected = getattr(part, fact, None), getattr(self.system, fact)
                if found is not None and found != expected:
                    raise InputError(
                        f"oracle.path={self.path} holds a potential with {fact}={found} but system "
                        f"'{self.system.name}' has {expected}: give a potential of this system"
                    )
        of = getattr(potential.prior, "temperature", self.temperature)
        if of != self.temperature:
            raise InputError(
                f"the oracle states temperature={self.temperature} but the potential in oracle.path={self.path} is of "
                f"{of}: set oracle.temperature={of}"
            )
        return potential

    def forces(self, coords: Coords) -> Forces:
        """Forces of coords [n, n_beads, n_dims], in the system's units."""
        batches = torch.from_numpy(coords).double().split(BATCH)
        forces = torch.cat([self.potential.forces(batch) for batch in batches]).numpy()
        return Forces(forces, np.zeros_like(forces))
