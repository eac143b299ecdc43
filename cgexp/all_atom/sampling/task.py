"""Task: which peptide is sampled, in which force field, at which temperature, and where the result is kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.engine import PlatformName
from cgexp.all_atom.force_field import DEFAULT, ForceField, make_system
from cgexp.all_atom.sampling.segment import QUENCH_STEPS, pack_system
from cgexp.all_atom.sampling.walker import Start
from cgexp.all_atom.structure import (
    NATIVE_TORSIONS,
    AllAtom,
    build_native,
    build_peptide,
    minimise,
    solvate,
)
from cgexp.systems.peptide import Peptide

Positions = NDArray[np.floating]
SOLVATED_QUENCH_STEPS = 500  # iterations of the minimiser: fresh water has clashes everywhere


@dataclass(frozen=True)
class Task:
    """What is sampled. temperature: K, of the frames that are kept. folder: where everything is stored.

    caps: whether the ends are an acetyl and an N-methyl amide group, not charged.
    """

    sequence: str
    temperature: float
    folder: Path
    force_field: ForceField = DEFAULT
    platform: PlatformName = "auto"
    caps: bool = False

    @property
    def explicit(self) -> bool:
        """Whether the solvent is made of molecules, in a periodic box."""
        return self.force_field.explicit

    @property
    def n_atoms(self) -> int:
        """Atoms of the peptide."""
        return len(self.built.positions)

    @property
    def quench_steps(self) -> int:
        return SOLVATED_QUENCH_STEPS if self.explicit else QUENCH_STEPS

    @cached_property
    def ca_system(self) -> Peptide:
        """The C-alpha beads, for distances between starts."""
        return Peptide(self.sequence)

    @cached_property
    def built(self) -> AllAtom:
        """The peptide as it is built, for its atoms and their order."""
        return build_peptide(self.sequence, caps=self.caps)

    @cached_property
    def extended(self) -> AllAtom:
        return minimise(self.built, self.force_field)

    @cached_property
    def native(self) -> AllAtom:
        """The native structure. Raises InputError if it is not known."""
        return build_native(self.sequence, self.force_field, self.caps)

    @cached_property
    def reference(self) -> AllAtom:
        """The native structure, or the extended chain where no native one is known."""
        return self.native if self.sequence in NATIVE_TORSIONS else self.extended

    def start(self, origin: str, positions: Positions) -> Start:
        """A start from the peptide's atoms [n_atoms, 3], Å; explicit solvent gives it a box of its own."""
        if not self.explicit:
            return Start(origin, self._implicit_system, positions)
        peptide = AllAtom(self.sequence, self.built.topology, np.asarray(positions, dtype=np.float64))
        solvated = solvate(peptide)
        return Start(origin, pack_system(make_system(solvated.topology, self.force_field)), solvated.positions)

    @cached_property
    def _implicit_system(self) -> str:
        return pack_system(make_system(self.built.topology, self.force_field))
