"""The first guess: stitched fragments, ideal peptide planes, turned side chains."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from cgexp.all_atom.backmapping.library import FragmentLibrary
from cgexp.all_atom.backmapping.quality import peptide_bonds, stereocentres, torsions
from cgexp.all_atom.backmapping.stitch import PeptidePlanes, SideChains, Stitch
from cgexp.all_atom.structure import AllAtom, Torsions, build_peptide

SEQUENCE = "GAPSK"


@lru_cache(maxsize=None)
def peptide(sequence: str = SEQUENCE) -> AllAtom:
    pytest.importorskip("openmm")
    return build_peptide(sequence)


@lru_cache(maxsize=None)
def library() -> FragmentLibrary:
    bent = build_peptide(SEQUENCE, Torsions([-60.0] * 4, [-45.0] * 4))
    return FragmentLibrary.from_frames(peptide(), np.stack([peptide().positions, bent.positions]))


def test_stitching_a_library_frame_gives_it_back() -> None:
    for frame in library().positions.astype(np.float64):
        stitched = Stitch(library(), frame[peptide().ca]).draw(np.random.default_rng(0))
        np.testing.assert_allclose(stitched, frame, atol=1e-3)


def test_every_ca_is_on_the_trace() -> None:
    trace = peptide().positions[peptide().ca] + np.random.default_rng(1).normal(0.0, 0.2, (5, 3))
    stitched = Stitch(library(), trace).draw(np.random.default_rng(0))
    np.testing.assert_allclose(stitched[peptide().ca], trace, atol=1e-6)


def test_planes_of_a_built_peptide_stay_as_they_are() -> None:
    positions = peptide().positions
    np.testing.assert_allclose(PeptidePlanes(peptide()).build(positions, np.zeros(4)), positions, atol=1e-6)


def test_planes_are_trans_and_residues_natural_however_tilted() -> None:
    random = np.random.default_rng(2)
    trace = peptide().positions[peptide().ca]
    for _ in range(5):
        guess = Stitch(library(), trace).draw(random) + random.normal(0.0, 0.1, peptide().positions.shape)
        guess[peptide().ca] = trace
        built = PeptidePlanes(peptide()).build(guess, random.uniform(-3.0, 3.0, 4))
        np.testing.assert_allclose(built[peptide().ca], trace, atol=1e-9)
        assert np.degrees(np.abs(torsions(built, peptide_bonds(peptide())))).min() > 170.0
        assert (torsions(built, stereocentres(peptide())) < 0.0).all()


def test_side_chains_turn_about_single_bonds_outside_rings() -> None:
    everything = peptide("ACDEFGHIKLMNPQRSTVWY")
    turns = {
        everything.sequence[residue]: [everything.atoms[turn.end][1] for turn in found]
        for residue, found in SideChains(everything).turns.items()
    }
    assert not {"A", "G", "P"} & turns.keys()
    assert turns["R"] == ["CB", "CG", "CD", "NE"]  # not CZ, which is planar with NE
    assert turns["K"] == ["CB", "CG", "CD", "CE"]
    assert turns["W"] == turns["F"] == turns["N"] == ["CB", "CG"]
    assert turns["M"] == ["CB", "CG", "SD"]
    assert turns["C"] == turns["S"] == turns["T"] == turns["V"] == ["CB"]


def test_a_turn_keeps_bonds_hands_and_backbone() -> None:
    everything = peptide("ACDEFGHIKLMNPQRSTVWY")
    positions = everything.positions
    drawn = SideChains(everything).draw(positions, np.random.default_rng(3))
    bonds = np.array([(bond[0].index, bond[1].index) for bond in everything.topology.bonds()])
    for pairs in (bonds, stereocentres(everything)[:, :2]):
        lengths = [np.linalg.norm(x[pairs[:, 0]] - x[pairs[:, 1]], axis=1) for x in (positions, drawn)]
        np.testing.assert_allclose(lengths[1], lengths[0], atol=1e-9)
    assert (torsions(drawn, stereocentres(everything)) < 0.0).all()
    moved = np.linalg.norm(drawn - positions, axis=1) > 0.1
    names = np.array([name for _, name in everything.atoms])
    assert not moved[np.isin(names, ["N", "CA", "C", "O", "HA", "CB"])].any()
    assert moved[names == "CG"].sum() >= 10  # not proline's
