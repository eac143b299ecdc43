"""Peptide: one bead a residue, at its C-alpha atom; the distance is the superposed RMSD."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.systems.base import System

# Average mass of a residue -NH-CHR-CO- in amu (a chain's two ends add a water, 18.015).
RESIDUE_MASSES = {
    "A": 71.0779, "C": 103.1429, "D": 115.0874, "E": 129.1140, "F": 147.1739, "G": 57.0513, "H": 137.1393,
    "I": 113.1576, "K": 128.1723, "L": 113.1576, "M": 131.1961, "N": 114.1026, "P": 97.1152, "Q": 128.1292,
    "R": 156.1857, "S": 87.0773, "T": 101.1039, "V": 99.1311, "W": 186.2099, "Y": 163.1733,
}  # fmt: skip
RESIDUES = "".join(sorted(RESIDUE_MASSES))  # a bead's type is its residue's index here

# C-alpha coordinates in Å, centred. CLN025: reference.all_atom.structure.build_native, that is the hairpin built from its
# backbone torsions and minimised in ff14SB + OBC2; tests/reference/all_atom/test_structure.py makes it again.
NATIVE = {
    "YYDPETGTWY": (
        (-6.371, 0.843, 0.489), (-2.748, -0.297, 1.114), (-0.577, -1.343, -1.871), (1.087, -4.765, -1.090),
        (4.424, -3.843, -2.818), (5.047, -0.837, -0.447), (2.814, -1.219, 2.676), (1.554, 2.405, 2.094),
        (-1.924, 3.996, 1.652), (-3.306, 5.060, -1.798),
    ),
}  # fmt: skip
_PAIRS_AT_ONCE = 200_000  # superpositions held in memory at a time (about 30 MB)


class Peptide(System):
    """A peptide of ``sequence`` (one-letter codes) as C-alpha beads in Å and amu.

    bead_types: index of the residue in RESIDUES. masses: of whole residues. Raises InputError for an unknown letter.
    """

    def __init__(self, sequence: str = "YYDPETGTWY") -> None:
        unknown = sorted(set(sequence) - set(RESIDUES))
        if unknown or len(sequence) < 2:
            raise InputError(
                f"sequence '{sequence}' is not a peptide: expected at least two of the one-letter codes {RESIDUES}"
            )
        self.sequence = sequence
        self.name = f"peptide-{sequence}"
        self.n_beads = len(sequence)
        self.n_dims = 3
        self.units = "molecular"
        self.bead_types = np.array([RESIDUES.index(letter) for letter in sequence], dtype=np.int64)
        self.masses = np.array([RESIDUE_MASSES[letter] for letter in sequence], dtype=np.float64)

    def native(self) -> NDArray[np.float64]:
        """C-alpha coordinates of the native structure, [n_beads, 3], Å; InputError if it is not known."""
        if self.sequence not in NATIVE:
            raise InputError(
                f"the native structure of '{self.sequence}' is not known: expected one of {', '.join(NATIVE)}"
            )
        return np.array(NATIVE[self.sequence], dtype=np.float64)

    def distance(self, a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
        """RMSD in Å after the best rotation and translation: a [n, n_beads, 3], b [m, n_beads, 3] -> [n, m].

        Mirror images are different structures. Raises ValueError for other shapes.
        """
        for coords in (a, b):
            if coords.ndim != 3 or coords.shape[1:] != (self.n_beads, self.n_dims):
                raise ValueError(f"coords have shape {list(coords.shape)}: expected [n, {self.n_beads}, {self.n_dims}]")
        left, right = _centred(a), _centred(b)
        rows = max(1, _PAIRS_AT_ONCE // max(1, len(right)))
        parts = [_rmsd(left[start : start + rows], right) for start in range(0, len(left), rows)]
        return np.concatenate(parts) if parts else np.zeros((0, len(right)))


def _centred(coords: NDArray[np.floating]) -> NDArray[np.float64]:
    coords = np.asarray(coords, dtype=np.float64)
    return coords - coords.mean(axis=1, keepdims=True)


def _rmsd(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """RMSD of centred configurations by the singular values of their covariance (Kabsch 1976)."""
    covariance = np.einsum("nbi,mbj->nmij", a, b, optimize=True)
    singular = np.linalg.svd(covariance, compute_uv=False)
    # A negative determinant means the best match is a reflection: the smallest singular value then counts against it.
    singular[..., 2] *= np.sign(np.linalg.det(covariance))
    sizes = np.square(a).sum(axis=(1, 2))[:, None] + np.square(b).sum(axis=(1, 2))[None, :]
    squared = (sizes - 2.0 * singular.sum(axis=-1)) / a.shape[1]
    return np.sqrt(np.maximum(squared, 0.0))
