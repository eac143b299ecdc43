"""The residues of a peptide by the names that force fields give them, and whether all their atoms are there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from cgexp.errors import InputError
from cgexp.systems.beads import RESIDUE_NAMES

if TYPE_CHECKING:
    import mdtraj

CAPS = ("ACE", "FOR", "NME", "NMA", "NHE", "NH2")  # groups at the ends of a chain, which get no bead
VARIANTS = {
    "HID": "H", "HIE": "H", "HIP": "H", "HSD": "H", "HSE": "H", "HSP": "H", "HISD": "H", "HISE": "H", "HISH": "H",
    "CYX": "C", "CYM": "C", "CYS2": "C", "ASH": "D", "ASPP": "D", "GLH": "E", "GLUP": "E", "LYN": "K", "LSN": "K",
}  # fmt: skip
BRIDGED = ("CYS", "CYX", "CYS2")  # cysteines that are not charged
LETTERS = {name: letter for letter, name in RESIDUE_NAMES.items()} | VARIANTS
BACKBONE = ("N", "CA", "C", "O")
SIDE_CHAINS = {
    "A": "CB", "C": "CB SG", "D": "CB CG OD1 OD2", "E": "CB CG CD OE1 OE2", "F": "CB CG CD1 CD2 CE1 CE2 CZ", "G": "",
    "H": "CB CG ND1 CD2 CE1 NE2", "I": "CB CG1 CG2 CD1", "K": "CB CG CD CE NZ", "L": "CB CG CD1 CD2",
    "M": "CB CG SD CE", "N": "CB CG OD1 ND2", "P": "CB CG CD", "Q": "CB CG CD OE1 NE2", "R": "CB CG CD NE CZ NH1 NH2",
    "S": "CB OG", "T": "CB OG1 CG2", "V": "CB CG1 CG2", "W": "CB CG CD1 CD2 NE1 CE2 CE3 CZ2 CZ3 CH2",
    "Y": "CB CG CD1 CD2 CE1 CE2 CZ OH",
}  # fmt: skip
TERMINAL = ("OXT", "OT2", "O2", "OC2")  # the second oxygen of a charged end
OTHER_NAMES = {"O": ("OT1", "O1", "OC1"), "CD1": ("CD",)}  # of atoms that CHARMM and GROMACS call otherwise


def amino_acids(topology: mdtraj.Topology) -> list[mdtraj.core.topology.Residue]:
    """The residues that get beads, in order: all but caps.

    Raises InputError for a residue that is no amino acid.
    """
    found = []
    for residue in topology.residues:
        if residue.name in CAPS:
            continue
        if residue.name not in LETTERS:
            raise InputError(
                f"residue {in_words(residue)} is none of the 20 amino acids or their variants: choose beads by a "
                "selection of atoms (mapping='name CA C1') or a table (mapping=table), or leave it out with "
                f"solute='not resname {residue.name}'"
            )
        found.append(residue)
    if not found:
        raise InputError(
            "the topology has no amino acids: choose beads by a selection of atoms (mapping='not element H') or a "
            "table (mapping=table)"
        )
    return found


def letters(residues: Sequence[mdtraj.core.topology.Residue]) -> str:
    """One-letter codes of amino acids; a variant has that of its residue."""
    return "".join(LETTERS[residue.name] for residue in residues)


def atom_named(residue: mdtraj.core.topology.Residue, name: str) -> int | None:
    """Index of an atom of a residue by its PDB name, or by what other programs call it; None where there is none."""
    by_name = {atom.name: int(atom.index) for atom in residue.atoms}
    return next((by_name[one] for one in (name, *OTHER_NAMES.get(name, ())) if one in by_name), None)


def in_words(residue: mdtraj.core.topology.Residue) -> str:
    """'TYR 5', with the number that the file gives it."""
    return f"{residue.name} {residue.resSeq}"


def require_complete(residue: mdtraj.core.topology.Residue) -> None:
    """Raise InputError for an amino acid that lacks heavy atoms."""
    if residue.name not in LETTERS:
        return
    expected = (*BACKBONE, *SIDE_CHAINS[LETTERS[residue.name]].split())
    missing = [name for name in expected if atom_named(residue, name) is None]
    inside = [atom for atom in residue.atoms if atom.name not in TERMINAL]
    heavy = sum(atom.element is not None and atom.element.symbol not in ("H", "D") for atom in inside)
    if missing and (heavy < len(expected) or not {"N", "CA", "C"}.isdisjoint(missing)):
        raise InputError(
            f"residue {in_words(residue)} lacks {', '.join(missing)}: expected all atoms that were simulated, since "
            "their forces are part of those on the beads; give the topology that the simulation ran with"
        )


def require_one_chain(residues: Sequence[mdtraj.core.topology.Residue], topology: mdtraj.Topology) -> None:
    """Raise InputError unless peptide bonds, and no others, join each amino acid to the next.

    residues: two or more. Bridges may hold several chains together in one molecule, which the bonds of beads would not
    tell from one chain.
    """
    bonds = {frozenset((a.index, b.index)) for a, b in topology.bonds}

    def joined(first: mdtraj.core.topology.Residue, second: mdtraj.core.topology.Residue) -> bool:
        return frozenset((atom_named(first, "C"), atom_named(second, "N"))) in bonds

    for first, second in pairwise(residues):
        if not joined(first, second):
            raise InputError(
                f"C of {in_words(first)} and N of {in_words(second)} are not bonded: several chains, which bridges may "
                "hold together, are not modelled yet; choose one with solute='chainid 0', or give a topology with that "
                "bond"
            )
    if len(residues) > 2 and joined(residues[-1], residues[0]):
        raise InputError(
            f"C of {in_words(residues[-1])} and N of {in_words(residues[0])} are bonded: rings are not modelled by "
            "mapping=calpha and backbone5; use mapping=com, whose beads have the bonds of the topology"
        )


def require_bridges(topology: mdtraj.Topology, path: Path) -> None:
    """Raise InputError for cysteines whose sulphurs have lost their hydrogens to a bridge that no bond states.

    topology: of the whole file, in which a bridge may lead to what is not modelled.
    """
    neighbours: dict[int, set[str]] = {}
    for a, b in topology.bonds:
        neighbours.setdefault(a.index, set()).add(b.name)
        neighbours.setdefault(b.index, set()).add(a.name)
    sulphurs = [atom for atom in topology.atoms if atom.name == "SG" and atom.residue.name in BRIDGED]
    lonely = [atom for atom in sulphurs if neighbours.get(atom.index, set()) <= {"CB"}]
    if lonely and any(atom.element is not None and atom.element.symbol == "H" for atom in topology.atoms):
        which = " and ".join(in_words(atom.residue) for atom in lonely)
        pair = "".join(f"{atom.serial:5d}" for atom in lonely) if len(lonely) == 2 and lonely[0].serial else ""
        raise InputError(
            f"{path}: SG of {which} {'has' if len(lonely) == 1 else 'have'} neither a hydrogen nor a bond to another "
            f"sulphur: state every bridge in the PDB file, by a line CONECT{pair or ' <atom> <atom>'}"
        )
