"""The optimal map: exact constraints, the least mean square, and the symmetries of the fit."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.all_atom.mapping.force_maps import constraint_group_map, optimal_map, residue_map, slice_map
from cgexp.all_atom.mapping.linear_map import LinearMap
from cgexp.all_atom.mapping.sites import BeadSites
from cgexp.errors import InputError
from tests.all_atom.mapping.toys import FLEXIBLE, RotorChain

ATOMS = [(atom // 4, f"A{atom % 4}") for atom in range(8)]
RIGID = np.array([[0, 1], [5, 6], [6, 7]])
SITES = BeadSites(ATOMS, np.array([0, 5]), RIGID)


def random_forces(n_frames: int = 200, n_atoms: int = 8, seed: int = 0) -> NDArray[np.float64]:
    """Correlated forces without any structure."""
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(n_atoms, n_atoms))
    return np.einsum("ab,fbd->fad", mixing, generator.normal(size=(n_frames, n_atoms, 3)))


def brute_force(forces: NDArray[np.float64], sites: BeadSites) -> NDArray[np.float64]:
    """Least squares over all atoms' weights with every condition as an equation (Lagrange multipliers)."""
    n_atoms, n_beads = sites.n_atoms, sites.n_beads
    rows = forces.transpose(0, 2, 1).reshape(-1, n_atoms)
    own = np.eye(n_atoms)[sites.beads]
    tied = np.eye(n_atoms)[sites.constraints[:, 0]] - np.eye(n_atoms)[sites.constraints[:, 1]]
    conditions = np.concatenate([own, tied])
    zeros = np.zeros((len(conditions), len(conditions)))
    system = np.block([[rows.T @ rows / len(rows), conditions.T], [conditions, zeros]])
    matrix = []
    for bead in range(n_beads):
        right = np.zeros(len(system))
        right[n_atoms + bead] = 1.0
        matrix.append(np.linalg.solve(system, right)[:n_atoms])
    return np.array(matrix)


def mean_square(force_map: LinearMap, forces: NDArray[np.floating]) -> float:
    return float(np.square(force_map.apply(forces)).mean())


@pytest.mark.parametrize("constraints", [RIGID, FLEXIBLE], ids=["rigid", "flexible"])
def test_closed_form_is_the_constrained_least_squares_solution(constraints: NDArray[np.int64]) -> None:
    sites = BeadSites(ATOMS, SITES.beads, constraints)
    forces = random_forces()
    np.testing.assert_allclose(optimal_map(forces, sites, ridge=0.0).matrix, brute_force(forces, sites), atol=1e-9)


def test_conditions_hold_exactly() -> None:
    found = optimal_map(random_forces(), SITES)
    np.testing.assert_array_equal(found.matrix[:, SITES.beads], np.eye(2))
    np.testing.assert_array_equal(found.matrix[:, RIGID[:, 0]], found.matrix[:, RIGID[:, 1]])
    assert found.constrained
    assert not optimal_map(random_forces(), BeadSites(ATOMS, SITES.beads, FLEXIBLE)).constrained


def test_no_other_map_has_a_smaller_mean_square_on_the_fitted_frames() -> None:
    sample = RotorChain().sample(500, seed=0)
    best = optimal_map(sample.forces, sample.sites, ridge=0.0)
    for other in (constraint_group_map, residue_map):
        assert mean_square(best, sample.forces) < mean_square(other(sample.sites), sample.forces)
    generator = np.random.default_rng(1)
    rigid, residue = best.matrix, residue_map(sample.sites).matrix
    for _ in range(20):
        step = generator.normal() * (residue - rigid)
        assert mean_square(best, sample.forces) <= mean_square(
            LinearMap.of("other", rigid + step, sample.sites, ""), sample.forces
        )


def test_known_weights_are_found() -> None:
    chain = RotorChain()
    found = optimal_map(chain.sample(20_000, seed=1).forces, chain.sites, ridge=0.0)
    # an atom between two springs passes on to either side what that side's spring would carry in series
    weight = chain.LEFT / (chain.LEFT + chain.RIGHT)
    left_of_link, right_of_link = found.matrix[0, 3], found.matrix[1, 3]
    assert left_of_link == pytest.approx(weight, abs=0.01)
    assert right_of_link == pytest.approx(1.0 - weight, abs=0.01)
    np.testing.assert_allclose(np.diag(found.matrix[:, 2::4]), 1.0, atol=0.01)  # CB moves with its CA


