"""Every configuration is in one basin, and hairpins are told apart by their register."""

from __future__ import annotations

import numpy as np

from cgexp.systems.peptide import BASINS, CONTACT, N_CONTACTS, Peptide, basin_of, register_contacts

NATIVE = Peptide("YYDPETGTWY").native()
REGISTER = 9  # of the native hairpin: residues 1 and 10, 2 and 9, ...


def ladder(register: int, n: int = 10) -> np.ndarray:
    """Two straight antiparallel strands whose residues i and register - i face each other at 5 Å."""
    turn = register / 2.0
    along = np.where(np.arange(n) < turn, np.arange(n), register - np.arange(n))
    return np.stack([3.4 * along, np.where(np.arange(n) < turn, 0.0, 5.0), np.zeros(n)], axis=-1)


def test_the_native_structure_is_folded_and_knows_its_register() -> None:
    contacts = register_contacts(NATIVE[None])
    assert contacts.shape == (1, 19)
    assert contacts[0].argmax() == REGISTER
    assert contacts[0].max() >= N_CONTACTS
    assert basin_of(NATIVE[None] + 5.0, NATIVE).tolist() == ["folded"]


def test_contacts_are_counted_one_by_one() -> None:
    coords = np.random.default_rng(0).normal(scale=5.0, size=(3, 10, 3))
    expected = np.zeros((3, 19), dtype=int)
    for frame in range(3):
        for i in range(10):
            for j in range(i + 3, 10):
                expected[frame, i + j] += np.linalg.norm(coords[frame, i] - coords[frame, j]) < CONTACT
    np.testing.assert_array_equal(register_contacts(coords), expected)


def test_a_shifted_hairpin_and_a_mirrored_one_are_misfolded() -> None:
    for wrong in (ladder(7), ladder(11), NATIVE * [1.0, 1.0, -1.0]):
        assert basin_of(wrong[None], NATIVE).tolist() == ["misfolded"]
    assert register_contacts(ladder(7)[None])[0].argmax() == 7


def test_an_extended_chain_is_unfolded_and_a_frayed_hairpin_is_between() -> None:
    extended = np.stack([3.5 * np.arange(10), np.zeros(10), np.zeros(10)], axis=-1)
    frayed = NATIVE.copy()
    frayed[8:] = frayed[7] + np.array([[-2.0, 2.5, 2.0], [-4.0, 5.0, 4.0]])
    assert basin_of(np.stack([extended, frayed]), NATIVE).tolist() == ["unfolded", "transition"]


def test_every_configuration_is_in_one_basin() -> None:
    rng = np.random.default_rng(1)
    walks = np.cumsum(rng.normal(scale=2.2, size=(200, 10, 3)), axis=1)
    near = NATIVE + rng.normal(scale=1.5, size=(200, 10, 3))
    assert set(basin_of(np.concatenate([walks, near]), NATIVE)) <= set(BASINS)
    assert basin_of(walks[:0], NATIVE).shape == (0,)
