"""Explicit water: the box, the atoms' order, the force field, and dynamics that repeat."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from cgexp.all_atom.force_field import ForceField, constraint_pairs, make_system
from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.sampling.segment import Quench, Segment, pack_system, run_quench, run_segment
from cgexp.all_atom.structure import AllAtom, build_extended, solvate, with_barostat


@lru_cache(maxsize=None)
def peptide() -> AllAtom:
    pytest.importorskip("openmm")
    return build_extended("GD")  # charged: one ion


@lru_cache(maxsize=None)
def solvated() -> AllAtom:
    return solvate(peptide(), padding=5.0)


@lru_cache(maxsize=None)
def system() -> object:
    return make_system(solvated().topology, ForceField("ff14SB", "tip3p", "none"))


def test_the_peptide_comes_first_and_stays_where_it_was() -> None:
    n = len(peptide().positions)
    assert solvated().atoms[:n] == peptide().atoms
    np.testing.assert_allclose(solvated().positions[:n], peptide().positions, atol=1e-9)
    np.testing.assert_array_equal(solvated().ca, peptide().ca)
    names = [residue.name for residue in solvated().topology.residues()]
    assert names[:2] == ["GLY", "ASP"]
    assert set(names[2:]) == {"HOH", "NA"}
    assert names.count("NA") == 1


def test_the_same_start_gets_the_same_water() -> None:
    np.testing.assert_array_equal(solvate(peptide(), padding=5.0).positions, solvated().positions)


def test_water_is_on_every_side() -> None:
    edge = np.array([length._value for length in solvate(peptide(), padding=6.0).topology.getUnitCellDimensions()])
    extent = np.ptp(peptide().positions, axis=0).max() / 10.0
    assert edge.min() >= extent + 1.2


def test_the_system_is_periodic_neutral_and_rigid() -> None:
    mm, _, _ = import_openmm()
    built = system()
    (nonbonded,) = (f for f in built.getForces() if isinstance(f, mm.NonbondedForce))  # type: ignore[attr-defined]
    assert nonbonded.getNonbondedMethod() == mm.NonbondedForce.PME
    charges = [nonbonded.getParticleParameters(i)[0]._value for i in range(nonbonded.getNumParticles())]
    assert sum(charges) == pytest.approx(0.0, abs=1e-6)
    masses = np.array([built.getParticleMass(i)._value for i in range(len(charges))])  # type: ignore[attr-defined]
    n = len(peptide().positions)
    hydrogens = np.array([name.startswith("H") for _, name in solvated().atoms])
    assert masses[:n][hydrogens[:n]] == pytest.approx(4.0)
    assert masses[n:][hydrogens[n:]] == pytest.approx(1.008, abs=1e-3)
    n_waters = sum(residue.name == "HOH" for residue in solvated().topology.residues())
    pairs = constraint_pairs(built)
    assert len(pairs) == hydrogens[:n].sum() + 3 * n_waters
    of_peptide = pairs[(pairs < n).all(axis=1)]
    implicit = constraint_pairs(make_system(peptide().topology))
    assert {tuple(sorted(pair)) for pair in of_peptide} == {tuple(sorted(pair)) for pair in implicit}


def test_the_barostat_is_added_to_a_copy() -> None:
    before = system().getNumForces()  # type: ignore[attr-defined]
    assert with_barostat(system(), 350.0, 3).getNumForces() == before + 1
    assert system().getNumForces() == before  # type: ignore[attr-defined]


def test_the_box_relaxes_with_the_start_and_is_kept_by_the_segments() -> None:
    packed = pack_system(system())
    start = run_quench(Quench(packed, solvated().positions, 350.0, 3, 50, barostat=True, max_iterations=30))
    default = system().getDefaultPeriodicBoxVectors()[0][0]._value  # type: ignore[attr-defined]
    assert abs(start.state["state_box_nm"][0, 0] - default) > 1e-6
    n = len(peptide().positions)
    segment = Segment(packed, start.state, 350.0, 4, n_steps=10, save_steps=5, atoms=np.arange(n))
    first, again = run_segment(segment), run_segment(segment)
    assert first.coords.shape == (2, n, 3)
    np.testing.assert_array_equal(first.coords, again.coords)
    np.testing.assert_array_equal(first.state["state_box_nm"], start.state["state_box_nm"])
    bonds = np.linalg.norm(np.diff(first.coords[:, peptide().ca], axis=1), axis=-1)
    assert ((bonds > 3.5) & (bonds < 4.2)).all()  # the peptide is whole
