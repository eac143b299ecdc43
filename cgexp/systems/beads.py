"""Bead mappings of a peptide: which atoms carry a bead, and how beads are bonded, typed and weighed.

'ca': one bead a residue, at its C-alpha atom. 'backbone5': N, CA, CB, C, O of every residue (glycine has no CB). Their
types are those of Charron et al. 2023 (arXiv:2310.18278): N, CA, C and O have one each; CB, or CA of glycine, that of
its residue.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Average mass of a residue -NH-CHR-CO- in amu (a chain's two ends add a water, 18.015).
RESIDUE_MASSES = {
    "A": 71.0779, "C": 103.1429, "D": 115.0874, "E": 129.1140, "F": 147.1739, "G": 57.0513, "H": 137.1393,
    "I": 113.1576, "K": 128.1723, "L": 113.1576, "M": 131.1961, "N": 114.1026, "P": 97.1152, "Q": 128.1292,
    "R": 156.1857, "S": 87.0773, "T": 101.1039, "V": 99.1311, "W": 186.2099, "Y": 163.1733,
}  # fmt: skip
RESIDUES = "".join(sorted(RESIDUE_MASSES))  # the type of a bead that stands for a residue is its index here
RESIDUE_NAMES = {
    "A": "ALA", "C": "CYS", "D": "ASP", "E": "GLU", "F": "PHE", "G": "GLY", "H": "HIS", "I": "ILE", "K": "LYS",
    "L": "LEU", "M": "MET", "N": "ASN", "P": "PRO", "Q": "GLN", "R": "ARG", "S": "SER", "T": "THR", "V": "VAL",
    "W": "TRP", "Y": "TYR",
}  # fmt: skip
ATOM_TYPES = {name: len(RESIDUES) + index for index, name in enumerate(("N", "CA", "C", "O"))}
HYDROGEN = 1.008
ATOM_MASSES = {"N": 14.007 + HYDROGEN, "CA": 12.011 + HYDROGEN, "C": 12.011, "O": 15.999}  # amu, with hydrogens
MAPPINGS = {"ca": ("CA",), "backbone5": ("N", "CA", "CB", "C", "O")}
BONDS = (("N", "CA"), ("CA", "CB"), ("CA", "C"), ("C", "O"))  # within a residue; C is bonded to the next residue's N

Atom = tuple[int, str]  # residue index, atom name


def bead_atoms(sequence: str, beads: str) -> list[Atom]:
    """(residue index, atom name) of every bead of a mapping, residue by residue."""
    return [(residue, name) for residue, letter in enumerate(sequence) for name in _names(letter, beads)]


def bead_bonds(sequence: str, beads: str) -> NDArray[np.int64]:
    """Bonded pairs of beads, lower index first, in order: [n_bonds, 2]; C-alpha beads are bonded along the chain."""
    index = {atom: bead for bead, atom in enumerate(bead_atoms(sequence, beads))}
    residues = range(len(sequence))
    if beads == "ca":
        bonds = [((residue, "CA"), (residue + 1, "CA")) for residue in residues[:-1]]
    else:
        bonds = [((residue, first), (residue, second)) for residue in residues for first, second in BONDS]
        bonds += [((residue, "C"), (residue + 1, "N")) for residue in residues[:-1]]
    pairs = sorted((index[first], index[second]) for first, second in bonds if second in index)
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def bead_types(sequence: str, beads: str) -> NDArray[np.int64]:
    """Type of every bead, [n_beads]: the residue's index in RESIDUES, or the atom's type in ATOM_TYPES."""
    types = []
    for residue, name in bead_atoms(sequence, beads):
        letter = sequence[residue]
        types.append(RESIDUES.index(letter) if _stands_for_residue(letter, name, beads) else ATOM_TYPES[name])
    return np.array(types, dtype=np.int64)


def bead_masses(sequence: str, beads: str) -> NDArray[np.float64]:
    """Mass of every bead in amu, [n_beads]; the beads of a residue add up to the whole residue.

    N, CA, C and O weigh what they and their hydrogens do; CB, or CA of glycine, takes the rest.
    """
    masses: list[float] = []
    for letter in sequence:
        names = _names(letter, beads)
        atoms = {name: _atom_mass(letter, name) for name in names if not _stands_for_residue(letter, name, beads)}
        rest = RESIDUE_MASSES[letter] - sum(atoms.values())
        masses += [atoms.get(name, rest) for name in names]
    return np.array(masses, dtype=np.float64)


def _names(letter: str, beads: str) -> tuple[str, ...]:
    return tuple(name for name in MAPPINGS[beads] if (letter, name) != ("G", "CB"))


def _stands_for_residue(letter: str, name: str, beads: str) -> bool:
    return beads == "ca" or name == "CB" or (letter, name) == ("G", "CA")


def _atom_mass(letter: str, name: str) -> float:
    return ATOM_MASSES[name] - (HYDROGEN if (letter, name) == ("P", "N") else 0.0)
