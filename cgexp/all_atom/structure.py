"""The all-atom peptide, built from its sequence without a downloaded structure, and put into a box of water.

OpenMM and PeptideBuilder are imported inside the functions that use them, so that this module costs nothing to import.
"""

from __future__ import annotations

import io
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.engine import make_context
from cgexp.all_atom.force_field import DEFAULT, FF14SB, SOLVENT_FILES, ForceField, make_system
from cgexp.all_atom.modules import import_openmm
from cgexp.errors import InputError
from cgexp.systems.peptide import Peptide
from cgexp.units import NM_IN_ANGSTROM

if TYPE_CHECKING:
    import openmm.app
    from PeptideBuilder import Geometry

_RANDOM = threading.RLock()  # the generator is shared by all threads
MINIMISER_TOLERANCE = 10.0  # kJ/mol/nm
EXTENDED_PHI, EXTENDED_PSI = -120.0, 140.0  # degrees
ACETYL, METHYL_AMIDE = "ACE", "NME"


@dataclass(frozen=True)
class Torsions:
    """Torsions of a peptide of n residues, in degrees.

    phi: of residues 2..n. psi: of residues 1..n-1. chi: of every residue, its side chain's from the backbone outwards;
    the torsions that are not given keep the usual rotamer. () gives none of them.
    """

    phi: Sequence[float]
    psi: Sequence[float]
    chi: Sequence[Sequence[float]] = ()

    @classmethod
    def extended(cls, n_residues: int) -> Torsions:
        """Of the extended chain."""
        return cls((EXTENDED_PHI,) * (n_residues - 1), (EXTENDED_PSI,) * (n_residues - 1))

    def with_caps(self) -> Torsions:
        """With a residue more at either end, in the extended conformation, of which a cap is made."""
        phi, psi = (EXTENDED_PHI, *self.phi, EXTENDED_PHI), (EXTENDED_PSI, *self.psi, EXTENDED_PSI)
        return Torsions(phi, psi, ((), *self.chi, ()) if self.chi else ())


# The hairpin: side chains of its crystal, PDB 5AWL (Honda et al. 2008, doi:10.1021/ja8030533), whose turn is capped by
# Asp3. CA RMSD cannot tell these side chains from others, but the fold lasts only with them.
NATIVE_TORSIONS = {
    "YYDPETGTWY": Torsions(
        phi=(-93.3, -75.6, -71.8, -91.9, -106.3, 70.4, -104.0, -80.6, -136.8),
        psi=(150.4, 138.4, 133.6, -20.9, -40.8, -17.1, 17.0, 153.3, 133.2),
        chi=((-46, 96), (-67, 99), (-175, -77), (26,), (-78, -67, 152), (63,), (), (56,), (-175, -98), (69, 95)),
    ),
}


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
        """(residue index, atom name) of every atom; with caps the acetyl group is -1."""
        n_before = sum(residue.name == ACETYL for residue in self.topology.residues())
        return [(atom.residue.index - n_before, atom.name) for atom in self.topology.atoms()]

    @property
    def ca(self) -> NDArray[np.int64]:
        """Index of the CA atom of every residue, [n_residues]."""
        return np.array([index for index, (_, name) in enumerate(self.atoms) if name == "CA"])


def build_peptide(sequence: str, torsions: Torsions | None = None, caps: bool = False) -> AllAtom:
    """Build a peptide with hydrogens at pH 7 and charged ends; not minimised.

    torsions: None gives the extended chain. caps: an acetyl and an N-methyl amide group in place of charged ends. The
    atom order is the same for all torsions: by residue, then heavy atom by heavy atom, each followed by its hydrogens.
    Raises InputError for a letter that is none of the 20 residues, and without OpenMM and PeptideBuilder.
    """
    Peptide(sequence + "G" * caps)  # refuses other letters
    mm, app, unit = import_openmm()
    torsions = torsions or Torsions.extended(len(sequence))
    text = _capped(_heavy_atoms(f"G{sequence}G", torsions.with_caps())) if caps else _heavy_atoms(sequence, torsions)
    structure = app.PDBFile(io.StringIO(text))
    modeller = app.Modeller(structure.topology, structure.positions)
    with fixed_random():
        modeller.addHydrogens(
            app.ForceField(FF14SB, SOLVENT_FILES["obc2"]),  # hydrogens are placed the same way for any dynamics
            # A histidine's tautomer would otherwise depend on the conformation, and with it the number of its atoms.
            variants=["HIE" if residue.name == "HIS" else None for residue in structure.topology.residues()],
            platform=mm.Platform.getPlatformByName("Reference"),
        )
    positions = np.array(modeller.positions.value_in_unit(unit.angstrom), dtype=np.float64)
    return AllAtom(sequence, modeller.topology, positions)


def build_native(sequence: str, force_field: ForceField = DEFAULT, caps: bool = False) -> AllAtom:
    """The peptide in its native torsions, minimised. Raises InputError for a sequence whose torsions are not known."""
    if sequence not in NATIVE_TORSIONS:
        raise InputError(
            f"no native torsions are known for '{sequence}': expected one of {', '.join(NATIVE_TORSIONS)}; "
            "start from the extended chain with dataset/protocol=extended"
        )
    return _minimised(sequence, NATIVE_TORSIONS[sequence], force_field, caps)


