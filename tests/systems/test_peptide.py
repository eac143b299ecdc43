"""Peptide: beads, masses, and the superposed RMSD against a slow reference."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.systems.peptide import RESIDUES, Peptide


@pytest.fixture
def peptide() -> Peptide:
    return Peptide("YYDPETGTWY")


def rotations(n: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Proper rotation matrices, [n, 3, 3]."""
    q, _ = np.linalg.qr(generator.normal(size=(n, 3, 3)))
    return q * np.linalg.det(q)[:, None, None]


def slow_rmsd(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """RMSD of two configurations by building the Kabsch rotation and applying it."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    u, _, v = np.linalg.svd(a.T @ b)
    u[:, -1] *= np.sign(np.linalg.det(u @ v))
    return float(np.sqrt(np.mean(np.sum((a @ (u @ v) - b) ** 2, axis=1))))


def test_beads_have_types_and_masses_of_residues(peptide: Peptide) -> None:
    assert (peptide.n_beads, peptide.n_dims, peptide.units) == (10, 3, "molecular")
    assert peptide.bead_types.tolist() == ["ACDEFGHIKLMNPQRSTVWY".index(letter) for letter in "YYDPETGTWY"]
    assert len(RESIDUES) == 20
    carbon, hydrogen, nitrogen, oxygen = 12.011, 1.008, 14.007, 15.999
    assert peptide.masses[0] == pytest.approx(9 * carbon + 9 * hydrogen + nitrogen + 2 * oxygen, abs=0.01)  # tyrosine
    assert peptide.masses[6] == pytest.approx(2 * carbon + 3 * hydrogen + nitrogen + oxygen, abs=0.01)  # glycine


def test_distance_equals_superposing_one_by_one(peptide: Peptide) -> None:
    generator = np.random.default_rng(1)
    a, b = generator.normal(size=(7, 10, 3)) * 4.0, generator.normal(size=(5, 10, 3)) * 4.0 + 20.0
    expected = [[slow_rmsd(x, y) for y in b] for x in a]
    np.testing.assert_allclose(peptide.distance(a, b), expected, rtol=1e-10)


def test_distance_ignores_rotation_and_translation(peptide: Peptide) -> None:
    generator = np.random.default_rng(2)
    native = peptide.native()
    moved = native @ rotations(20, generator) + generator.normal(size=(20, 1, 3)) * 30.0
    assert peptide.distance(moved, native[None]).shape == (20, 1)
    assert peptide.distance(moved, native[None]).max() < 1e-5


def test_distance_tells_mirror_images_apart(peptide: Peptide) -> None:
    native = peptide.native()
    assert peptide.distance(native[None], -native[None])[0, 0] > 1.0


def test_distance_of_an_aligned_chain_is_finite(peptide: Peptide) -> None:
    line = np.zeros((1, 10, 3))
    line[0, :, 0] = 3.8 * np.arange(10)
    assert peptide.distance(line, line)[0, 0] == pytest.approx(0.0, abs=1e-5)
    stretched = peptide.distance(line, 1.1 * line)[0, 0]
    assert stretched == pytest.approx(0.1 * np.sqrt(np.mean((line[0] - line[0].mean(axis=0)) ** 2) * 3), rel=1e-6)


def test_distance_in_parts_equals_distance_at_once(peptide: Peptide, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(3)
    a, b = generator.normal(size=(9, 10, 3)), generator.normal(size=(4, 10, 3))
    whole = peptide.distance(a, b)
    monkeypatch.setattr("cgexp.systems.metric._PAIRS_AT_ONCE", 8)
    np.testing.assert_array_equal(peptide.distance(a, b), whole)
    assert peptide.distance(a[:0], b).shape == (0, 4)


def test_distance_refuses_other_shapes(peptide: Peptide) -> None:
    with pytest.raises(ValueError, match=r"expected \[n, 10, 3\]"):
        peptide.distance(np.zeros((2, 9, 3)), np.zeros((2, 10, 3)))


def test_native_is_a_hairpin(peptide: Peptide) -> None:
    native = peptide.native()
    bonds = np.linalg.norm(np.diff(native, axis=0), axis=1)
    assert np.abs(bonds - 3.83).max() < 0.1
    assert np.linalg.norm(native[0] - native[-1]) < 7.0  # the two strands lie side by side


def test_unknown_residues_and_natives_are_refused() -> None:
    with pytest.raises(InputError, match="YYDBX"):
        Peptide("YYDBX")
    with pytest.raises(InputError, match="native structure of 'AAA'"):
        Peptide("AAA").native()
