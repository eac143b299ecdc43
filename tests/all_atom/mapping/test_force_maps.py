"""Force maps: which atoms a bead takes, what is refused, and exactness on systems that are known."""

from __future__ import annotations

import numpy as np
import pytest

from cgexp.all_atom.mapping.force_maps import BIASED, FITTED, FORCE_MAPS, make_map, optimal_map
from cgexp.all_atom.mapping.linear_map import LinearMap
from cgexp.all_atom.mapping.sites import BeadSites
from cgexp.all_atom.mapping.unbiasedness import virial
from cgexp.errors import InputError
from tests.all_atom.mapping.toys import FLEXIBLE, KT, Network, RotorChain, Sample

VALID = ("constraint_group", "residue", "optimal")
# Two beads on atoms 0 and 3; atom 1 rigidly on 0, atom 2 free, atoms 4 and 5 rigidly on 3.
ATOMS = [(0, "CA"), (0, "HA"), (0, "C"), (1, "CA"), (1, "HA2"), (1, "HA3")]
CONSTRAINTS = np.array([[1, 0], [3, 4], [5, 3]])
SITES = BeadSites(ATOMS, np.array([0, 3]), CONSTRAINTS)
FREE = BeadSites(ATOMS, np.array([0, 3]), FLEXIBLE)


def test_slice_takes_the_beads_atom_alone() -> None:
    sliced = make_map("slice", SITES)
    np.testing.assert_array_equal(sliced.matrix, [[1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0]])
    assert not sliced.constrained
    assert {"slice"} == BIASED


def test_a_slice_is_valid_where_no_bead_is_rigidly_bonded() -> None:
    assert make_map("slice", SITES).valid_for(FLEXIBLE)
    assert make_map("slice", BeadSites(ATOMS, np.array([2]), CONSTRAINTS)).constrained
    assert not make_map("slice", FREE).constrained  # built without knowing of rigid bonds


def test_constraint_group_takes_what_is_rigidly_bonded() -> None:
    grouped = make_map("constraint_group", SITES)
    np.testing.assert_array_equal(grouped.matrix, [[1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1]])
    assert grouped.constrained
    np.testing.assert_array_equal(make_map("constraint_group", FREE).matrix, make_map("slice", FREE).matrix)


def test_residue_takes_all_atoms_of_the_beads_residue() -> None:
    residue = make_map("residue", SITES)
    np.testing.assert_array_equal(residue.matrix, [[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]])
    assert residue.constrained
    one = make_map("residue", BeadSites(ATOMS, np.array([3]), CONSTRAINTS))
    np.testing.assert_array_equal(one.matrix, [[0, 0, 0, 1, 1, 1]])


def test_two_beads_a_residue_have_no_residue_map() -> None:
    with pytest.raises(InputError, match="needs one bead a residue but 2 beads sit on 1 residues"):
        make_map("residue", BeadSites(ATOMS, np.array([0, 2]), CONSTRAINTS))


def test_rigid_bonds_between_residues_have_no_residue_map() -> None:
    with pytest.raises(InputError, match="rigid bonds connect residues"):
        make_map("residue", BeadSites(ATOMS, np.array([0]), np.array([[2, 3]])))


@pytest.mark.parametrize("name", ["constraint_group", "optimal"])
def test_beads_in_one_rigid_group_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="share a group"):
        make_map(name, BeadSites(ATOMS, np.array([0, 1]), CONSTRAINTS), np.ones((10, 6, 3)))


def test_an_unknown_map_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match="did you mean 'constraint_group'"):
        make_map("constraint_groups", SITES)


def test_a_fitted_map_needs_forces() -> None:
    assert set(FORCE_MAPS) >= BIASED | FITTED
    with pytest.raises(InputError, match="'optimal' is fitted to forces and got none"):
        make_map("optimal", SITES)


@pytest.fixture(scope="module")
def rigid() -> Sample:
    return RotorChain().sample(40_000, seed=10)


def built(name: str, sample: Sample) -> LinearMap:
    """The map, fitted on other frames than those of ``sample`` if it is fitted."""
    fitted_on = RotorChain().sample(1000, seed=11).forces if sample.sites.constraints.size else sample.forces[:500]
    return make_map(name, sample.sites, fitted_on)


