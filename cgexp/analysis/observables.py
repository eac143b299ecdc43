"""Observables of a chain of C-alpha beads: coords [n_frames, n_beads, 3] in Å -> [n_frames, n_coordinates].

Of a peptide with other beads too, its C-alpha beads alone are measured, so that mappings can be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp import geometry
from cgexp.systems.basins import SEPARATION
from cgexp.systems.peptide import Peptide, superposed_rmsd

Values = NDArray[np.float64]
_AT_ONCE = 50_000  # frames whose distances are held in memory at a time


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


def contact_pairs(n_residues: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and second C-alpha bead of every pair at least SEPARATION (3) residues apart: each [n_pairs]."""
    first, second = np.triu_indices(n_residues, SEPARATION)
    return first, second


def contacts(alpha: NDArray[np.floating], cutoff: float) -> NDArray[np.bool_]:
    """Which pairs are nearer than ``cutoff`` (Å): C-alpha coords [n_frames, n_residues, 3] -> [n_frames, n_pairs]."""
    first, second = contact_pairs(alpha.shape[1])
    parts = []
    for start in range(0, len(alpha), _AT_ONCE):
        part = np.asarray(alpha[start : start + _AT_ONCE], dtype=np.float64)
        parts.append(np.square(part[:, first] - part[:, second]).sum(axis=-1) < cutoff**2)
    return np.concatenate(parts) if parts else np.zeros((0, len(first)), dtype=np.bool_)


class Quantity(NamedTuple):
    """An observable: how it is measured on coords of C-alpha beads, how it stands on an axis, its period on a circle.

    measure: (coords [n_frames, n_residues, 3] in Å, the peptide) -> [n_frames, n_coordinates].
    """

    measure: Callable[[NDArray[np.floating], Peptide], Values]
    label: str
    unit: str
    period: float | None = None


# One entry a quantity: its W1 with resolution, JS, KL and density follow. Units other than Å: report/table.py.
QUANTITIES = {
    "bond": Quantity(lambda ca, _: bonds(ca), "CA-CA bond", "Å"),
    "angle": Quantity(lambda ca, _: angles(ca), "CA-CA-CA angle", "rad"),
    "dihedral": Quantity(lambda ca, _: dihedrals(ca), "CA dihedral", "rad", 2.0 * np.pi),
    "end_to_end": Quantity(lambda ca, _: end_to_end(ca), "end-to-end distance", "Å"),
    "rg": Quantity(lambda ca, _: radius_of_gyration(ca), "radius of gyration", "Å"),
    "rmsd": Quantity(lambda ca, system: superposed_rmsd(ca, system.native()[None]), "CA RMSD to native", "Å"),
}


def peptide_observables(coords: NDArray[np.floating], system: Peptide) -> dict[str, Values]:
    """Every quantity in QUANTITIES by name, each [n_frames, n_coordinates]; coords are of all beads of the system."""
    alpha = coords[:, system.ca]
    return {name: quantity.measure(alpha, system) for name, quantity in QUANTITIES.items()}


def _tensor(coords: NDArray[np.floating]) -> torch.Tensor:
    return torch.tensor(np.asarray(coords), dtype=torch.float64)
