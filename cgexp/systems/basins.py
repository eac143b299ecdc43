"""Basins of a hairpin peptide: folded, misfolded, transition or unfolded, told from C-alpha coordinates alone.

They are regions of configuration space, defined by distances; nothing is claimed about kinetics or committors.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.systems.metric import superposed_rmsd

FOLDED, TRANSITION = 2.0, 3.0  # Å of C-alpha RMSD to the native structure
CONTACT, SEPARATION = 6.5, 3  # C-alpha atoms that many residues apart and closer than this (Å) are in contact
N_CONTACTS = 3  # in one register, from which on a chain is hairpin-like
BASINS = {
    "folded": f"C-alpha RMSD to the native structure below {FOLDED:g} Å",
    "misfolded": (
        f"hairpin-like but wrong: at least {N_CONTACTS} contacts (C-alpha atoms within {CONTACT:g} Å, {SEPARATION} or "
        f"more residues apart) in one antiparallel register i + j, and either another register than the native one "
        f"(RMSD at least {FOLDED:g} Å), or the native one with RMSD at least {TRANSITION:g} Å"
    ),
    "transition": f"RMSD from {FOLDED:g} to {TRANSITION:g} Å and not misfolded: near the native structure, not in it",
    "unfolded": f"RMSD at least {TRANSITION:g} Å and not hairpin-like",
}


def basin_of(ca: NDArray[np.floating], native: NDArray[np.floating]) -> NDArray[np.str_]:
    """The name of each configuration's basin, a key of BASINS: ca [n, n_residues, 3], native [n_residues, 3], Å."""
    rmsd = superposed_rmsd(ca, native[None])[:, 0]
    contacts = register_contacts(ca)
    hairpin = contacts.max(axis=1) >= N_CONTACTS
    wrong = contacts.argmax(axis=1) != register_contacts(native[None])[0].argmax()
    misfolded = hairpin & ((wrong & (rmsd >= FOLDED)) | (rmsd >= TRANSITION))
    return np.select(
        [rmsd < FOLDED, misfolded, rmsd < TRANSITION], ["folded", "misfolded", "transition"], default="unfolded"
    )


def register_contacts(ca: NDArray[np.floating]) -> NDArray[np.int64]:
    """Contacts of residues i and j in every antiparallel register i + j: [n, 2 n_residues - 1].

    The strands of a hairpin face each other along one register; a shifted hairpin has another one.
    """
    n_residues = ca.shape[1]
    first, second = np.triu_indices(n_residues, SEPARATION)
    near = np.linalg.norm(ca[:, first] - ca[:, second], axis=-1) < CONTACT
    contacts = np.zeros((len(ca), 2 * n_residues - 1), dtype=np.int64)
    np.add.at(contacts.T, first + second, near.T)
    return contacts
