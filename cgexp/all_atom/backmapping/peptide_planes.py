"""Peptide planes on a CA trace: C, O, N and H between neighbouring CA atoms, trans and of ideal shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.backmapping.superposition import superpose
from cgexp.all_atom.structure import AllAtom

Positions = NDArray[np.float64]


class PeptidePlanes:
    """The peptide planes of a peptide, shaped as it is built, and the residues that hang between them."""

    def __init__(self, peptide: AllAtom) -> None:
        self._index = {atom: number for number, atom in enumerate(peptide.atoms)}
        residues = np.array([residue for residue, _ in peptide.atoms])
        self._ca = peptide.ca
        self._planes = [self._plane(peptide.sequence, residue) for residue in range(len(self._ca) - 1)]
        self._shapes = [
            (peptide.positions[plane] - origin) @ axes.T
            for plane in self._planes
            for origin, axes in [self._frame(peptide.positions, plane)]
        ]
        fixed = np.concatenate([self._ca, *self._planes])
        self._rest = [np.setdiff1d(np.flatnonzero(residues == residue), fixed) for residue in range(len(self._ca))]
        self._backbone = [[self._index[residue, name] for name in ("N", "CA", "C")] for residue in range(len(self._ca))]

    def build(self, positions: Positions, tilts: NDArray[np.floating]) -> Positions:
        """Return positions [n_atoms, 3] (Å) with ideal planes, and each residue turned to fit the planes it joins.

        A plane keeps the direction of its O, but for a tilt (rad, [n_residues - 1]) about the line between its CA
        atoms. CA atoms stay where they are.
        """
        built = positions.copy()
        for plane, shape, tilt in zip(self._planes, self._shapes, tilts, strict=True):
            origin, axes = self._frame(positions, plane)
            turn = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(tilt), np.sin(tilt)], [0.0, -np.sin(tilt), np.cos(tilt)]])
            built[plane] = origin + shape @ turn @ axes
        for rest, backbone in zip(self._rest, self._backbone, strict=True):
            rotation, translation = superpose(positions[backbone], built[backbone])
            built[rest] = positions[rest] @ rotation + translation
        return built

    def _plane(self, sequence: str, residue: int) -> list[int]:
        """C and O of a residue, N and H of the next; proline has no such H."""
        names = [(residue, "C"), (residue, "O"), (residue + 1, "N")]
        names += [(residue + 1, "H")] if sequence[residue + 1] != "P" else []
        return [self._index[name] for name in names]

    def _frame(self, positions: Positions, plane: list[int]) -> tuple[Positions, Positions]:
        """Midpoint of the two CA atoms, and axes in rows: along their line, towards O, and across the plane."""
        residue = int(np.searchsorted(self._ca, plane[0], side="right")) - 1
        first, second, oxygen = positions[[self._ca[residue], self._ca[residue + 1], plane[1]]]
        along = (second - first) / np.linalg.norm(second - first)
        towards = oxygen - first - (oxygen - first) @ along * along
        towards /= np.linalg.norm(towards)
        return (first + second) / 2.0, np.stack([along, towards, np.cross(along, towards)])
