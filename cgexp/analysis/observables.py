"""Observables of a chain of C-alpha beads: coords [n_frames, n_beads, 3] in Å -> [n_frames, n_coordinates].

Of a peptide with other beads too, its C-alpha beads alone are measured, so that mappings can be compared.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp import geometry
from cgexp.systems.peptide import Peptide, superposed_rmsd

Values = NDArray[np.float64]


class Quantity(NamedTuple):
    """How an observable is written on an axis, and its period if it lives on a circle."""

    label: str
    unit: str
    period: float | None = None


QUANTITIES = {
    "bond": Quantity("CA-CA bond", "Å"),
    "angle": Quantity("CA-CA-CA angle", "rad"),
    "dihedral": Quantity("CA dihedral", "rad", 2.0 * np.pi),
    "end_to_end": Quantity("end-to-end distance", "Å"),
    "rg": Quantity("radius of gyration", "Å"),
    "rmsd": Quantity("CA RMSD to native", "Å"),
}


def bonds(coords: NDArray[np.floating]) -> Values:
    """Distances of neighbours along the chain: [n_frames, n_beads - 1], Å."""
    return geometry.distances(_tensor(coords), geometry.bond_list(coords.shape[1])).numpy()


def angles(coords: NDArray[np.floating]) -> Values:
    """Angles of three consecutive beads: [n_frames, n_beads - 2], rad in [0, pi]."""
    return geometry.angles(_tensor(coords), geometry.angle_list(coords.shape[1])).numpy()


def dihedrals(coords: NDArray[np.floating]) -> Values:
    """Dihedrals of four consecutive beads: [n_frames, n_beads - 3], rad in (-pi, pi]."""
    return geometry.dihedrals(_tensor(coords), geometry.dihedral_list(coords.shape[1])).numpy()


def pair_distances(coords: NDArray[np.floating]) -> Values:
    """All distances, pairs ordered by first, then second bead: [n_frames, n_beads (n_beads - 1) / 2], Å."""
    return geometry.distances(_tensor(coords), geometry.pair_list(coords.shape[1])).numpy()


def end_to_end(coords: NDArray[np.floating]) -> Values:
    """Distance of the first and the last bead: [n_frames, 1], Å."""
    coords = np.asarray(coords, dtype=np.float64)
    return np.linalg.norm(coords[:, -1] - coords[:, 0], axis=-1)[:, None]


def radius_of_gyration(coords: NDArray[np.floating]) -> Values:
    """Root mean square distance of the beads from their centroid, all beads alike: [n_frames, 1], Å."""
    coords = np.asarray(coords, dtype=np.float64)
    centred = coords - coords.mean(axis=1, keepdims=True)
    return np.sqrt(np.square(centred).sum(axis=-1).mean(axis=1))[:, None]


def rmsd_to_native(coords: NDArray[np.floating], system: Peptide) -> Values:
    """Superposed RMSD of the C-alpha beads to the native structure: [n_frames, 1], Å. A mirror image is another."""
    return superposed_rmsd(coords[:, system.ca], system.native()[None])


def peptide_observables(coords: NDArray[np.floating], system: Peptide) -> dict[str, Values]:
    """Every quantity in QUANTITIES by name, each [n_frames, n_coordinates]; coords are of all beads of the system."""
    alpha = coords[:, system.ca]
    return {
        "bond": bonds(alpha),
        "angle": angles(alpha),
        "dihedral": dihedrals(alpha),
        "end_to_end": end_to_end(alpha),
        "rg": radius_of_gyration(alpha),
        "rmsd": rmsd_to_native(coords, system),
    }


def _tensor(coords: NDArray[np.floating]) -> torch.Tensor:
    return torch.tensor(np.asarray(coords), dtype=torch.float64)
