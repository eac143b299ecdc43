"""Are positions those of the molecule: covalent bonds of their length, no box that cuts them, residues L?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgexp.datasets.trajectory.files import Sampled
from cgexp.datasets.trajectory.residues import LETTERS, atom_named, in_words
from cgexp.datasets.trajectory.solute import Solute
from cgexp.errors import InputError
from cgexp.units import NM_IN_ANGSTROM

Array = NDArray[np.floating]
LIGHT = ("C", "N", "O", "F")
TO_HYDROGEN, OF_LIGHT, OF_OTHERS = (0.7, 1.5), (1.0, 2.0), (1.0, 2.9)  # Å, lengths of covalent bonds
STRETCHED = 3.0  # of its median, a bond between what is no element
AT_ONCE = 1000  # frames whose bonds are measured at a time


def whole_positions(sampled: Sampled, solute: Solute, path: Path) -> Array:
    """Positions [n_frames, n_atoms, 3], Å, whole where a periodic box cuts them.

    Raises InputError if bonds have not the length of bonds, which means another unit, another order of atoms, a box
    that is not known, or damage; and for D-residues.
    """
    limits = _limits(sampled.positions, solute)
    found = _first_odd(sampled.positions, solute, limits)
    if found is None:
        _require_chirality(sampled.positions[0], solute, path)
        return sampled.positions
    _require_unit(sampled.positions[0], solute, limits, path)
    positions = sampled.positions
    if sampled.box is not None:
        positions = _made_whole(sampled, solute)
        found = _first_odd(positions, solute, limits)
    if found is not None:
        raise InputError(_complaint(found, positions, solute, limits, path, sampled.box is not None))
    _require_chirality(positions[0], solute, path)
    return positions


def _limits(positions: Array, solute: Solute) -> NDArray[np.float64]:
    """Shortest and longest length of each bond, [n_bonds, 2], Å."""
    elements, bonds = solute.elements, solute.bonds
    first = positions[0].astype(np.float64)
    lengths = np.linalg.norm(first[bonds[:, 0]] - first[bonds[:, 1]], axis=-1)
    limits = np.zeros((len(bonds), 2))
    for number, (a, b) in enumerate(bonds):
        symbols = {elements[a], elements[b]}
        if "VS" in symbols:
            limits[number] = (0.0, STRETCHED * np.median(lengths))
        elif symbols & {"H", "D"}:
            limits[number] = TO_HYDROGEN
        else:
            limits[number] = OF_LIGHT if symbols <= set(LIGHT) else OF_OTHERS
    return limits


def _first_odd(positions: Array, solute: Solute, limits: NDArray[np.float64]) -> tuple[int, int] | None:
    """Frame and bond of the first that is too short or too long; None if all are right."""
    for start in range(0, len(positions), AT_ONCE):
        lengths = _lengths(positions[start : start + AT_ONCE], solute)
        odd = ~((lengths >= limits[:, 0]) & (lengths <= limits[:, 1]))
        if odd.any():
            frame, bond = np.argwhere(odd)[0]
            return start + int(frame), int(bond)
    return None


def _lengths(positions: Array, solute: Solute) -> NDArray[np.float64]:
    bonds, positions = solute.bonds, positions.astype(np.float64)
    return np.asarray(np.linalg.norm(positions[:, bonds[:, 0]] - positions[:, bonds[:, 1]], axis=-1))


def _require_unit(first: Array, solute: Solute, limits: NDArray[np.float64], path: Path) -> None:
    """Raise InputError if most bonds of the first frame would have their length in another unit."""
    lengths = _lengths(first[None], solute)[0]
    for factor, unit in ((NM_IN_ANGSTROM, "nm"), (1.0 / NM_IN_ANGSTROM, "A")):
        fits = (factor * lengths >= limits[:, 0]) & (factor * lengths <= limits[:, 1])
        if fits.mean() > 0.9 and limits[:, 0].all():
            raise InputError(
                f"bonds in {path} are {np.median(lengths):.3g} Å long, as positions are read: expected about "
                f"{np.median(limits.mean(axis=1)):.2g} Å; state dataset.length_unit={unit} if they are in {unit}"
            )


def _made_whole(sampled: Sampled, solute: Solute) -> Array:
    import mdtraj

    whole = mdtraj.Trajectory(sampled.positions / NM_IN_ANGSTROM, solute.topology)
    whole.unitcell_vectors = (np.asarray(sampled.box) / NM_IN_ANGSTROM).astype(np.float32)
    order = solute.bonds.astype(np.int32)
    whole.make_molecules_whole(inplace=True, sorted_bonds=_from_the_root(order, solute.n_atoms))
    return np.asarray(whole.xyz * NM_IN_ANGSTROM)


def _from_the_root(bonds: NDArray[np.int32], n_atoms: int) -> NDArray[np.int32]:
    """The bonds of a spanning tree from atom 0 on, [n_atoms - 1, 2]: each places its second atom by its first."""
    neighbours: list[list[int]] = [[] for _ in range(n_atoms)]
    for first, second in bonds.tolist():
        neighbours[first].append(second)
        neighbours[second].append(first)
    placed, waiting, tree = {0}, [0], []
    while waiting:
        atom = waiting.pop()
        for other in neighbours[atom]:
            if other not in placed:
                placed.add(other)
                waiting.append(other)
                tree.append((atom, other))
    return np.array(tree, dtype=np.int32).reshape(-1, 2)


def _complaint(
    found: tuple[int, int], positions: Array, solute: Solute, limits: NDArray[np.float64], path: Path, boxed: bool
) -> str:
    frame, bond = found
    first, second = (solute.in_words(atom) for atom in solute.bonds[bond])
    length = _lengths(positions[frame : frame + 1], solute)[0, bond]
    if frame == 0:
        why = "its atoms have another order than the topology's, or a periodic box that it does not state cuts it"
    else:
        why = "it is damaged there, or a periodic box cuts the molecule"
    advice = (
        "name the atoms in the file's order" if boxed else "name the atoms in the file's order, or make molecules whole"
    )
    return (
        f"{path}: {first} and {second} are {length:.2f} Å apart in frame {frame}, expected a bond of "
        f"{limits[bond, 0]:g} to {limits[bond, 1]:g} Å: {why}; {advice}"
    )


def _require_chirality(first: Array, solute: Solute, path: Path) -> None:
    """Raise InputError for a residue whose side chain is where a D-amino acid has it."""
    for residue in solute.topology.residues:
        names = [atom_named(residue, name) for name in ("CA", "N", "C", "CB")]
        if residue.name not in LETTERS or any(atom is None for atom in names):
            continue
        ca, nitrogen, carbon, side = (first[atom].astype(np.float64) for atom in names)
        if np.dot(np.cross(nitrogen - ca, carbon - ca), side - ca) < 0.0:
            raise InputError(
                f"{path}: {in_words(residue)} is a D-amino acid: expected L-amino acids; is it a mirror image?"
            )
