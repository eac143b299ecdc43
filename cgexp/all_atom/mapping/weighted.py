"""Force maps of beads that are weighted means of atoms, such as centres of mass.

With positions of beads X = C x (rows of C add up to 1), forces W f are on average the gradient of the potential of mean
force if W C^T = 1 and atoms that a rigid bond ties together have one weight (Ciccotti et al. 2005, doi:10.1002/cphc.
200400669; Krämer et al. 2023, arXiv:2302.07071). Beads on atoms are the case of one 1 in a row of C.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.mapping.force_maps import FRAMES_PER_WEIGHT, RIDGE, covariance_of_groups
from cgexp.all_atom.mapping.sites import Indices, constraint_groups
from cgexp.errors import InputError

Matrix = NDArray[np.float64]
TOLERANCE = 1e-8


def weighted_map(
    name: str, weights: Matrix, constraints: Indices, forces: NDArray[np.floating] | None = None
) -> tuple[Matrix, str]:
    """The matrix W [n_beads, n_atoms] of a force map, and how its weights came about, in words.

    name: 'constraint_group', the sum over a bead's atoms and those rigidly bonded to them, or 'optimal', the one of
    least mean square of ``forces`` [n_frames, n_atoms, 3]. weights: C, [n_beads, n_atoms]. Raises InputError for
    another name, for beads that no such map is valid for, and for too few frames.
    """
    groups = np.unique(constraint_groups(constraints, weights.shape[1]), return_inverse=True)[1]
    membership = (groups[:, None] == np.arange(groups.max() + 1)[None, :]).astype(np.float64)
    of_groups = weights @ membership
    if name == "constraint_group":
        matrix = ((of_groups > 0) @ membership.T).astype(np.float64)
        if np.abs(matrix @ weights.T - np.eye(len(weights))).max() > TOLERANCE:
            raise InputError(
                "two beads share atoms, or atoms that rigid bonds tie together, so that forces cannot be summed bead "
                "by bead: use force_map=optimal, or give each bead atoms of its own"
            )
        return matrix, "the sum over the bead's atoms and those rigidly bonded to them"
    if name != "optimal":
        raise InputError(
            f"force_map={name} is for beads that sit on atoms, and these are means of several: use optimal or "
            "constraint_group"
        )
    if forces is None:
        raise InputError("force map 'optimal' is fitted to forces and got none: give those of a sampled trajectory")
    return _optimal(of_groups, groups, forces) @ membership.T, _fitted(len(forces), of_groups.shape[1])


def _optimal(of_groups: Matrix, groups: Indices, forces: NDArray[np.floating]) -> Matrix:
    """Weights of groups [n_beads, n_groups] of least <|W F|^2> with W C^T = 1: (C Q^-1 C^T)^-1 C Q^-1."""
    needed = FRAMES_PER_WEIGHT * (of_groups.shape[1] - len(of_groups))
    if len(forces) < needed:
        raise InputError(
            f"the optimal force map has {of_groups.shape[1] - len(of_groups)} weights a bead to fit and got "
            f"{len(forces)} frames: expected at least {needed}; sample more or use constraint_group"
        )
    covariance, _ = covariance_of_groups(forces, groups)
    shifted = covariance + RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    try:
        solved = np.linalg.solve(shifted, of_groups.T)
        found = np.asarray(np.linalg.solve(of_groups @ solved, solved.T), dtype=np.float64)
    except np.linalg.LinAlgError as error:
        raise InputError(
            "no force map is valid for these beads: two of them are means of the same atoms, or of atoms that rigid "
            "bonds tie together, or all forces are zero; choose beads farther apart"
        ) from error
    if not np.isfinite(found).all() or np.abs(found @ of_groups.T - np.eye(len(of_groups))).max() > 1e-6:
        raise InputError("no force map is valid for these beads: choose beads that share no rigidly bonded atoms")
    return found


def _fitted(n_frames: int, n_groups: int) -> str:
    return (
        f"least mean square force (Krämer et al. 2023, arXiv:2302.07071), fitted on {n_frames} frames, ridge {RIDGE:g} "
        f"of the mean diagonal, one weight for each of {n_groups} groups of rigidly bonded atoms"
    )