def build_extended(sequence: str, force_field: ForceField = DEFAULT) -> AllAtom:
    """The extended chain, minimised."""
    return _minimised(sequence, Torsions.extended(len(sequence)), force_field)


def _minimised(sequence: str, torsions: Torsions, force_field: ForceField, caps: bool = False) -> AllAtom:
    found = _made(sequence, torsions, force_field.implicit, caps)
    return replace(found, positions=found.positions.copy())


@lru_cache(maxsize=8)  # it takes seconds, and a back-mapper asks for the same three times
def _made(sequence: str, torsions: Torsions, force_field: ForceField, caps: bool) -> AllAtom:
    return minimise(build_peptide(sequence, torsions, caps), force_field)


def minimise(peptide: AllAtom, force_field: ForceField = DEFAULT) -> AllAtom:
    """Return the peptide at the nearest local minimum of the energy, without constraints; on the CPU everywhere.

    A force field with explicit water is replaced by its ``implicit``: the peptide has no water yet.
    """
    system = make_system(peptide.topology, force_field.implicit, constrained=False)
    context = make_context(system, temperature=300.0, seed=1, platform="CPU")
    context.setPositions(peptide.positions / NM_IN_ANGSTROM)
    import_openmm().mm.LocalEnergyMinimizer.minimize(context, MINIMISER_TOLERANCE)
    positions = context.getState(positions=True).getPositions(asNumpy=True)._value * NM_IN_ANGSTROM
    return AllAtom(peptide.sequence, peptide.topology, np.array(positions, dtype=np.float64))


@contextmanager
def fixed_random() -> Iterator[None]:
    """Fix Python's global generator, through which OpenMM places hydrogens and ions, and leave it as it was."""
    with _RANDOM:
        state = random.getstate()
        random.seed(0)
        try:
            yield
        finally:
            random.setstate(state)


def _heavy_atoms(sequence: str, torsions: Torsions) -> str:
    """Heavy atoms of the peptide as the text of a PDB file."""
    try:
        import PeptideBuilder
        from Bio.PDB import PDBIO
    except ImportError as error:
        raise InputError(
            'PeptideBuilder is not installed: all-atom structures need it; run pip install "cgexp[openmm]"'
        ) from error
    residues = [PeptideBuilder.Geometry.geometry(letter) for letter in sequence]
    for residue, phi, psi in zip(residues[1:], torsions.phi, torsions.psi, strict=True):
        residue.phi, residue.psi_im1 = phi, psi
    for residue, chi in zip(residues, torsions.chi, strict=bool(torsions.chi)):
        _turn_side_chain(residue, chi)
    structure = PeptideBuilder.make_structure_from_geos(residues)
    with np.errstate(invalid="ignore"):  # it divides zero by zero where N, CA, C and O lie in a plane, harmlessly
        PeptideBuilder.add_terminal_OXT(structure)
    writer, text = PDBIO(), io.StringIO()
    writer.set_structure(structure)
    writer.save(text)
    return text.getvalue()


def _capped(text: str) -> str:
    """The text of a PDB file in which the first glycine is an acetyl group and the last an N-methyl amide."""
    atoms = [line for line in text.splitlines() if line.startswith("ATOM")]
    last = int(atoms[-1][22:26])
    names = {1: (ACETYL, {"CA": "CH3", "C": "C", "O": "O"}), last: (METHYL_AMIDE, {"N": "N", "CA": "C"})}
    lines = []
    for line in atoms:
        name, number = line[12:16].strip(), int(line[22:26])
        residue, kept = names.get(number, (line[17:20], {name: name}))
        if name in kept:
            lines.append(f"{line[:12]} {kept[name]:<3} {residue}{line[20:]}")
    return "\n".join([*lines, "TER", "END", ""])


def _turn_side_chain(residue: Geometry.Geo, chi: Sequence[float]) -> None:
    """Give a residue of PeptideBuilder these side-chain torsions (degrees).

    It has one dihedral an atom: those with the same first three atoms are the branches of one torsion and turn
    together. They come from the backbone outwards, of branches the one first that names the torsion (IUPAC 1970).
    """
    torsions: dict[str, list[str]] = {}
    for name in vars(residue):
        *axis, _, kind = name.split("_") if name.count("_") > 1 else ("", "")
        if kind == "diangle" and {*axis[1:]} != {"C", "CA"}:
            torsions.setdefault("_".join(axis), []).append(name)
    for branches, angle in zip(list(torsions.values())[: len(chi)], chi, strict=True):
        turn = angle - getattr(residue, branches[0])
        for branch in branches:
            setattr(residue, branch, getattr(residue, branch) + turn)


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


def with_barostat(system: openmm.System, temperature: float, seed: int) -> openmm.System:
    """A copy of an openmm.System with a Monte Carlo barostat (1 bar; temperature in K)."""
    mm, _, _ = import_openmm()
    copy = mm.XmlSerializer.clone(system)
    barostat = mm.MonteCarloBarostat(PRESSURE, temperature, BAROSTAT_INTERVAL)
    barostat.setRandomNumberSeed(seed)
    copy.addForce(barostat)
    return copy
