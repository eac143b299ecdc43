"""A first all-atom guess on a CA trace: each residue taken from the library frame that fits best around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.backmapping.library import FragmentLibrary, window_of
from cgexp.all_atom.backmapping.superposition import superpose

N_CANDIDATES = 10  # fragments drawn among, per residue
SLACK = 0.3  # Å of RMSD by which a candidate may be worse than the best


class Stitch:
    """Fragments for one CA trace, looked up once; every ``draw`` combines them anew. ca: [n_residues, 3], Å."""

    def __init__(self, library: FragmentLibrary, ca: NDArray[np.float64]) -> None:
        self._library = library
        self._ca = ca
        names = [name for _, name in library.atoms]
        self._residue = np.array([residue for residue, _ in library.atoms])
        self._ca_index = np.array([index for index, name in enumerate(names) if name == "CA"])
        self._candidates = [self._candidates_of(residue) for residue in range(len(ca))]

    def draw(self, random: np.random.Generator) -> NDArray[np.float64]:
        """All-atom positions [n_atoms, 3] in Å with every CA on the trace; bonds between residues are not yet sound.

        Each residue comes from one of the frames whose window of five CA atoms fits the trace best, drawn evenly among
        those nearly as good as the best.
        """
        positions = np.empty((len(self._residue), 3))
        for residue, candidates in enumerate(self._candidates):
            atoms = np.flatnonzero(self._residue == residue)
            positions[atoms] = self._placed(int(random.choice(candidates)), residue, atoms)
        return positions

    def _candidates_of(self, residue: int) -> NDArray[np.int64]:
        frames, distance = self._library.nearest(self._ca, residue, N_CANDIDATES)
        return frames[distance <= distance[0] + SLACK]

    def _placed(self, frame: int, residue: int, atoms: NDArray[np.int64]) -> NDArray[np.float64]:
        """The atoms of a residue of a library frame, turned to fit the trace around it, with its CA on the trace."""
        source = self._library.positions[frame].astype(np.float64)
        window = window_of(residue, len(self._ca))
        rotation, _ = superpose(source[self._ca_index[window]], self._ca[window])
        return (source[atoms] - source[self._ca_index[residue]]) @ rotation + self._ca[residue]
