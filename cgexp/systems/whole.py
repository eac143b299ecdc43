"""Molecules that a periodic box cuts, made whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nearest_image(difference: NDArray[np.floating], box: NDArray[np.floating]) -> NDArray[np.floating]:
    """Differences of positions [..., n_dims] between nearest images in a rectangular box of edges [n_dims]."""
    return np.asarray(difference - box * np.round(difference / box))


def make_whole(
    coords: NDArray[np.floating], bonds: NDArray[np.integer], box: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Coords [n, n_beads, n_dims] with each bead at the image nearest to the one it is bonded to, bead by bead.

    The bead of lowest index of each molecule stays where it is; bonds must be shorter than half the box.
    """
    coords, placed = np.array(coords), set()
    neighbours: dict[int, list[int]] = {}
    for first, second in bonds.tolist():
        neighbours.setdefault(first, []).append(second)
        neighbours.setdefault(second, []).append(first)
    for root in range(coords.shape[1]):
        waiting = [] if root in placed else [root]
        placed.add(root)
        while waiting:
            bead = waiting.pop()
            for other in neighbours.get(bead, []):
                if other not in placed:
                    placed.add(other)
                    waiting.append(other)
                    apart = coords[:, other] - coords[:, bead]
                    shift = box * np.round(apart / box)  # zero leaves a bead as it is, to the last bit
                    coords[:, other] -= shift.astype(coords.dtype)
    return coords
