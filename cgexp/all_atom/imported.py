"""Structures of peptides of your own, brought into canonical order; trajectories are read by datasets/trajectory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.atom_order import MMCIF, PDB, file_order, in_words, read_coordinate_file, reading
from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.structure import AllAtom, build_peptide
from cgexp.errors import InputError
from cgexp.units import NM_IN_ANGSTROM

BOND_LENGTHS = (1.0, 2.0)  # Å, shortest and longest
HYDROGEN_BOND_LENGTHS = (0.7, 1.5)  # Å, of bonds to hydrogen

Array = NDArray[np.float64]


def read_structure(path: str | Path, sequence: str) -> AllAtom:
    """Read a structure of a peptide with all its hydrogens: PDB, mmCIF, or another format of mdtraj's; the first model.

    Of alternate locations the one of highest occupancy is taken. Raises InputError if the file cannot be read, holds
    other residues, also D-residues, lacks an atom or has one too many, or if a bond has not the length of a bond.
    """
    _, _, unit = import_openmm()
    path, peptide = Path(path), build_peptide(sequence)
    _, index = file_order(path, peptide)
    if path.suffix.lower() in (*PDB, *MMCIF):
        positions = np.array(read_coordinate_file(path).getPositions(asNumpy=True).value_in_unit(unit.angstrom))
    else:
        import mdtraj

        positions = reading(path, lambda: mdtraj.load(str(path))).xyz[0].astype(np.float64) * NM_IN_ANGSTROM
    _check_bonds(positions[index], peptide, path)
    _check_chirality(positions[index], peptide, path)
    return AllAtom(sequence, peptide.topology, positions[index])


def _check_bonds(positions: Array, peptide: AllAtom, path: Path) -> None:
    """Raise InputError unless bonds have their length; positions [n_atoms, 3], Å."""
    for a, b in peptide.topology.bonds():
        shortest, longest = HYDROGEN_BOND_LENGTHS if "H" in (a.element.symbol, b.element.symbol) else BOND_LENGTHS
        length = float(np.linalg.norm(positions[a.index] - positions[b.index]))
        if not shortest <= length <= longest:
            first, second = (in_words(peptide.atoms[atom.index], peptide) for atom in (a, b))
            raise InputError(
                f"{path}: an atom bears the name of another: {first} and {second} are {length:.2f} Å apart, expected a "
                f"bond of {shortest:g} to {longest:g} Å; name the atoms in the file's order"
            )


def _check_chirality(positions: Array, peptide: AllAtom, path: Path) -> None:
    """Raise InputError for a residue whose side chain is where a D-amino acid has it; positions [n_atoms, 3], Å."""
    place = {atom: number for number, atom in enumerate(peptide.atoms)}
    for residue in range(len(peptide.sequence)):
        if (residue, "CB") not in place:
            continue
        ca, nitrogen, carbon, side = (positions[place[residue, name]] for name in ("CA", "N", "C", "CB"))
        if np.dot(np.cross(nitrogen - ca, carbon - ca), side - ca) < 0.0:
            name = in_words((residue, "CB"), peptide).partition(" of ")[2]
            raise InputError(f"{path}: {name} is a D-amino acid: expected L-amino acids; is it a mirror image?")
