"""The all-atom peptide and its OpenMM system: ff14SB with OBC2 implicit solvent, built without a downloaded structure.

OpenMM and PeptideBuilder are imported inside the functions that use them, so that this module costs nothing to import.
Positions are in Å outside this module's OpenMM calls; OpenMM itself works in nm, kJ/mol and ps.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.units import NM_IN_ANGSTROM

FORCE_FIELD = ("amber14/protein.ff14SB.xml", "implicit/obc2.xml")
FORCE_FIELD_NAME = "ff14SB + OBC2"
HYDROGEN_MASS = 4.0  # amu, taken from the bonded heavy atom: allows a 4 fs step
FRICTION = 1.0  # 1/ps
TIME_STEP = 0.004  # ps
SOLUTE_DIELECTRIC, SOLVENT_DIELECTRIC = 1.0, 78.5
BORN_OFFSET = 0.009  # nm, which the file's parameter `or` has subtracted from the radius
MINIMISER_TOLERANCE = 10.0  # kJ/mol/nm

# Backbone torsions in degrees, phi of residues 2..n and psi of residues 1..n-1, of the native hairpin.
NATIVE_TORSIONS = {
    "YYDPETGTWY": (
        (-93.3, -75.6, -71.8, -91.9, -106.3, 70.4, -104.0, -80.6, -136.8),
        (150.4, 138.4, 133.6, -20.9, -40.8, -17.1, 17.0, 153.3, 133.2),
    ),
}
EXTENDED_PHI, EXTENDED_PSI = -120.0, 140.0


class OpenMM(NamedTuple):
    """The modules of OpenMM: openmm, openmm.app, openmm.unit."""

    mm: Any
    app: Any
    unit: Any


def import_openmm() -> OpenMM:
    """Import OpenMM, or raise InputError saying how to install it."""
    try:
        import openmm
        from openmm import app, unit
    except ImportError as error:
        raise InputError('OpenMM is not installed: all-atom forces need it; run pip install "cgexp[openmm]"') from error
    return OpenMM(openmm, app, unit)


@dataclass(frozen=True)
class AllAtom:
    """A peptide with all its atoms, in the one canonical order of ``build_peptide``.

    topology: openmm.app.Topology. positions: [n_atoms, 3], Å.
    """

    sequence: str
    topology: Any
    positions: NDArray[np.float64]

    @property
    def atoms(self) -> list[tuple[int, str]]:
        """(residue index, atom name) of every atom."""
        return [(atom.residue.index, atom.name) for atom in self.topology.atoms()]

    @property
    def ca(self) -> NDArray[np.int64]:
        """Index of the CA atom of every residue, [n_residues]."""
        return np.array([index for index, (_, name) in enumerate(self.atoms) if name == "CA"])


def build_peptide(sequence: str, torsions: tuple[Sequence[float], Sequence[float]] | None = None) -> AllAtom:
    """Build a peptide with hydrogens at pH 7 and charged ends; not minimised.

    torsions: phi of residues 2..n and psi of residues 1..n-1, degrees; None gives the extended chain. The atom order is
    the same for all torsions: by residue, then heavy atom by heavy atom, each followed by its hydrogens.
    Raises InputError without OpenMM and PeptideBuilder.
    """
    mm, app, unit = import_openmm()
    structure = app.PDBFile(io.StringIO(_heavy_atoms(sequence, torsions)))
    modeller = app.Modeller(structure.topology, structure.positions)
    # OpenMM places hydrogens through Python's global generator: fix it here and leave it as it was.
    state = random.getstate()
    random.seed(0)
    try:
        modeller.addHydrogens(
            app.ForceField(*FORCE_FIELD),
            # A histidine's tautomer would otherwise depend on the conformation, and with it the number of its atoms.
            variants=["HIE" if letter == "H" else None for letter in sequence],
            platform=mm.Platform.getPlatformByName("Reference"),
        )
    finally:
        random.setstate(state)
    positions = np.array(modeller.positions.value_in_unit(unit.angstrom), dtype=np.float64)
    return AllAtom(sequence, modeller.topology, positions)


def build_native(sequence: str) -> AllAtom:
    """The peptide in its native torsions, minimised. Raises InputError for a sequence whose torsions are not known."""
    if sequence not in NATIVE_TORSIONS:
        raise InputError(
            f"no native torsions are known for '{sequence}': expected one of {', '.join(NATIVE_TORSIONS)}; "
            "set dataset.n_native=0 to start from the extended chain"
        )
    return minimise(build_peptide(sequence, NATIVE_TORSIONS[sequence]))


def build_extended(sequence: str) -> AllAtom:
    """The extended chain, minimised."""
    return minimise(build_peptide(sequence))


def minimise(peptide: AllAtom) -> AllAtom:
    """Return the peptide at the nearest local minimum of the energy, without constraints."""
    context = make_context(make_system(peptide.topology, constrained=False), temperature=300.0, seed=1)
    context.setPositions(peptide.positions / NM_IN_ANGSTROM)
    import_openmm().mm.LocalEnergyMinimizer.minimize(context, MINIMISER_TOLERANCE)
    positions = context.getState(positions=True).getPositions(asNumpy=True)._value * NM_IN_ANGSTROM
    return AllAtom(peptide.sequence, peptide.topology, np.array(positions, dtype=np.float64))


def make_system(topology: Any, *, constrained: bool = True, native_gbsa: bool = True) -> Any:
    """Return the openmm.System of a topology: no cutoff, 4 amu hydrogens.

    constrained: bonds to hydrogen are rigid (HBonds). native_gbsa: the compiled GBSAOBCForce in place of the custom
    force of the force-field file; the same model, four times faster.
    """
    _, app, unit = import_openmm()
    system = app.ForceField(*FORCE_FIELD).createSystem(
        topology,
        nonbondedMethod=app.NoCutoff,
        constraints=app.HBonds if constrained else None,
        hydrogenMass=HYDROGEN_MASS * unit.amu,
        removeCMMotion=False,
    )
    if native_gbsa:
        _use_native_gbsa(system)
    return system


def make_context(system: Any, temperature: float, seed: int) -> Any:
    """Return a fresh openmm.Context with Langevin dynamics (LangevinMiddle, 1/ps, 4 fs) on one CPU thread.

    temperature: K. seed: positive; the dynamics repeat exactly for the same seed, state and machine.
    """
    mm, _, _ = import_openmm()
    integrator = mm.LangevinMiddleIntegrator(temperature, FRICTION, TIME_STEP)
    integrator.setRandomNumberSeed(seed)
    platform = mm.Platform.getPlatformByName("CPU")
    return mm.Context(system, integrator, platform, {"Threads": "1", "DeterministicForces": "true"})


def constraint_pairs(system: Any) -> NDArray[np.int64]:
    """Atom indices of the constrained bonds of an openmm.System, [n_constraints, 2]."""
    pairs = [system.getConstraintParameters(index)[:2] for index in range(system.getNumConstraints())]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _heavy_atoms(sequence: str, torsions: tuple[Sequence[float], Sequence[float]] | None) -> str:
    """Heavy atoms of the peptide as the text of a PDB file."""
    try:
        import PeptideBuilder
        from Bio.PDB import PDBIO
    except ImportError as error:
        raise InputError(
            'PeptideBuilder is not installed: all-atom structures need it; run pip install "cgexp[openmm]"'
        ) from error
    n_bonds = len(sequence) - 1
    phi, psi = torsions if torsions is not None else ([EXTENDED_PHI] * n_bonds, [EXTENDED_PSI] * n_bonds)
    structure = PeptideBuilder.make_structure(sequence, list(phi), list(psi))
    PeptideBuilder.add_terminal_OXT(structure)
    writer, text = PDBIO(), io.StringIO()
    writer.set_structure(structure)
    writer.save(text)
    return text.getvalue()


def _use_native_gbsa(system: Any) -> None:
    """Replace the CustomGBForce of implicit/obc2.xml by the compiled GBSAOBCForce, in place."""
    mm, _, _ = import_openmm()
    (index,) = (i for i, force in enumerate(system.getForces()) if isinstance(force, mm.CustomGBForce))
    custom = system.getForce(index)
    names = [custom.getPerParticleParameterName(i) for i in range(custom.getNumPerParticleParameters())]
    native = mm.GBSAOBCForce()
    native.setNonbondedMethod(mm.GBSAOBCForce.NoCutoff)
    native.setSoluteDielectric(SOLUTE_DIELECTRIC)
    native.setSolventDielectric(SOLVENT_DIELECTRIC)
    for particle in range(custom.getNumParticles()):
        values = dict(zip(names, custom.getParticleParameters(particle), strict=True))
        reduced_radius = values["or"]
        native.addParticle(values["charge"], reduced_radius + BORN_OFFSET, values["sr"] / reduced_radius)
    system.removeForce(index)
    system.addForce(native)
