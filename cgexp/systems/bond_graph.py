"""The bonds of a coarse-grained molecule, and the internal coordinates that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.csgraph import shortest_path
from torch import Tensor

from cgexp.systems.base import System


class BondGraph:
    """Beads and the bonds between them: bonds [n_bonds, 2]. In a chain, each bead is bonded to the next.

    All lists are int64 and ordered by their beads. For a chain they are geometry's ``bond_list``, ``angle_list``,
    ``dihedral_list`` and ``pair_list``.
    """

    def __init__(self, bonds: NDArray[np.integer], n_beads: int) -> None:
        self.n_beads = n_beads
        self._bonds = sorted((min(pair), max(pair)) for pair in bonds.tolist())
        self._neighbours: list[list[int]] = [[] for _ in range(n_beads)]
        for first, second in self._bonds:
            self._neighbours[first].append(second)
            self._neighbours[second].append(first)

    @classmethod
    def of(cls, system: System) -> BondGraph:
        """The bonds that the system states."""
        return cls(system.bonds, system.n_beads)

    @classmethod
    def of_trace(cls, system: System) -> BondGraph:
        """The bonds between the beads of the system's trace, numbered along it; where it states none, a chain."""
        n_trace = len(system.trace)
        index = {bead: i for i, bead in enumerate(system.trace.tolist())}
        bonds = [(index[a], index[b]) for a, b in system.bonds.tolist() if a in index and b in index]
        return cls(np.array(bonds or [(i, i + 1) for i in range(n_trace - 1)]).reshape(-1, 2), n_trace)

    def bonds(self) -> Tensor:
        """Bonded beads: [n_bonds, 2]."""
        return _index(self._bonds, 2)

    def angles(self) -> Tensor:
        """Two bonds that share the middle bead: [n_angles, 3]."""
        paths = [
            (i, j, k) for j, neighbours in enumerate(self._neighbours) for i, k in combinations(sorted(neighbours), 2)
        ]
        return _index(paths, 3)

    def dihedrals(self) -> Tensor:
        """One path of three bonds over each bond, and an improper dihedral at each bead with three bonds: [n, 4].

        Of the paths over a bond, the one that reaches farthest along the chain: in a backbone phi, psi and omega. One
        is enough, for the others turn with it. An improper (i, j, k, l), about the bond j-k with i, k and l bonded to
        j, keeps the side of l: of a backbone the chirality at CA (N, CA, C, CB) and the plane at C (CA, C, N, O).
        """
        paths = []
        for j, k in self._bonds:
            before = [i for i in self._neighbours[j] if i != k]
            after = [i for i in self._neighbours[k] if i != j]
            if before and after:
                paths.append((min(before), j, k, max(after)))
        for j, neighbours in enumerate(self._neighbours):
            if len(neighbours) == 3:
                i, branch, k = sorted(neighbours)
                paths.append((i, j, k, branch))
        return _index(paths, 4)

    def pairs(self, min_separation: int) -> Tensor:
        """Beads at least ``min_separation`` bonds apart: [n_pairs, 2]."""
        apart = np.triu(self._separations() >= min_separation, 1)
        return torch.from_numpy(np.argwhere(apart))

    def _separations(self) -> NDArray[np.float64]:
        """Bonds on the shortest path between two beads, [n_beads, n_beads]."""
        bonded = np.zeros((self.n_beads, self.n_beads))
        for first, second in self._bonds:
            bonded[first, second] = 1.0
        return shortest_path(bonded, directed=False, unweighted=True)


def _index(rows: Sequence[Sequence[int]], width: int) -> Tensor:
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, width)
