"""How the side chains of a folded CLN025 are packed, which its C-alpha atoms cannot tell.

In the crystal (PDB 5AWL, Honda et al. 2008, doi:10.1021/ja8030533) an O-delta of Asp3 caps the turn: it is 3.0 Å from
the N of Thr6. chi1 of Asp3, Trp9 and Tyr10 are -175, -175 and 69 degrees.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp.all_atom.mapping.sites import Atoms
from cgexp.geometry import dihedrals

CAPPED = 3.5  # Å, of the turn cap: below
CHI1 = {"Asp3": (2, -175.0), "Trp9": (8, -175.0), "Tyr10": (9, 69.0)}  # residue index and degrees in the crystal
ROTAMER = 60.0  # degrees from the crystal's chi1 within which a side chain has its rotamer
ROTAMERS = {"gauche+": 60.0, "trans": 180.0, "gauche-": -60.0}  # degrees
Values = NDArray[np.float64]


def turn_cap(positions: NDArray[np.floating], atoms: Atoms) -> Values:
    """Distance from the nearer O-delta of Asp3 to the N of Thr6, Å: positions [..., n_atoms, 3] -> [...].

    atoms: (residue index, atom name) of every atom, as ``AllAtom.atoms``.
    """
    names = list(atoms)
    oxygen = positions[..., [names.index((2, name)) for name in ("OD1", "OD2")], :]
    nitrogen = positions[..., [names.index((5, "N"))], :]
    return np.asarray(np.linalg.norm(oxygen - nitrogen, axis=-1).min(axis=-1), dtype=np.float64)


def chi1(positions: NDArray[np.floating], atoms: Atoms) -> dict[str, Values]:
    """chi1 of Asp3, Trp9 and Tyr10 in degrees, by name: positions [n_frames, n_atoms, 3] -> [n_frames] each."""
    names = list(atoms)
    quads = [[names.index((residue, name)) for name in ("N", "CA", "CB", "CG")] for residue, _ in CHI1.values()]
    coords = torch.from_numpy(np.asarray(positions, dtype=np.float64))
    found = np.degrees(dihedrals(coords, torch.tensor(quads)).numpy())
    return dict(zip(CHI1, found.T, strict=True))


def native_rotamers(angles: dict[str, Values]) -> dict[str, NDArray[np.bool_]]:
    """Whether each side chain of ``chi1`` is within ROTAMER of the crystal's."""
    return {name: _near(angles[name], native) for name, (_, native) in CHI1.items()}


def rotamer_shares(angles: Values) -> dict[str, float]:
    """Share of the frames in each of the three rotamers of a side chain: angles in degrees, [n_frames]."""
    return {name: float(_near(angles, centre).mean()) for name, centre in ROTAMERS.items()}


def _near(angles: Values, centre: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs((angles - centre + 180.0) % 360.0 - 180.0) < ROTAMER)
