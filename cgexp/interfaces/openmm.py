"""OpenMM: a bundle as a PythonForce in a System of beads. Positions in nm, energies in kJ/mol, forces in kJ/mol/nm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.modules import import_openmm
from cgexp.errors import InputError
from cgexp.interfaces.bundle import Bundle
from cgexp.interfaces.programs import OneConfiguration, bundle_for
from cgexp.units import KCAL_IN_KJ, KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM, NM_IN_ANGSTROM

if TYPE_CHECKING:
    from cgexp.all_atom.modules import openmm


def bead_force(bundle: Bundle | str | Path, kernel: str = "reference") -> openmm.PythonForce:
    """The force on the beads; OpenMM 8.4 or newer has the class.

    kernel: see ``programs.OneConfiguration``. Raises InputError for bundles that OpenMM cannot use.
    """
    mm, _, _ = import_openmm()
    if not hasattr(mm, "PythonForce"):
        raise InputError(
            f'OpenMM {mm.version.version} has no PythonForce: install version 8.4 or newer, pip install "openmm>=8.4"'
        )
    energy_and_forces = OneConfiguration(bundle_for("OpenMM", bundle), kernel)

    def computation(state: openmm.State) -> tuple[float, NDArray[np.float64]]:
        positions = state.getPositions(asNumpy=True)._value  # nm
        energy, forces = energy_and_forces(positions * NM_IN_ANGSTROM)
        return energy * KCAL_IN_KJ, forces / KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM

    return mm.PythonForce(computation)


def bead_system(
    bundle: Bundle | str | Path, force: openmm.Force | None = None, kernel: str = "reference"
) -> openmm.System:
    """An openmm.System with a particle of its own mass (amu) for each bead, and the force. It is not periodic.

    force: in place of ``bead_force(bundle, kernel)``, as a TorchForce of this model (torchscript.py).
    """
    mm, _, _ = import_openmm()
    own = bundle_for("OpenMM", bundle)
    system = mm.System()
    for mass in own.system.masses:
        system.addParticle(float(mass))
    system.addForce(bead_force(own, kernel) if force is None else force)
    return system


def bead_topology(bundle: Bundle | str | Path) -> openmm.app.Topology:
    """One chain with an atom for each bead, named after the atom it sits on, and the bonds between beads."""
    _, app, _ = import_openmm()
    own = bundle_for("OpenMM", bundle).system
    topology = app.Topology()
    chain = topology.addChain()
    residues = [topology.addResidue(name, chain) for name in own.residues]
    atoms = [topology.addAtom(name, None, residues[residue]) for residue, name in own.bead_atoms]
    for first, second in own.bonds:
        topology.addBond(atoms[first], atoms[second])
    return topology


def start_positions(bundle: Bundle | str | Path, start: int = 0) -> NDArray[np.float64]:
    """The ``start``-th of the bundle's starts, [n_beads, 3], nm, as ``context.setPositions`` takes it."""
    return bundle_for("OpenMM", bundle).starts[start].astype(np.float64) / NM_IN_ANGSTROM
