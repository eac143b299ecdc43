"""Linear force maps: how forces on atoms become forces on beads, and the test that a map is unbiased.

A map is a matrix [n_beads, n_atoms]; forces on beads are ``matrix @ forces on atoms``. For beads placed at atoms, a map
gives the gradient of the potential of mean force on average if a bead takes its own atom with weight 1, no other
bead's atom, and all atoms rigidly bonded to one another with one weight (Ciccotti et al. 2005; Krämer et al. 2023,
arXiv:2302.07071). The slice breaks the last rule when bonds are constrained.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError, did_you_mean
from cgexp.frames import Frames

Matrix = NDArray[np.float64]
Indices = NDArray[np.int64]

BIASED = frozenset({"slice"})  # maps known to be biased under constrained bonds: refused unless a reason is given


def slice_map(beads: Indices, constraints: Indices, n_atoms: int) -> Matrix:
    """The force of the bead's own atom alone. Biased if that atom takes part in a constraint."""
    matrix = np.zeros((len(beads), n_atoms))
    matrix[np.arange(len(beads)), beads] = 1.0
    return matrix


def constraint_group_map(beads: Indices, constraints: Indices, n_atoms: int) -> Matrix:
    """The sum over the atoms that constraints bind rigidly to the bead's atom (C-alpha and its hydrogen)."""
    group = constraint_groups(constraints, n_atoms)
    if len(np.unique(group[beads])) < len(beads):
        raise InputError("two beads share a group of constrained atoms: place them on atoms not rigidly bonded")
    return (group[beads][:, None] == group[None, :]).astype(np.float64)


FORCE_MAPS: dict[str, Callable[[Indices, Indices, int], Matrix]] = {
    "slice": slice_map,
    "constraint_group": constraint_group_map,
}


def force_map(name: str, beads: Indices, constraints: Indices, n_atoms: int) -> Matrix:
    """Return the map called ``name``, [n_beads, n_atoms].

    beads: [n_beads], the atom each bead sits on. constraints: [n_constraints, 2], rigid bonds.
    """
    if name not in FORCE_MAPS:
        raise InputError(
            f"unknown force map '{name}'{did_you_mean(name, FORCE_MAPS)}: expected one of {', '.join(FORCE_MAPS)}"
        )
    return FORCE_MAPS[name](beads, constraints, n_atoms)


def constraint_groups(constraints: Indices, n_atoms: int) -> Indices:
    """Label of the group of rigidly connected atoms each atom belongs to, [n_atoms]: its lowest atom index."""
    group = np.arange(n_atoms)
    for first, second in constraints:
        low, high = sorted((group[first], group[second]))
        group[group == high] = low
    return group


def apply_map(matrix: Matrix, atoms: NDArray[np.floating]) -> NDArray[np.float64]:
    """Map values on atoms [n_frames, n_atoms, 3] to beads [n_frames, n_beads, 3]."""
    return np.einsum("ba,fad->fbd", matrix, atoms.astype(np.float64), optimize=True)


def force_rms(frames: Frames) -> float:
    """Root mean square of a component of the bead forces, in the frames' force unit."""
    return float(np.sqrt(np.mean(np.square(_forces(frames), dtype=np.float64))))


def virial(frames: Frames) -> tuple[float, float]:
    """Mean of (x_I - x_J) . F_I over neighbours I, J = I +- 1 in kT, and its standard error over blocks.

    Integrating exp(-U/kT) by parts gives exactly -3 for an unbiased map on thermally sampled frames (not on frames
    selected in any other way). The error takes blocks as independent; it is NaN for a single block.
    """
    coords, forces = frames.coords.astype(np.float64), _forces(frames).astype(np.float64)
    bonds = np.diff(coords, axis=1)
    forward, backward = -(bonds * forces[:, :-1]).sum(axis=-1), (bonds * forces[:, 1:]).sum(axis=-1)
    values = np.concatenate([forward, backward], axis=1).mean(axis=1) / frames.kT
    _, block = np.unique(frames.block, return_inverse=True)
    sizes = np.bincount(block)
    deviations = np.bincount(block, weights=values - values.mean())  # sums over a block
    n_blocks = len(sizes)
    if n_blocks < 2:
        return float(values.mean()), float("nan")
    variance = np.square(deviations).sum() * n_blocks / (n_blocks - 1)
    return float(values.mean()), float(np.sqrt(variance) / len(values))


def _forces(frames: Frames) -> NDArray[np.floating]:
    if frames.forces is None:
        raise InputError(f"frames of '{frames.system}' carry no forces: expected a labelled data set")
    return frames.forces
