"""Molecule: beads in space known by their bonds, types and masses alone, such as those of your own frames."""

from __future__ import annotations

from typing import Literal

import numpy as np

from cgexp.errors import InputError
from cgexp.parts.ranges import NonNegativeInt, Positive, PositiveInt
from cgexp.systems.base import Symmetry, System


class Molecule(System):
    """Beads of one molecule, all of which an analysis measures, in their order.

    name: recorded in frames. bonds: pairs of bonded beads; None: a chain, each bead bonded to the next. bead_types: of
    every bead; None: all 0. masses: of every bead, amu or reduced; None: 1. box: edges of a periodic box, length; None:
    none. Two configurations are as far apart as their superposed RMSD; a single bead, or less than three dimensions, as
    points. Raises InputError for numbers that do not fit ``n_beads``.
    """

    kind = "a molecule"
    analysis = "molecule"

    def __init__(
        self,
        name: str,
        n_beads: PositiveInt,
        n_dims: PositiveInt = 3,
        units: Literal["molecular", "reduced"] = "reduced",
        bonds: list[tuple[NonNegativeInt, NonNegativeInt]] | None = None,
        bead_types: list[NonNegativeInt] | None = None,
        masses: list[Positive] | None = None,
        box: list[Positive] | None = None,
    ) -> None:
        self.name, self.n_beads, self.n_dims, self.units, self.box = name, n_beads, n_dims, units, box
        self.trace = np.arange(n_beads, dtype=np.int64)
        chain = np.stack([self.trace[:-1], self.trace[1:]], axis=1)
        self.bonds = chain if bonds is None else np.sort(np.array(bonds, dtype=np.int64).reshape(-1, 2), axis=1)
        if self.bonds.size and not 0 <= self.bonds.min() <= self.bonds.max() < n_beads:
            raise InputError(
                f"bonds of '{name}' name beads {self.bonds.min()} to {self.bonds.max()}: expected 0 to {n_beads - 1}"
            )
        self.bead_types = np.zeros(n_beads, dtype=np.int64) if bead_types is None else np.array(bead_types, np.int64)
        self.masses = np.ones(n_beads) if masses is None else np.array(masses, dtype=np.float64)
        for fact, values, expected in (
            ("bead_types", self.bead_types, n_beads),
            ("masses", self.masses, n_beads),
            ("box", box, n_dims),
        ):
            if values is not None and len(values) != expected:
                raise InputError(f"'{name}' has {fact} with {len(values)} entries: expected {expected}")
        self.labels = [str(bead + 1) for bead in range(n_beads)]
        self.residues = ["UNK"] * n_beads if n_dims == 3 else []
        self.bead_atoms = [(bead, "B") for bead in range(n_beads)] if n_dims == 3 else []
        self.metric = "superposed" if n_dims == 3 and n_beads > 1 else "euclidean"
        self.symmetry = Symmetry(translation=True, rotation=box is None, box=None if box is None else tuple(box))
