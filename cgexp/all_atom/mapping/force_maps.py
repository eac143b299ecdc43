"""The force maps by name, and the one of least noise. A new one is a function that returns a LinearMap, and an entry.

The optimal map is the valid one whose bead forces have the least mean square (Krämer et al. 2023, arXiv:2302.07071), in
closed form. With forces summed over each group of rigidly bonded atoms (a
flexible atom is a group of its own) and Q = <F F^T> between groups, a map has one weight a group; those of the beads'
groups are fixed to 1 and 0, and the others follow from setting the derivative of <|W F|^2> to zero.

All are for beads that sit on atoms. Which of them are valid under rigid bonds: see linear_map.py and
``LinearMap.constrained``; the slice is not, if a bead's atom takes part in one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.mapping.linear_map import LinearMap, Matrix
from cgexp.all_atom.mapping.sites import BeadSites
from cgexp.errors import InputError, did_you_mean

Forces = NDArray[np.floating] | Iterable[NDArray[np.floating]]
RIDGE = 1e-3  # of the mean diagonal element of Q
FRAMES_PER_WEIGHT = 2  # with 3 components a frame, the fit then adds about 1 / (1 - 1/6) - 1 = 20 % to the mean square
BATCH = 512  # frames


def optimal_map(forces: Forces, sites: BeadSites, ridge: float = RIDGE) -> LinearMap:
    """Fit the map of least mean square force.

    forces: of all atoms [n_frames, n_atoms, 3], any unit; one array, or a stream of such arrays, of which only one is
    held at a time. ridge: added to the diagonal of Q, in units of its mean, which keeps weights small where the forces
    do not determine them. Raises InputError for too few frames, for shapes that are not those of the sites' atoms, and
    if beads share a constraint group.
    """
    if ridge < 0:
        raise InputError(f"ridge={ridge} is negative: expected a number >= 0")
    fixed = sites.groups[sites.beads]
    covariance, n_frames = covariance_of_groups(forces, sites.groups)
    free = np.setdiff1d(np.arange(len(covariance)), fixed)
    needed = FRAMES_PER_WEIGHT * len(free)
    if n_frames < needed:
        raise InputError(
            f"the optimal force map has {len(free)} weights a bead to fit and got {n_frames} frames: expected at least "
            f"{needed}; sample more or use constraint_group"
        )
    weights = np.zeros((sites.n_beads, len(covariance)))
    weights[np.arange(sites.n_beads), fixed] = 1.0
    weights[:, free] = _free_weights(covariance, free, fixed, ridge)
    provenance = (
        f"least mean square force (Krämer et al. 2023, arXiv:2302.07071), fitted on {n_frames} frames, ridge {ridge:g} "
        f"of the mean diagonal, one weight for each of {len(covariance)} groups of rigidly bonded atoms"
    )
    return LinearMap.of("optimal", weights[:, sites.groups], sites, provenance)


def covariance_of_groups(forces: Forces, groups: NDArray[np.int64]) -> tuple[Matrix, int]:
    """Q = <F F^T> [n_groups, n_groups] of group forces, mean over frames and components, and the number of frames.

    forces: of all atoms, as for ``optimal_map``. groups: [n_atoms], the group of each atom, counted from 0.
    """
    n_groups, n_atoms = int(groups.max()) + 1, len(groups)
    membership = (groups[:, None] == np.arange(n_groups)[None, :]).astype(np.float64)
    total, n_frames = np.zeros((n_groups, n_groups)), 0
    for batch in _batches(forces, n_atoms):
        components = batch.astype(np.float64).transpose(0, 2, 1).reshape(-1, n_atoms)
        summed = components @ membership
        total += summed.T @ summed
        n_frames += len(batch)
    if not np.isfinite(total).all():
        raise InputError("atom forces are not all finite: remove the broken frames before a force map is fitted")
    return total / max(3 * n_frames, 1), n_frames


def _batches(forces: Forces, n_atoms: int) -> Iterator[NDArray[np.floating]]:
    for part in [forces] if isinstance(forces, np.ndarray) else forces:
        if part.ndim != 3 or part.shape[1:] != (n_atoms, 3):
            raise InputError(
                f"atom forces have shape {list(part.shape)}: expected [n_frames, n_atoms, 3] = [n_frames, {n_atoms}, 3]"
            )
        for start in range(0, len(part), BATCH):
            yield part[start : start + BATCH]


def _free_weights(covariance: Matrix, free: NDArray[np.int64], fixed: NDArray[np.int64], ridge: float) -> Matrix:
    """-Q_fb^T (Q_ff + ridge)^-1, [n_beads, n_free]."""
    shift = ridge * np.trace(covariance) / len(covariance) * np.eye(len(free))
    try:
        solution: Matrix = np.linalg.solve(covariance[np.ix_(free, free)] + shift, covariance[np.ix_(free, fixed)])
    except np.linalg.LinAlgError as error:
        raise InputError(
            "atom forces do not determine the optimal force map: set ridge > 0, and check that they are not all zero"
        ) from error
    return -solution.T


BIASED = frozenset({"slice"})  # maps known to be biased under constrained bonds: refused unless a reason is given


def slice_map(sites: BeadSites) -> LinearMap:
    """The force of the bead's own atom alone. Biased if that atom takes part in a constraint."""
    matrix = (sites.beads[:, None] == np.arange(sites.n_atoms)[None, :]).astype(np.float64)
    return LinearMap.of("slice", matrix, sites, "the force on the bead's own atom alone")


