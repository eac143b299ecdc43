"""Force maps: which atoms a bead takes, and the identity that a biased map breaks."""

from __future__ import annotations

import numpy as np
import pytest

from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.reference.mapping.force_maps import (
    BIASED,
    FORCE_MAPS,
    apply_map,
    constraint_groups,
    force_map,
    force_rms,
    virial,
)

KT = 0.0019872042586 * 350.0
# Two beads on atoms 0 and 3; atom 1 rigidly on 0, atom 2 free, atoms 4 and 5 rigidly on 3.
BEADS, CONSTRAINTS, N_ATOMS = np.array([0, 3]), np.array([[1, 0], [3, 4], [5, 3]]), 6


def harmonic_chain(n_frames: int, n_beads: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Exact samples of beads on springs of 5 kcal/mol/Å^2 with an exact force, [n_frames, n_beads, 3] each."""
    stiffness = 5.0
    bonds = generator.normal(size=(n_frames, n_beads - 1, 3)) * np.sqrt(KT / stiffness)
    coords = np.concatenate([np.zeros((n_frames, 1, 3)), np.cumsum(bonds, axis=1)], axis=1)
    forces = np.zeros_like(coords)
    forces[:, :-1] += stiffness * bonds
    forces[:, 1:] -= stiffness * bonds
    return coords, forces


def frames_of(coords: np.ndarray, forces: np.ndarray, n_blocks: int) -> Frames:
    return Frames(
        coords=coords,
        forces=forces,
        bead_types=np.zeros(coords.shape[1], dtype=np.int64),
        block=np.arange(len(coords)) * n_blocks // len(coords),
        units="molecular",
        temperature=350.0,
        system="chain",
        source="test",
    )


def test_slice_takes_the_beads_atom_alone() -> None:
    matrix = force_map("slice", BEADS, CONSTRAINTS, N_ATOMS)
    np.testing.assert_array_equal(matrix, [[1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0]])
    assert "slice" in BIASED
    assert set(FORCE_MAPS) >= BIASED
    assert "constraint_group" not in BIASED


def test_constraint_group_takes_what_is_rigidly_bonded() -> None:
    matrix = force_map("constraint_group", BEADS, CONSTRAINTS, N_ATOMS)
    np.testing.assert_array_equal(matrix, [[1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1]])
    free = force_map("constraint_group", BEADS, np.zeros((0, 2), dtype=np.int64), N_ATOMS)
    np.testing.assert_array_equal(free, force_map("slice", BEADS, CONSTRAINTS, N_ATOMS))


def test_groups_follow_chains_of_constraints_in_any_order() -> None:
    groups = constraint_groups(np.array([[2, 3], [0, 1], [4, 3], [1, 2]]), 6)
    np.testing.assert_array_equal(groups, [0, 0, 0, 0, 0, 5])


def test_beads_in_one_rigid_group_are_refused() -> None:
    with pytest.raises(InputError, match="share a group"):
        force_map("constraint_group", np.array([0, 1]), CONSTRAINTS, N_ATOMS)


def test_an_unknown_map_is_refused_with_a_suggestion() -> None:
    with pytest.raises(InputError, match="did you mean 'constraint_group'"):
        force_map("constraint_groups", BEADS, CONSTRAINTS, N_ATOMS)


def test_apply_map_sums_atoms() -> None:
    atoms = np.random.default_rng(0).normal(size=(3, N_ATOMS, 3)).astype(np.float32)
    mapped = apply_map(force_map("constraint_group", BEADS, CONSTRAINTS, N_ATOMS), atoms)
    np.testing.assert_allclose(mapped[:, 1], atoms[:, 3:].astype(np.float64).sum(axis=1))


def test_virial_is_minus_three_for_exact_samples_and_forces() -> None:
    coords, forces = harmonic_chain(20_000, 5, np.random.default_rng(1))
    mean, error = virial(frames_of(coords, forces, 50))
    assert abs(mean + 3.0) < 4.0 * error
    assert 0.001 < error < 0.05


def test_virial_sees_a_biased_force() -> None:
    coords, forces = harmonic_chain(20_000, 5, np.random.default_rng(2))
    mean, error = virial(frames_of(coords, 1.5 * forces, 50))
    assert mean == pytest.approx(-4.5, abs=4.0 * error)
    assert abs(mean + 3.0) > 10.0 * error


def test_virial_error_over_blocks_equals_that_of_independent_frames() -> None:
    coords, forces = harmonic_chain(20_000, 5, np.random.default_rng(3))
    by_frame, by_block = (virial(frames_of(coords, forces, n))[1] for n in (20_000, 400))
    assert by_block == pytest.approx(by_frame, rel=0.15)
    assert np.isnan(virial(frames_of(coords, forces, 1))[1])


def test_force_rms_is_per_component_and_needs_forces() -> None:
    coords, forces = harmonic_chain(100, 3, np.random.default_rng(4))
    frames = frames_of(coords, forces, 2)
    assert force_rms(frames) == pytest.approx(float(np.sqrt((forces**2).mean())))
    with pytest.raises(InputError, match="carry no forces"):
        force_rms(frames.with_labels(forces=None))