def test_weights_of_an_atom_sum_to_one_if_the_forces_sum_to_zero() -> None:
    sample = RotorChain().sample(500, seed=2)
    np.testing.assert_allclose(sample.forces.sum(axis=1), 0.0, atol=1e-9)
    total = optimal_map(sample.forces, sample.sites, ridge=0.0).matrix.sum(axis=0)
    np.testing.assert_allclose(total, 1.0, atol=1e-9)
    assert np.abs(optimal_map(sample.forces, sample.sites).matrix.sum(axis=0) - 1.0).max() < 0.1


def test_rotation_and_unit_of_the_forces_do_not_matter() -> None:
    forces = random_forces()
    rotation, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    expected = optimal_map(forces, SITES).matrix
    np.testing.assert_allclose(optimal_map(forces @ rotation.T, SITES).matrix, expected, atol=1e-10)
    np.testing.assert_allclose(optimal_map(41.84 * forces, SITES).matrix, expected, atol=1e-10)


def test_permuted_atoms_give_permuted_weights() -> None:
    forces = random_forces()
    order = np.random.default_rng(4).permutation(8)  # new atom k is old atom order[k]
    place = np.argsort(order)
    permuted = BeadSites([ATOMS[old] for old in order], place[SITES.beads], place[RIGID])
    found = optimal_map(forces[:, order], permuted).matrix
    np.testing.assert_allclose(found, optimal_map(forces, SITES).matrix[:, order], atol=1e-10)


def test_a_stream_gives_the_same_map_as_one_array() -> None:
    forces = random_forces(1500)
    streamed = optimal_map((part for part in np.split(forces, [0, 7, 800])), SITES)
    whole = optimal_map(forces, SITES)
    np.testing.assert_allclose(streamed.matrix, whole.matrix, atol=1e-12)
    assert streamed.provenance == whole.provenance


def test_many_frames_need_little_memory() -> None:
    forces = np.random.default_rng(5).normal(size=(40_000, 8, 3)).astype(np.float32)
    tracemalloc.start()
    optimal_map(forces, SITES)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.5 * forces.nbytes


def test_ridge_makes_weights_smaller() -> None:
    forces = random_forces()
    sizes = [np.abs(optimal_map(forces, SITES, ridge).matrix).sum() for ridge in (0.0, 1e-2, 1.0)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_provenance_tells_how_it_was_fitted() -> None:
    found = optimal_map(random_forces(123), SITES, ridge=0.01)
    assert found.name == "optimal"
    assert "123 frames" in found.provenance
    assert "ridge 0.01" in found.provenance
    assert "5 groups" in found.provenance


def test_all_atoms_beads_leave_nothing_to_fit() -> None:
    atoms = ATOMS[:2]
    found = optimal_map(random_forces(1, 2), BeadSites(atoms, np.arange(2), FLEXIBLE))
    np.testing.assert_array_equal(found.matrix, slice_map(BeadSites(atoms, np.arange(2), FLEXIBLE)).matrix)


@pytest.mark.parametrize(
    ("forces", "message"),
    [
        (random_forces(5), "3 weights a bead to fit and got 5 frames: expected at least 6"),
        (random_forces(50, 7), r"shape \[50, 7, 3\]: expected \[n_frames, n_atoms, 3\] = \[n_frames, 8, 3\]"),
        (random_forces(50)[0], "atom forces have shape"),
        (np.full((50, 8, 3), np.nan), "not all finite"),
        (np.zeros((50, 8, 3)), "check that they are not all zero"),
    ],
)
def test_forces_that_cannot_be_fitted_are_refused(forces: NDArray[np.float64], message: str) -> None:
    with pytest.raises(InputError, match=message):
        optimal_map(forces, SITES)


def test_a_negative_ridge_and_beads_of_one_group_are_refused() -> None:
    with pytest.raises(InputError, match="ridge=-1"):
        optimal_map(random_forces(), SITES, ridge=-1.0)
    with pytest.raises(InputError, match="share a group"):
        optimal_map(random_forces(), BeadSites(ATOMS, np.array([5, 7]), RIGID))
