"""Which bonds were rigid in the dynamics: as stated, and as the positions say; both must agree.

A force map weighs atoms alike that a rigid bond ties together, so that a map for other constraints is biased. A
flexible bond varies by 0.02 Å and more at room temperature, a constrained one by rounding alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.atom_order import reading
from cgexp.datasets.trajectory.solute import Indices, Solute
from cgexp.errors import InputError

Stated = Literal["auto", "hbonds", "allbonds", "none", "file"]
N_CHECKED = 10  # frames that can tell a rigid bond, at least
N_RIGID = 200  # frames that this is taken from, at most
RIGID = 0.012  # Å, standard deviation of a bond below which it was constrained; XTC rounds to 0.01 Å
FREE = 0.02  # Å, standard deviation of a bond above which it was flexible


def rigid_bonds(
    stated: Stated, positions: NDArray[np.floating], solute: Solute, listed: Path | None = None
) -> tuple[Indices, str]:
    """Rigid bonds [n, 2], atoms of the solute, and how they are known, in words.

    stated: 'auto' takes those whose length never changes in positions [n_frames, n_atoms, 3], Å; 'hbonds' all bonds to
    hydrogen, 'allbonds', 'none', or 'file': those of ``listed``, two atoms of the topology a line, counted from 0.
    Raises InputError if the positions contradict it, or if nothing is stated and the frames are too few to tell.
    """
    if (stated == "file") != (listed is not None):
        raise InputError(
            "dataset.constraints=file and dataset.rigid_bonds=<file> belong together: give both, or neither"
        )
    _require_hydrogens(stated, solute)
    bonds, enough = solute.bonds, len(positions) >= N_CHECKED
    spread = _spread(positions, bonds)
    if stated == "auto":
        if not enough:
            raise InputError(
                f"{len(positions)} frames do not tell which bonds were rigid: expected at least {N_CHECKED}, or state "
                "dataset.constraints=hbonds, allbonds or none"
            )
        found = bonds[spread < RIGID]
        return found, f"{len(found)} of {len(bonds)} bonds are rigid in the positions"
    rigid = np.array(_stated(stated, solute, listed), dtype=np.bool_)
    if enough:
        _require_agreement(stated, rigid, spread, solute)
    return bonds[rigid], f"constraints={stated}: {int(rigid.sum())} of {len(bonds)} bonds are rigid"


def _spread(positions: NDArray[np.floating], bonds: Indices) -> NDArray[np.float64]:
    """Standard deviation of each bond's length, Å, over frames spread evenly."""
    chosen = positions[np.linspace(0, len(positions) - 1, min(len(positions), N_RIGID)).astype(int)].astype(np.float64)
    lengths = np.linalg.norm(chosen[:, bonds[:, 0]] - chosen[:, bonds[:, 1]], axis=-1)
    return np.asarray(lengths.std(axis=0))


def _stated(stated: Stated, solute: Solute, listed: Path | None) -> list[bool]:
    """Whether each bond is rigid by what is stated."""
    if listed is not None:
        pairs = {frozenset(pair) for pair in _read(listed, solute).tolist()}
        unknown = pairs - {frozenset(pair) for pair in solute.bonds.tolist()}
        if unknown:
            first, second = sorted(next(iter(unknown)))
            raise InputError(
                f"{listed} has {solute.in_words(first)} and {solute.in_words(second)}, which are not bonded in the "
                "topology: expected pairs of bonded atoms, counted from 0"
            )
        return [frozenset(pair) in pairs for pair in solute.bonds.tolist()]
    elements = solute.elements
    to_hydrogen = [elements[a] in ("H", "D") or elements[b] in ("H", "D") for a, b in solute.bonds]
    return {"hbonds": to_hydrogen, "allbonds": [True] * len(to_hydrogen), "none": [False] * len(to_hydrogen)}[stated]


def _read(path: Path, solute: Solute) -> Indices:
    place = {int(atom): number for number, atom in enumerate(solute.index)}
    found = reading(path, lambda: np.loadtxt(path, dtype=np.int64, ndmin=2, delimiter=None))
    if found.ndim != 2 or found.shape[1] != 2:
        raise InputError(f"{path} has lines of {found.shape[-1]} numbers: expected two atoms a line, counted from 0")
    inside = [(place[a], place[b]) for a, b in found.tolist() if a in place and b in place]  # others are of the solvent
    return np.array(inside, dtype=np.int64).reshape(-1, 2)


def _require_agreement(stated: Stated, rigid: NDArray[np.bool_], spread: NDArray[np.float64], solute: Solute) -> None:
    for odd, said in ((rigid & (spread > FREE), "rigid"), (~rigid & (spread < RIGID), "flexible")):
        if odd.any():
            bond = int(np.argmax(odd))
            first, second = (solute.in_words(atom) for atom in solute.bonds[bond])
            raise InputError(
                f"dataset.constraints={stated} takes the bond of {first} and {second} for {said}, but its length "
                f"varies by {spread[bond]:.3f} Å (and so for {int(odd.sum()) - 1} more bonds): state those of the "
                "simulation, or leave it at auto"
            )


def _require_hydrogens(stated: Stated, solute: Solute) -> None:
    """Raise InputError for a peptide without hydrogens, unless it is said to have had no rigid bonds."""
    elements = set(solute.elements)
    if stated != "none" and {"C", "N"} <= elements and elements.isdisjoint({"H", "D"}):
        raise InputError(
            "the topology has no hydrogens: forces on them are part of those on the beads where bonds to hydrogen are "
            "rigid; give the atoms that were simulated, or dataset.constraints=none if none of them was rigid"
        )
