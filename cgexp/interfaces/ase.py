"""ASE: a bundle as a calculator. Positions in Å, energies in eV, forces in eV/Å, masses in amu, as ASE has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cgexp.errors import InputError
from cgexp.interfaces.bundle import Bundle
from cgexp.interfaces.programs import OneConfiguration, bundle_for

try:
    from ase import Atoms, units
    from ase.calculators.calculator import Calculator, all_changes
except ImportError as error:
    raise InputError('ASE is not installed: its calculator needs it; run pip install "cgexp[ase]"') from error

KCAL_MOL = units.kcal / units.mol  # eV


class BundleCalculator(Calculator):
    """An ASE calculator of a bundle or the path of one; its beads are ASE's atoms, in the same order.

    kernel: see ``programs.OneConfiguration``. Raises InputError for bundles that ASE cannot use, and for atoms that are
    not these beads.
    """

    implemented_properties = ["energy", "free_energy", "forces"]

    def __init__(self, bundle: Bundle | str | Path, kernel: str = "reference", **options: Any) -> None:
        super().__init__(**options)
        self.bundle = bundle_for("ASE", bundle)
        self._of = OneConfiguration(self.bundle, kernel)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fill ``results`` with the energy (eV) and the forces (eV/Å)."""
        super().calculate(atoms, properties, system_changes)
        if len(self.atoms) != self._of.n_beads or self.atoms.pbc.any():
            raise InputError(
                f"the atoms are {len(self.atoms)}{', periodic' if self.atoms.pbc.any() else ''}: expected the "
                f"{self._of.n_beads} beads of {self.bundle.system.name}, not periodic, as beads(bundle) makes them"
            )
        energy, forces = self._of(self.atoms.positions)
        self.results = {"energy": energy * KCAL_MOL, "free_energy": energy * KCAL_MOL, "forces": forces * KCAL_MOL}


def beads(bundle: Bundle | str | Path, start: int = 0, kernel: str = "reference") -> Atoms:
    """The beads of a bundle as ASE's Atoms at its ``start``-th start, with masses and the calculator.

    They have no element (symbol X); tags are the bead types.
    """
    calculator = BundleCalculator(bundle, kernel)
    own = calculator.bundle
    return Atoms(
        "X" * own.system.n_beads,
        positions=own.starts[start].astype("float64"),
        masses=own.system.masses,
        tags=own.system.bead_types,
        calculator=calculator,
    )
