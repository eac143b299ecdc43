"""TeacherOracle: a trained potential stands for the truth, so that labels are exact and cost next to nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from cgexp.datasets.teacher_run import load_teacher, teacher_forces
from cgexp.models.potential import Potential
from cgexp.oracles.oracle import Coords, DirectOracle, Forces
from cgexp.parts.ranges import ContentFile


@dataclass(kw_only=True)
class TeacherOracle(DirectOracle):
    """Forces of a potential, in float64, with standard error 0. path: a run's folder, or the file of a potential.

    Raises InputError if there is no potential, or one of another number of beads or dimensions.
    """

    path: ContentFile[str]

    name: ClassVar[str] = "teacher"

    @property
    def source(self) -> str:
        return f"teacher oracle: {Path(self.path).name}"

    @cached_property
    def potential(self) -> Potential:
        """The potential, read once."""
        return load_teacher(self.path, self.system, self.temperature, "oracle").double()

    def forces(self, coords: Coords) -> Forces:
        """Forces of coords [n, n_beads, n_dims], in the system's units."""
        forces = teacher_forces(self.potential, coords)
        return Forces(forces, np.zeros_like(forces))
