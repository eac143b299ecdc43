"""BeadSites: where beads sit, and what is rigid."""

from __future__ import annotations

import numpy as np
import pytest

from cgexp.all_atom.mapping.sites import BeadSites, constraint_groups
from cgexp.errors import InputError

ATOMS = [(0, "CA"), (0, "HA"), (0, "C"), (1, "CA"), (1, "HA2"), (1, "HA3")]
RIGID = np.array([[1, 0], [3, 4], [5, 3]])


def test_groups_follow_chains_of_constraints_in_any_order() -> None:
    groups = constraint_groups(np.array([[2, 3], [0, 1], [4, 3], [1, 2]]), 6)
    np.testing.assert_array_equal(groups, [0, 0, 0, 0, 0, 5])


def test_groups_are_numbered_and_flexible_atoms_have_their_own() -> None:
    np.testing.assert_array_equal(BeadSites(ATOMS, np.array([0, 3]), RIGID).groups, [0, 0, 1, 2, 2, 2])
    np.testing.assert_array_equal(
        BeadSites(ATOMS, np.array([0, 3]), np.zeros((0, 2), dtype=np.int64)).groups, np.arange(6)
    )


def test_beads_are_found_by_name() -> None:
    sites = BeadSites.on(ATOMS, [(1, "CA"), (0, "C")], RIGID)
    np.testing.assert_array_equal(sites.beads, [3, 2])
    np.testing.assert_array_equal(sites.residues, [0, 0, 0, 1, 1, 1])
    with pytest.raises(InputError, match="residue 2 has no atom C for a bead to sit on"):
        BeadSites.on(ATOMS, [(1, "C")], RIGID)


def test_beads_in_one_rigid_group_are_refused_by_name() -> None:
    sites = BeadSites(ATOMS, np.array([0, 3, 5]), RIGID)
    with pytest.raises(InputError, match=r"share a group of constrained atoms \(CA of residue 2 and HA3 of residue 2"):
        _ = sites.groups


@pytest.mark.parametrize(
    ("beads", "constraints", "message"),
    [
        ([0, 6], RIGID, "beads name atoms 0 to 6 but there are 6"),
        ([0, -1], RIGID, "beads name atoms -1 to 0"),
        ([0, 3], [[0, 9]], "constraints name atoms 0 to 9"),
        ([0, 0], RIGID, "each on its own atom"),
        ([], RIGID, "expected at least one"),
    ],
)
def test_indices_that_are_no_atoms_are_refused(beads: list[int], constraints: list[list[int]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BeadSites(ATOMS, np.array(beads, dtype=np.int64), np.array(constraints))
