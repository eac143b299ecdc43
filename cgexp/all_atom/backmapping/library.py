"""FragmentLibrary: all-atom frames of one peptide, searched residue by residue for the local shape of a CA trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.force_field import DEFAULT, ForceField
from cgexp.all_atom.structure import (
    NATIVE_TORSIONS,
    AllAtom,
    build_extended,
    build_native,
    build_peptide,
)
from cgexp.errors import InputError
from cgexp.store import read_arrays, write_arrays
from cgexp.systems.metric import PointSets

WINDOW = 5  # residues whose CA atoms tell the local shape
MAX_LIBRARY_BOND = 2.5  # Å: longer bonds mean another atom order or another unit
SHORT = 0.5  # Å: the shortest bond that is no sign of nm


@dataclass(frozen=True)
class FragmentLibrary:
    """All-atom frames to take residues from.

    sequence: one-letter codes. atoms: (residue index, atom name) of every atom, the canonical order. positions:
    [n_frames, n_atoms, 3], Å, float32. Make it with ``from_frames``, ``default`` or ``read``, which check it.
    """

    sequence: str
    atoms: tuple[tuple[int, str], ...]
    positions: NDArray[np.float32]

    @classmethod
    def from_frames(
        cls,
        peptide: AllAtom | str,
        positions: NDArray[np.floating],
        atoms: Sequence[tuple[int, str]] | None = None,
    ) -> FragmentLibrary:
        """A library of all-atom frames of a peptide.

        peptide: the peptide or its sequence. positions: [n_frames, n_atoms, 3], Å. atoms: what is known of their order;
        it is checked then, and the bonds are checked in any case. Raises InputError for frames that are not finite, not
        of this peptide, or in another atom order or unit.
        """
        peptide = build_peptide(peptide) if isinstance(peptide, str) else peptide
        positions = np.asarray(positions, dtype=np.float32)
        _check_atoms(peptide, peptide.sequence, peptide.atoms if atoms is None else list(atoms), "the trajectory")
        _check_positions(peptide, positions)
        return cls(peptide.sequence, tuple(peptide.atoms), positions)

    @classmethod
    def default(cls, sequence: str, force_field: ForceField = DEFAULT) -> FragmentLibrary:
        """The extended chain, and the native structure where it is known, both minimised."""
        peptides = [build_extended(sequence, force_field)]
        if sequence in NATIVE_TORSIONS:
            peptides.append(build_native(sequence, force_field))
        return cls.from_frames(peptides[0], np.stack([peptide.positions for peptide in peptides]))

    @classmethod
    def read(cls, path: Path) -> FragmentLibrary:
        """Read a library. Raises InputError if the file is damaged or holds something else."""
        arrays, meta = read_arrays(path)
        if "positions" not in arrays or not {"sequence", "atoms"} <= meta.keys():
            raise InputError(f"{path} holds no fragment library: expected a file written by FragmentLibrary.write")
        atoms = tuple((int(residue), str(name)) for residue, name in meta["atoms"])
        return cls(meta["sequence"], atoms, arrays["positions"])

    def write(self, path: Path) -> str:
        """Write the library to one file; return the SHA-256 of its content."""
        meta = {"sequence": self.sequence, "atoms": [list(atom) for atom in self.atoms]}
        return write_arrays(path, {"positions": self.positions}, meta, compress=True)

    def check(self, peptide: AllAtom) -> None:
        """Raise InputError if the library is not one of this peptide in its atom order."""
        _check_atoms(peptide, self.sequence, list(self.atoms), "the fragment library")

    def __len__(self) -> int:
        return len(self.positions)

    def nearest(self, ca: NDArray[np.floating], residue: int, n: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The ``n`` frames whose CA atoms around a residue fit the trace best: their indices and RMSD in Å, best first.

        ca: [n_residues, 3], Å. Mirror images do not fit.
        """
        window = window_of(residue, len(self.sequence))
        distance = self._windows[window.start].rmsd(np.asarray(ca, dtype=np.float64)[window])
        best = np.argsort(distance, kind="stable")[:n]
        return best, distance[best]

    @cached_property
    def _windows(self) -> dict[int, PointSets]:
        """CA atoms of every window, by its first residue."""
        ca = self.positions[:, [number for number, (_, name) in enumerate(self.atoms) if name == "CA"]]
        windows = [window_of(residue, len(self.sequence)) for residue in range(len(self.sequence))]
        return {window.start: PointSets(ca[:, window]) for window in windows}


def window_of(residue: int, n_residues: int) -> slice:
    """The residues around one whose CA atoms tell the local shape: five, or all of a shorter chain."""
    start = min(max(residue - WINDOW // 2, 0), max(n_residues - WINDOW, 0))
    return slice(start, start + WINDOW)


def _check_atoms(peptide: AllAtom, sequence: str, atoms: list[tuple[int, str]], what: str) -> None:
    if sequence != peptide.sequence:
        raise InputError(f"{what} belongs to the sequence '{sequence}': expected one of '{peptide.sequence}'")
    if len(atoms) != len(peptide.atoms):
        raise InputError(
            f"{what} has {len(atoms)} atoms: expected the {len(peptide.atoms)} that build_peptide gives '{sequence}'"
        )
    for number, (given, expected) in enumerate(zip(atoms, peptide.atoms, strict=True)):
        if tuple(given) != expected:
            raise InputError(
                f"{what} has another atom order: atom {number + 1} is {_name(given)}, expected {_name(expected)}; "
                "reorder the atoms as build_peptide has them"
            )


def _check_positions(peptide: AllAtom, positions: NDArray[np.float32]) -> None:
    n_atoms = len(peptide.atoms)
    if positions.ndim != 3 or positions.shape[1:] != (n_atoms, 3) or not len(positions):
        raise InputError(
            f"all-atom frames have shape {list(positions.shape)}: expected [n_frames, {n_atoms}, 3], "
            f"at least one frame of the {n_atoms} atoms of '{peptide.sequence}'"
        )
    finite = np.isfinite(positions).all(axis=(1, 2))
    if not finite.all():
        raise InputError(f"all-atom frame {np.argmin(finite)} has a position that is not finite: remove the frame")
    bonds = np.array([(bond[0].index, bond[1].index) for bond in peptide.topology.bonds()])
    lengths = np.linalg.norm(positions[:, bonds[:, 0]] - positions[:, bonds[:, 1]], axis=-1)
    if lengths.max() < SHORT:
        raise InputError(
            f"no bond of the all-atom frames is longer than {lengths.max():.2f} Å: give positions in Å, not nm"
        )
    frame, bond = np.unravel_index(np.argmax(lengths), lengths.shape)
    if lengths[frame, bond] > MAX_LIBRARY_BOND:
        first, second = (_name(peptide.atoms[index]) for index in bonds[bond])
        raise InputError(
            f"all-atom frame {frame} has {first} and {second}, which are bonded, {lengths[frame, bond]:.1f} Å apart: "
            "expected positions in Å with the atoms in the order of build_peptide"
        )


def _name(atom: tuple[int, str]) -> str:
    return f"{atom[1]} of residue {atom[0] + 1}"