@pytest.mark.parametrize("name", VALID)
def test_valid_maps_obey_the_virial_identity_under_rigid_bonds(name: str, rigid: Sample) -> None:
    force_map = built(name, rigid)
    mean, error = virial(rigid.frames(force_map))
    assert force_map.constrained
    assert error < 0.07
    assert abs(mean + 3.0) < 4.0 * error


def test_slice_and_untied_weights_break_it(rigid: Sample) -> None:
    untied = optimal_map(rigid.forces[:1000], BeadSites(rigid.sites.atoms, rigid.sites.beads, FLEXIBLE))
    assert not untied.valid_for(rigid.sites.constraints)
    for invalid in (built("slice", rigid), untied):
        mean, error = virial(rigid.frames(invalid))
        assert not invalid.constrained
        assert abs(mean + 3.0) > 20.0 * error


def deviation_from_mean_force(force_map: LinearMap, sample: Sample) -> float:
    """Largest deviation, in standard errors, of the mapped force on the first bead from the exact mean force.

    Both are averaged over the frames of a bin of the distance between the first two beads.
    """
    coords = sample.coords[:, force_map.beads]
    towards = coords[:, 1] - coords[:, 0]
    distance = np.linalg.norm(towards, axis=-1)
    force = (force_map.apply(sample.forces)[:, 0] * towards).sum(axis=-1) / distance
    residual = force - RotorChain().mean_force(distance)
    parts = np.array_split(residual[np.argsort(distance)], 12)
    return max(abs(part.mean()) / (part.std() / len(part) ** 0.5) for part in parts)


@pytest.mark.parametrize("name", VALID)
def test_valid_maps_average_to_the_exact_mean_force_at_every_distance(name: str, rigid: Sample) -> None:
    assert deviation_from_mean_force(built(name, rigid), rigid) < 4.0


def test_the_slice_does_not_average_to_the_mean_force(rigid: Sample) -> None:
    assert deviation_from_mean_force(built("slice", rigid), rigid) > 10.0


@pytest.mark.parametrize("name", FORCE_MAPS)
def test_all_maps_give_the_gaussian_free_energys_gradient_in_flexible_dynamics(name: str) -> None:
    network = Network()
    sample = network.sample(40_000, seed=12)
    force_map = built(name, sample)
    x = sample.coords[:, force_map.beads].transpose(0, 2, 1).reshape(-1, force_map.n_beads)
    force = force_map.apply(sample.forces).transpose(0, 2, 1).reshape(-1, force_map.n_beads)
    inverse = np.linalg.inv(x.T @ x)
    slope = (inverse @ x.T @ force).T  # regression of the force on the beads' coordinates
    noise = force - x @ slope.T
    error = np.sqrt(np.outer((noise**2).mean(axis=0), np.diag(inverse)))
    exact = -KT * network.bead_precision
    assert np.abs((slope - exact) / error).max() < 4.5
    mean, sem = virial(sample.frames(force_map))
    assert abs(mean + 3.0) < 4.0 * sem


@pytest.mark.parametrize(("sequence", "beads"), [("YYDPETGTWY", "ca"), ("YYDPETGTWY", "backbone5"), ("GPA", "ca")])
def test_maps_of_a_peptide_bear_its_rigid_bonds(sequence: str, beads: str) -> None:
    pytest.importorskip("openmm")
    from cgexp.all_atom.force_field import constraint_pairs, make_system
    from cgexp.all_atom.structure import build_peptide
    from cgexp.systems.beads import bead_atoms

    peptide = build_peptide(sequence)
    constraints = constraint_pairs(make_system(peptide.topology))
    sites = BeadSites.on(peptide.atoms, bead_atoms(sequence, beads), constraints)
    forces = np.random.default_rng(0).normal(size=(200, sites.n_atoms, 3)).astype(np.float32)
    grouped = make_map("constraint_group", sites)
    names = [[sites.atoms[atom][1] for atom in np.flatnonzero(row).tolist()] for row in grouped.matrix]
    for bead, found in zip(sites.beads.tolist(), names, strict=True):
        assert sites.atoms[bead][1] in found
        assert all(name.startswith("H") for name in found if name != sites.atoms[bead][1])
    assert grouped.constrained
    assert make_map("optimal", sites, forces).constrained
    assert not make_map("slice", sites).constrained
    if beads == "ca":
        residue = make_map("residue", sites)
        assert residue.constrained
        np.testing.assert_array_equal(residue.matrix.sum(axis=0), 1.0)
