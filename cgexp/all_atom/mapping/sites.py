"""BeadSites: which atoms the beads sit on, and which atoms rigid bonds tie together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError

Indices = NDArray[np.int64]
Atoms = Sequence[tuple[int, str]]  # (residue index, atom name) of every atom
FLEXIBLE = np.zeros((0, 2), dtype=np.int64)  # no rigid bonds


@dataclass(frozen=True, eq=False)
class BeadSites:
    """Beads on atoms.

    atoms: (residue index, atom name) of every atom. beads: [n_beads], the atom each bead sits on. constraints:
    [n_constraints, 2], atoms at a fixed distance in the dynamics that gave the forces; empty for flexible dynamics.
    Raises InputError for indices that are no atoms, and for two beads on one atom.
    """

    atoms: Atoms
    beads: Indices
    constraints: Indices

    def __post_init__(self) -> None:
        object.__setattr__(self, "atoms", tuple((int(residue), str(name)) for residue, name in self.atoms))
        object.__setattr__(self, "beads", np.array(self.beads, dtype=np.int64))
        object.__setattr__(self, "constraints", np.array(self.constraints, dtype=np.int64).reshape(-1, 2))
        for name in ("beads", "constraints"):
            indices = getattr(self, name)
            if indices.size and not 0 <= indices.min() <= indices.max() < self.n_atoms:
                raise InputError(
                    f"{name} name atoms {indices.min()} to {indices.max()} but there are {self.n_atoms}: "
                    f"expected indices from 0 to {self.n_atoms - 1}"
                )
        if self.beads.ndim != 1 or not 0 < len(np.unique(self.beads)) == len(self.beads):
            raise InputError(f"beads sit on atoms {self.beads.tolist()}: expected at least one, each on its own atom")

    @classmethod
    def on(cls, atoms: Atoms, bead_atoms: Atoms, constraints: Indices) -> BeadSites:
        """Beads on the atoms of these residues and names, see ``systems.beads.bead_atoms``.

        Raises InputError if there is no such atom.
        """
        index = {atom: number for number, atom in enumerate(atoms)}
        for residue, name in bead_atoms:
            if (residue, name) not in index:
                raise InputError(f"residue {residue + 1} has no atom {name} for a bead to sit on: complete the residue")
        return cls(atoms, np.array([index[atom] for atom in bead_atoms], dtype=np.int64), constraints)

    @property
    def n_atoms(self) -> int:
        return len(self.atoms)

    @property
    def n_beads(self) -> int:
        return len(self.beads)

    @property
    def residues(self) -> Indices:
        """Residue index of every atom, [n_atoms]."""
        return np.array([residue for residue, _ in self.atoms], dtype=np.int64)

    @cached_property
    def groups(self) -> Indices:
        """Number of the group of rigidly connected atoms each atom belongs to, [n_atoms].

        Raises InputError if two beads share a group, for then no map is valid.
        """
        labels = constraint_groups(self.constraints, self.n_atoms)
        owner: dict[int, int] = {}
        for bead in self.beads:
            other = owner.setdefault(int(labels[bead]), int(bead))
            if other != bead:
                raise InputError(
                    f"two beads share a group of constrained atoms ({self._name(other)} and {self._name(bead)}): place "
                    "beads on atoms that are not rigidly bonded, or use flexible dynamics"
                )
        return np.unique(labels, return_inverse=True)[1]

    def _name(self, atom: int) -> str:
        residue, name = self.atoms[atom]
        return f"{name} of residue {residue + 1}"


def constraint_groups(constraints: Indices, n_atoms: int) -> Indices:
    """Label of the group of rigidly connected atoms each atom belongs to, [n_atoms]: its lowest atom index."""
    group = np.arange(n_atoms)
    for first, second in constraints:
        low, high = sorted((group[first], group[second]))
        group[group == high] = low
    return group
