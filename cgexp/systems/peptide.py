"""Peptide: a sequence as C-alpha or backbone beads; the distance is the superposed RMSD."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError, did_you_mean
from cgexp.systems.base import System
from cgexp.systems.beads import MAPPINGS, RESIDUES, bead_atoms, bead_bonds, bead_masses, bead_types

# C-alpha coordinates in Å, centred. CLN025: the hairpin built from its backbone torsions and minimised in ff14SB +
# OBC2; tests/reference/all_atom/test_structure.py makes it again. Simulations start from build_native, which has the
# side chains of the crystal, too; its C-alpha atoms are within 0.4 Å of these.
NATIVE = {
    "YYDPETGTWY": (
        (-6.371, 0.843, 0.489), (-2.748, -0.297, 1.114), (-0.577, -1.343, -1.871), (1.087, -4.765, -1.090),
        (4.424, -3.843, -2.818), (5.047, -0.837, -0.447), (2.814, -1.219, 2.676), (1.554, 2.405, 2.094),
        (-1.924, 3.996, 1.652), (-3.306, 5.060, -1.798),
    ),
}  # fmt: skip
_PAIRS_AT_ONCE = 200_000  # superpositions held in memory at a time (about 30 MB)


class Peptide(System):
    """A peptide of ``sequence`` (one-letter codes) as beads in Å and amu.

    beads: 'ca', one bead a residue at its C-alpha atom, or 'backbone5', N, CA, CB, C and O of every residue (systems/
    beads.py). name: 'peptide-<sequence>' for 'ca', 'peptide-<sequence>-<beads>' otherwise. bead_atoms: [n_beads] of
    (residue index, atom name). bonds: [n_bonds, 2], bonded beads. ca: [n_residues], the C-alpha beads. bead_types:
    [n_beads]; of a C-alpha bead the index of its residue in RESIDUES. masses: of whole residues, shared by their beads.
    Raises InputError for an unknown letter or mapping.
    """

    def __init__(self, sequence: str = "YYDPETGTWY", beads: Literal["ca", "backbone5"] = "ca") -> None:
        unknown = sorted(set(sequence) - set(RESIDUES))
        if unknown or len(sequence) < 2:
            raise InputError(
                f"sequence '{sequence}' is not a peptide: expected at least two of the one-letter codes {RESIDUES}"
            )
        if beads not in MAPPINGS:
            raise InputError(
                f"unknown beads '{beads}'{did_you_mean(beads, MAPPINGS)}: expected one of {', '.join(MAPPINGS)}"
            )
        self.sequence = sequence
        self.beads = beads
        self.name = f"peptide-{sequence}" if beads == "ca" else f"peptide-{sequence}-{beads}"
        self.bead_atoms = bead_atoms(sequence, beads)
        self.bonds = bead_bonds(sequence, beads)
        self.ca = np.array([bead for bead, (_, name) in enumerate(self.bead_atoms) if name == "CA"], dtype=np.int64)
        self.n_beads = len(self.bead_atoms)
        self.n_dims = 3
        self.units = "molecular"
        self.bead_types = bead_types(sequence, beads)
        self.masses = bead_masses(sequence, beads)

    @classmethod
    def named(cls, name: str) -> Peptide | None:
        """The peptide whose ``name`` this is, or None if it is not the name of one."""
        match = re.fullmatch(rf"peptide-([{RESIDUES}]{{2,}})(?:-({'|'.join(MAPPINGS)}))?", name)
        return cls(match[1], match[2] or "ca") if match else None  # type: ignore[arg-type]

    def native(self) -> NDArray[np.float64]:
        """C-alpha coordinates of the native structure, [n_residues, 3], Å, whatever the beads; InputError if not known.

        Compare them with ``coords[:, ca]``.
        """
        if self.sequence not in NATIVE:
            raise InputError(
                f"the native structure of '{self.sequence}' is not known: expected one of {', '.join(NATIVE)}"
            )
        return np.array(NATIVE[self.sequence], dtype=np.float64)

    def distance(self, a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
        """RMSD in Å over all beads, after the best superposition: a [n, n_beads, 3], b [m, n_beads, 3] -> [n, m].

        Mirror images are different structures. Raises ValueError for other shapes.
        """
        for coords in (a, b):
            if coords.ndim != 3 or coords.shape[1:] != (self.n_beads, self.n_dims):
                raise ValueError(f"coords have shape {list(coords.shape)}: expected [n, {self.n_beads}, {self.n_dims}]")
        return superposed_rmsd(a, b)


def superposed_rmsd(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """RMSD after the best rotation and translation, no reflection: a [n, n_beads, 3], b [m, n_beads, 3] -> [n, m]."""
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
