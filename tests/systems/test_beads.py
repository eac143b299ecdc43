"""Bead mappings: atoms, bonds, types and masses, and the peptide made of them."""

from __future__ import annotations

import numpy as np
import pytest

from cgexp.build import build
from cgexp.errors import InputError
from cgexp.systems.beads import RESIDUES, bead_atoms, bead_bonds
from cgexp.systems.metric import superposed_rmsd
from cgexp.systems.peptide import Peptide
from tests.systems.backbones import backbone_frames


def test_backbone_beads_in_order_without_the_cb_of_glycine() -> None:
    assert bead_atoms("AG", "backbone5") == [
        *((0, name) for name in ("N", "CA", "CB", "C", "O")),
        *((1, name) for name in ("N", "CA", "C", "O")),
    ]
    assert bead_atoms("AG", "ca") == [(0, "CA"), (1, "CA")]


def test_bonds() -> None:
    assert bead_bonds("AAA", "ca").tolist() == [[0, 1], [1, 2]]
    assert bead_bonds("AG", "backbone5").tolist() == [[0, 1], [1, 2], [1, 3], [3, 4], [3, 5], [5, 6], [6, 7], [7, 8]]
    assert Peptide("YYDPETGTWY", beads="backbone5").bonds.shape == (48, 2)


def test_every_sequence_is_one_molecule_without_rings() -> None:
    peptide = Peptide(RESIDUES, beads="backbone5")
    assert len(peptide.bonds) == peptide.n_beads - 1
    assert set(range(1, peptide.n_beads)) == set(peptide.bonds[:, 1].tolist())


def test_types_tell_residues_by_cb_or_by_the_ca_of_glycine() -> None:
    alanine, glycine = RESIDUES.index("A"), RESIDUES.index("G")
    assert Peptide("AG", beads="backbone5").bead_types.tolist() == [20, 21, alanine, 22, 23, 20, glycine, 22, 23]
    everything = Peptide(RESIDUES, beads="backbone5")
    assert set(everything.bead_types.tolist()) == set(range(24))


def test_beads_of_a_residue_share_its_mass() -> None:
    fine, coarse = Peptide(RESIDUES, beads="backbone5"), Peptide(RESIDUES)
    residue = np.array([index for index, _ in fine.bead_atoms])
    np.testing.assert_allclose(np.bincount(residue, fine.masses), coarse.masses)
    mass = dict(zip(fine.bead_atoms, fine.masses, strict=True))
    alanine, glycine, proline = (RESIDUES.index(letter) for letter in "AGP")
    assert mass[alanine, "CB"] == pytest.approx(12.011 + 3 * 1.008, abs=0.01)
    assert mass[glycine, "CA"] == pytest.approx(12.011 + 2 * 1.008, abs=0.01)
    assert mass[proline, "N"] == pytest.approx(14.007)
    assert mass[alanine, "N"] == pytest.approx(15.015)


def test_names() -> None:
    assert Peptide("AGY").name == "peptide-AGY"
    assert Peptide("AGY", beads="backbone5").name == "peptide-AGY-backbone5"
    capped = Peptide("AGY", caps=True)
    assert capped.name == "peptide-AGY-capped"
    assert Peptide("AGY", "backbone5", caps=True).name == "peptide-AGY-backbone5-capped"
    assert build(capped.spec, Peptide).name == capped.name
    assert "caps" not in Peptide("AGY").spec


def test_ca_beads_are_those_of_the_atoms() -> None:
    peptide = Peptide("YYDPETGTWY", beads="backbone5")
    assert [peptide.bead_atoms[bead] for bead in peptide.ca] == [(residue, "CA") for residue in range(10)]
    assert Peptide("AGA").ca.tolist() == [0, 1, 2]


def test_native_is_of_ca_beads_and_distance_of_all() -> None:
    peptide = Peptide("YYDPETGTWY", beads="backbone5")
    assert peptide.native().shape == (10, 3)
    frames = backbone_frames("YYDPETGTWY", n_frames=3)
    assert peptide.distance(frames.coords, frames.coords).shape == (3, 3)
    assert superposed_rmsd(frames.coords[:, peptide.ca], peptide.native()[None]).shape == (3, 1)
    with pytest.raises(ValueError, match=r"expected \[n, 49, 3\]"):
        peptide.distance(frames.coords[:, peptide.ca], peptide.native()[None])


def test_unknown_beads_are_refused() -> None:
    with pytest.raises(
        InputError,
        match=r"Peptide.beads=backbone is not valid: .*\(did you mean 'backbone5'\?\)",
    ):
        Peptide("AGY", beads="backbone")  # type: ignore[arg-type]
