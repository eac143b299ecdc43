"""Distances, angles and dihedrals of bead configurations, and the lists of beads they run over.

All functions take coords [n_frames, n_beads, n_dims] and are differentiable twice. Gradients are finite wherever the
quantity itself is: beads that coincide, and three beads exactly on a line, are the only singular configurations.
"""

from __future__ import annotations

import torch
from torch import Tensor


def displacements(coords: Tensor, pairs: Tensor) -> Tensor:
    """Vectors x_i - x_j of each pair (i, j): pairs [n_pairs, 2] -> [n_frames, n_pairs, n_dims]."""
    return _between(coords, pairs, 0, 1)


def distances(coords: Tensor, pairs: Tensor) -> Tensor:
    """Distance of each pair: pairs [n_pairs, 2] -> [n_frames, n_pairs], in the unit of coords."""
    return displacements(coords, pairs).square().sum(-1).sqrt()


def angles(coords: Tensor, triples: Tensor) -> Tensor:
    """Angle at the middle bead of each triple: triples [n_angles, 3] -> [n_frames, n_angles], rad in [0, pi].

    The arctangent of |a x b| and a . b keeps full precision near 0 and pi, where the arccosine loses half the digits.
    Three dimensions only.
    """
    first, second = _between(coords, triples, 0, 1), _between(coords, triples, 2, 1)
    sine = torch.linalg.cross(first, second).square().sum(-1).sqrt()
    return torch.atan2(sine, (first * second).sum(-1))


def dihedrals(coords: Tensor, quads: Tensor) -> Tensor:
    """Dihedral angle of each quadruple: quads [n_dihedrals, 4] -> [n_frames, n_dihedrals], rad in (-pi, pi].

    Sign after IUPAC: positive if, looking along the middle bond, the far bond is turned clockwise; trans is pi.
    Three dimensions only.
    """
    cosine, sine = _dihedral_components(coords, quads)
    return torch.atan2(sine, cosine)


def dihedral_cos_sin(coords: Tensor, quads: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the dihedrals, each [n_frames, n_dihedrals]: features without a jump at pi."""
    cosine, sine = _dihedral_components(coords, quads)
    norm = (cosine.square() + sine.square()).sqrt()
    return cosine / norm, sine / norm


def _dihedral_components(coords: Tensor, quads: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine times one common positive factor, |b1 x b2| |b2 x b3|."""
    b1, b2, b3 = (_between(coords, quads, k + 1, k) for k in range(3))
    normal = torch.linalg.cross(b2, b3)
    cosine = (torch.linalg.cross(b1, b2) * normal).sum(-1)
    sine = b2.square().sum(-1).sqrt() * (b1 * normal).sum(-1)
    return cosine, sine


def _between(coords: Tensor, beads: Tensor, i: int, j: int) -> Tensor:
    """Vectors from the beads of column j to those of column i. A list of columns as an index would be copied to the
    device at every call, which waits for it and cannot stand in a CUDA graph."""
    return coords.index_select(1, beads[:, i]) - coords.index_select(1, beads[:, j])


def pair_list(n_beads: int, min_separation: int = 1) -> Tensor:
    """Pairs (i, j) with j - i >= min_separation along the chain: [n_pairs, 2], int64, ordered by i, then j."""
    return torch.stack(torch.triu_indices(n_beads, n_beads, offset=min_separation).unbind(), dim=1)


def bond_list(n_beads: int) -> Tensor:
    """Neighbours along the chain: [n_beads - 1, 2], int64."""
    return _windows(n_beads, 2)


def angle_list(n_beads: int) -> Tensor:
    """Three consecutive beads: [n_beads - 2, 3], int64."""
    return _windows(n_beads, 3)


def dihedral_list(n_beads: int) -> Tensor:
    """Four consecutive beads: [n_beads - 3, 4], int64."""
    return _windows(n_beads, 4)


def _windows(n_beads: int, size: int) -> Tensor:
    starts = torch.arange(max(n_beads - size + 1, 0))
    return starts[:, None] + torch.arange(size)


SEARCH_BYTES = 64 * 2**20  # of what is looked at at once


def near_pairs(coords: Tensor, cutoff: float) -> Tensor:
    """Pairs i < j of each frame whose distance is below the cutoff, or is no number: [n_pairs, 2], int64.

    coords: [n_frames, n_beads, n_dims]. Beads are counted through all frames, as rows of ``coords.flatten(0, 1)``;
    pairs are ordered by frame, then i, then j.
    """
    n_frames, n_beads, n_dims = coords.shape
    size = max(1, SEARCH_BYTES // (n_beads**2 * n_dims * coords.element_size()))
    found = []
    for first in range(0, n_frames, size):
        part = coords[first : first + size]
        squared = (part[:, :, None] - part[:, None]).square().sum(-1)
        frame, i, j = (~(squared >= cutoff**2)).triu(diagonal=1).nonzero(as_tuple=True)
        found.append(torch.stack([i, j], dim=1) + (n_beads * (first + frame))[:, None])
    return torch.cat(found) if found else torch.empty(0, 2, dtype=torch.int64, device=coords.device)
