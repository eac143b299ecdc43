"""Handedness and peptide bonds of an all-atom peptide: which four atoms measure them, and how.

A stereocentre is measured by the improper torsion of three of its neighbours and itself. With the neighbours in the
order given here it is near -33° in natural amino acids (L; threonine 2S,3R; isoleucine 2S,3S) and +33° in their mirror
images.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp.all_atom.structure import AllAtom
from cgexp.errors import InputError
from cgexp.geometry import dihedrals

Quads = NDArray[np.int64]

CA_CENTRE = ("N", "C", "CB", "CA")
CB_CENTRES = {"T": ("CA", "OG1", "CG2", "CB"), "I": ("CA", "CG1", "CG2", "CB")}


def stereocentres(peptide: AllAtom) -> Quads:
    """Atoms of the improper torsion of every stereocentre, [n_centres, 4], the centre last; glycine has none."""
    index = {atom: number for number, atom in enumerate(peptide.atoms)}
    centres = []
    for residue, letter in enumerate(peptide.sequence):
        if letter != "G":
            centres.append([index[residue, name] for name in CA_CENTRE])
        if letter in CB_CENTRES:
            centres.append([index[residue, name] for name in CB_CENTRES[letter]])
    return np.array(centres, dtype=np.int64).reshape(-1, 4)


def peptide_bonds(peptide: AllAtom) -> Quads:
    """Atoms CA, C, N, CA of the torsion omega of every peptide bond, [n_residues - 1, 4]."""
    index = {atom: number for number, atom in enumerate(peptide.atoms)}
    bonds = [
        [index[residue, "CA"], index[residue, "C"], index[residue + 1, "N"], index[residue + 1, "CA"]]
        for residue in range(len(peptide.sequence) - 1)
    ]
    return np.array(bonds, dtype=np.int64).reshape(-1, 4)


def torsions(positions: NDArray[np.floating], quads: Quads) -> NDArray[np.float64]:
    """Dihedral angles in rad, [n_quads], at positions [n_atoms, 3] in Å."""
    coords = torch.from_numpy(np.array(positions, dtype=np.float64))
    return np.array(dihedrals(coords[None], torch.from_numpy(quads))[0].numpy())


def natural_torsions(peptide: AllAtom) -> tuple[Quads, NDArray[np.float64]]:
    """Atoms [n, 4] and values [n] (rad) of the torsions of sound stereochemistry: omega trans, stereocentres as built.

    Raises InputError if a stereocentre of the peptide is the mirror image: it does not come from ``build_peptide``.
    """
    bonds, centres = peptide_bonds(peptide), stereocentres(peptide)
    impropers = torsions(peptide.positions, centres)
    for centre in np.flatnonzero(impropers >= 0.0):
        residue = peptide.atoms[centres[centre, 3]][0]
        raise InputError(
            f"residue {residue + 1} of the peptide '{peptide.sequence}' is the mirror image of the natural amino acid: "
            "expected a peptide made by build_peptide"
        )
    return np.concatenate([bonds, centres]), np.concatenate([np.full(len(bonds), np.pi), impropers])
