"""A peptide in a box of explicit water, and the barostat that lets the box find its density."""

from __future__ import annotations

from typing import Any

import numpy as np

from cgexp.all_atom.force_field import FF14SB, SOLVENT_FILES
from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.structure import AllAtom, fixed_random
from cgexp.units import NM_IN_ANGSTROM

WATER_PADDING = 10.0  # Å of water between the peptide and every face of the box
PRESSURE = 1.0  # bar
BAROSTAT_INTERVAL = 25  # steps between changes of the volume


def solvate(peptide: AllAtom, padding: float | None = None) -> AllAtom:
    """The peptide in a cubic box of TIP3P water with neutralising Na+ or Cl-; its own atoms come first, unmoved.

    padding: Å, at least this much water on every side (WATER_PADDING if None). The box is as large as the given
    conformation needs, so walkers from different starts have boxes of different size. The same positions give the same
    box.
    """
    _, app, unit = import_openmm()
    padding = WATER_PADDING if padding is None else padding
    modeller = app.Modeller(peptide.topology, peptide.positions / NM_IN_ANGSTROM * unit.nanometer)
    with fixed_random():  # the ions' places
        # OpenMM counts its padding from one periodic copy to the next, that is on both sides together.
        files = app.ForceField(FF14SB, SOLVENT_FILES["tip3p"])  # the second holds the ions too
        modeller.addSolvent(files, model="tip3p", padding=2.0 * padding * unit.angstrom)
    positions = np.array(modeller.positions.value_in_unit(unit.angstrom), dtype=np.float64)
    return AllAtom(peptide.sequence, modeller.topology, positions)


def with_barostat(system: Any, temperature: float, seed: int) -> Any:
    """A copy of an openmm.System with a Monte Carlo barostat (1 bar; temperature in K)."""
    mm, _, _ = import_openmm()
    copy = mm.XmlSerializer.clone(system)
    barostat = mm.MonteCarloBarostat(PRESSURE, temperature, BAROSTAT_INTERVAL)
    barostat.setRandomNumberSeed(seed)
    copy.addForce(barostat)
    return copy
