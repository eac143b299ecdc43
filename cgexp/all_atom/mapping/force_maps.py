"""The force maps by name. A new one is a function that returns a LinearMap and an entry in FORCE_MAPS.

All are for beads that sit on atoms. Which of them are valid under rigid bonds: see linear_map.py and
``LinearMap.constrained``; the slice is not, if a bead's atom takes part in one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cgexp.all_atom.mapping.linear_map import LinearMap
from cgexp.all_atom.mapping.optimal import Forces, optimal_map
from cgexp.all_atom.mapping.sites import BeadSites
from cgexp.errors import InputError, did_you_mean

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