def constraint_group_map(sites: BeadSites) -> LinearMap:
    """The sum over the atoms that constraints bind rigidly to the bead's atom (C-alpha and its hydrogen)."""
    matrix = (sites.groups[sites.beads][:, None] == sites.groups[None, :]).astype(np.float64)
    return LinearMap.of("constraint_group", matrix, sites, "the sum over the atoms rigidly bonded to the bead's atom")


def residue_map(sites: BeadSites) -> LinearMap:
    """The sum over all atoms of the bead's residue. Raises InputError unless a residue has one bead at most."""
    owners = sites.residues[sites.beads]
    if len(np.unique(owners)) < sites.n_beads:
        raise InputError(
            f"the residue map needs one bead a residue but {sites.n_beads} beads sit on {len(np.unique(owners))} "
            "residues: use constraint_group or optimal"
        )
    matrix = (owners[:, None] == sites.residues[None, :]).astype(np.float64)
    residue = LinearMap.of("residue", matrix, sites, "the sum over all atoms of the bead's residue")
    if not residue.valid_for(sites.constraints):
        raise InputError(
            "rigid bonds connect residues: the residue map cannot be used; use constraint_group or optimal"
        )
    return residue


FORCE_MAPS: dict[str, Callable[..., LinearMap]] = {
    "slice": slice_map,
    "constraint_group": constraint_group_map,
    "residue": residue_map,
    "optimal": optimal_map,
}
FITTED = frozenset({"optimal"})  # take forces before the sites


def make_map(name: str, sites: BeadSites, forces: Forces | None = None) -> LinearMap:
    """Build the map called ``name``; ``forces`` of all atoms are needed if it is one of FITTED, see ``optimal_map``.

    Raises InputError for an unknown name, and if the map cannot be built for these beads.
    """
    if name not in FORCE_MAPS:
        raise InputError(
            f"unknown force map '{name}'{did_you_mean(name, FORCE_MAPS)}: expected one of {', '.join(FORCE_MAPS)}"
        )
    if name not in FITTED:
        return FORCE_MAPS[name](sites)
    if forces is None:
        raise InputError(f"force map '{name}' is fitted to forces and got none: give those of a sampled trajectory")
    return FORCE_MAPS[name](forces, sites)
