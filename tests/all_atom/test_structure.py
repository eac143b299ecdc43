"""The all-atom peptide: structure, atom order, force field, missing packages."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.all_atom import engine, force_field, structure
from cgexp.all_atom.backmapping.quality import torsions
from cgexp.all_atom.packing import CHI1, chi1, native_rotamers, turn_cap
from cgexp.all_atom.structure import AllAtom
from cgexp.errors import InputError
from cgexp.systems.peptide import Peptide
from cgexp.units import NM_IN_ANGSTROM

CLN025 = "YYDPETGTWY"


OBC2 = force_field.ForceField("ff14SB", "obc2", "ace")


@lru_cache(maxsize=None)
def native() -> AllAtom:
    pytest.importorskip("openmm")
    return structure.build_native(CLN025)


@lru_cache(maxsize=None)
def extended() -> AllAtom:
    pytest.importorskip("openmm")
    return structure.build_extended(CLN025)


def energy_and_forces(system: object, peptide: AllAtom) -> tuple[float, NDArray[np.float64]]:
    """kJ/mol and kJ/mol/nm."""
    context = engine.make_context(system, 300.0, 1)
    context.setPositions(peptide.positions / NM_IN_ANGSTROM)
    state = context.getState(energy=True, forces=True)
    return state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value


@lru_cache(maxsize=None)
def usual_rotamers() -> AllAtom:
    """The native backbone, whose side chains are those of no crystal."""
    pytest.importorskip("openmm")
    built = structure.build_peptide(CLN025, replace(structure.NATIVE_TORSIONS[CLN025], chi=()))
    return structure.minimise(built, OBC2)


def torsion(peptide: AllAtom, residue: int, *names: str) -> float:
    """Degrees."""
    quad = [peptide.atoms.index((residue - 1, name)) for name in names]
    return float(np.degrees(torsions(peptide.positions, np.array([quad]))[0]))


def cap(peptide: AllAtom) -> float:
    return float(turn_cap(peptide.positions, peptide.atoms))


def test_the_committed_native_structure_is_the_one_built() -> None:
    system = Peptide(CLN025)
    built = usual_rotamers().positions[native().ca]
    assert system.distance(built[None], system.native()[None])[0, 0] < 0.1


def test_the_native_start_is_packed_as_the_crystal() -> None:
    system = Peptide(CLN025)
    assert system.distance(native().positions[native().ca][None], system.native()[None])[0, 0] < 0.45
    assert cap(native()) < 3.5
    angles = chi1(native().positions[None], native().atoms)
    assert {name: abs((angles[name][0] - chi + 180.0) % 360.0 - 180.0) < 20.0 for name, (_, chi) in CHI1.items()} == {
        "Asp3": True,
        "Trp9": True,
        "Tyr10": True,
    }
    assert angles["Trp9"][0] == pytest.approx(torsion(native(), 9, "N", "CA", "CB", "CG"), abs=1e-4)
    assert all(at.all() for at in native_rotamers(angles).values())
    wrong = native_rotamers(chi1(usual_rotamers().positions[None], usual_rotamers().atoms))
    assert not any(at.any() for at in wrong.values())


@pytest.mark.parametrize(("model", "expected"), [(OBC2, 52.0), (force_field.DEFAULT, 40.0)])
def test_the_crystals_packing_is_lower_in_energy_than_usual_rotamers(
    model: force_field.ForceField, expected: float
) -> None:
    assert cap(usual_rotamers()) > 6.0
    system = force_field.make_system(native().topology, model, constrained=False)
    energies = [
        energy_and_forces(system, structure.minimise(peptide, model))[0] for peptide in (usual_rotamers(), native())
    ]
    assert energies[0] - energies[1] == pytest.approx(expected, abs=4.0)  # kJ/mol


def test_side_chains_are_built_with_the_torsions_that_are_given() -> None:
    pytest.importorskip("openmm")
    sequence = "ADRTIW"
    chi = ((), (-170.0, 30.0), (60.0, 170.0, -60.0, 90.0), (-55.0,), (-60.0, 160.0), (180.0,))
    built = structure.build_peptide(sequence, replace(structure.Torsions.extended(len(sequence)), chi=chi))
    expected = {
        (2, "N", "CA", "CB", "CG"): -170.0,
        (2, "CA", "CB", "CG", "OD1"): 30.0,
        (2, "CA", "CB", "CG", "OD2"): -150.0,
        (3, "CB", "CG", "CD", "NE"): -60.0,
        (3, "CG", "CD", "NE", "CZ"): 90.0,
        (4, "N", "CA", "CB", "OG1"): -55.0,
        (4, "N", "CA", "CB", "CG2"): -175.3,  # 120 degrees from the oxygen: still a threonine
        (5, "CA", "CB", "CG1", "CD1"): 160.0,
        (6, "N", "CA", "CB", "CG"): 180.0,
    }
    for quad, angle in expected.items():
        found = torsion(built, *quad)
        assert abs((found - angle + 180.0) % 360.0 - 180.0) < 0.5, quad


def test_too_many_torsions_of_a_side_chain_are_refused() -> None:
    pytest.importorskip("openmm")
    with pytest.raises(ValueError, match="zip"):
        structure.build_peptide("GA", structure.Torsions((-60.0,), (-45.0,), ((60.0,), ())))


def test_extended_chain_is_long() -> None:
    ca = extended().positions[extended().ca]
    assert 29.0 < np.linalg.norm(ca[-1] - ca[0]) < 33.0


def test_one_atom_order_whatever_the_conformation() -> None:
    assert len(native().atoms) == 166
    assert native().atoms == extended().atoms
    assert [index for index, _ in native().atoms] == sorted(index for index, _ in native().atoms)
    assert all(native().atoms[index][1] == "CA" for index in native().ca)


def test_residues_are_left_handed_and_peptide_bonds_trans() -> None:
    for peptide in (native(), extended()):
        where = {atom: peptide.positions[index] for index, atom in enumerate(peptide.atoms)}
        for residue, letter in enumerate(CLN025):
            n, ca, c = (where[residue, name] for name in ("N", "CA", "C"))
            if letter != "G":
                assert np.cross(n - ca, c - ca) @ (where[residue, "CB"] - ca) > 0.0
            if residue:
                ends = np.linalg.norm(ca - where[residue - 1, "CA"])
                assert 3.6 < ends < 4.0  # 2.9 Å for a cis bond


def test_a_histidine_has_the_same_atoms_in_every_conformation() -> None:
    pytest.importorskip("openmm")
    straight = structure.build_peptide("AHA")
    bent = structure.build_peptide("AHA", structure.Torsions((-60.0, -60.0), (-45.0, -45.0)))
    assert straight.atoms == bent.atoms
    assert (1, "HE2") in straight.atoms
    assert (1, "HD1") not in straight.atoms


def test_building_repeats_exactly_and_leaves_the_global_generator_alone() -> None:
    pytest.importorskip("openmm")
    random.seed(5)
    expected = random.random()
    random.seed(5)
    first = structure.build_peptide("GA")
    assert random.random() == expected
    np.testing.assert_array_equal(first.positions, structure.build_peptide("GA").positions)


@pytest.mark.parametrize("surface_term", ["ace", "none"])
@pytest.mark.parametrize("peptide", [native, extended])
def test_native_gbsa_force_equals_the_force_field_files(peptide: object, surface_term: force_field.SurfaceTerm) -> None:
    built = peptide()  # type: ignore[operator]
    model = force_field.ForceField("ff14SB", "obc2", surface_term)
    fast = energy_and_forces(force_field.make_system(built.topology, model), built)
    slow = energy_and_forces(force_field.make_system(built.topology, model, native_gbsa=False), built)
    assert fast[0] == pytest.approx(slow[0], abs=2e-3)
    assert np.abs(fast[1] - slow[1]).max() < 5e-3


def test_hydrogens_weigh_4_amu_and_their_bonds_are_rigid() -> None:
    system = force_field.make_system(native().topology)
    masses = np.array([system.getParticleMass(index)._value for index in range(system.getNumParticles())])
    hydrogens = np.array([name.startswith("H") for _, name in native().atoms])
    assert masses[hydrogens] == pytest.approx(4.0)
    pairs = force_field.constraint_pairs(system)
    assert len(pairs) == hydrogens.sum()
    assert (hydrogens[pairs].sum(axis=1) == 1).all()
    assert len(force_field.constraint_pairs(force_field.make_system(native().topology, constrained=False))) == 0


def test_residue_masses_are_those_of_their_atoms() -> None:
    system = force_field.make_system(native().topology)
    total = np.zeros(10)
    for index, (residue, _) in enumerate(native().atoms):
        total[residue] += system.getParticleMass(index)._value
    total[[0, -1]] -= (2 * 1.008 + 0.0, 15.999)  # what the charged ends have more than an inner residue
    assert np.abs(total - Peptide(CLN025).masses).max() < 1.1  # acids are charged: one proton less


def test_an_unknown_native_structure_is_refused() -> None:
    with pytest.raises(InputError, match=r"no native torsions are known for 'AAA'.*dataset/protocol=extended"):
        structure.build_native("AAA")


@pytest.mark.parametrize(("module", "name"), [("openmm", "OpenMM"), ("PeptideBuilder", "PeptideBuilder")])
def test_a_missing_package_is_one_sentence(module: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if module != "openmm":
        pytest.importorskip("openmm")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=f"^{name} is not installed: ") as caught:
        structure.build_peptide("GA")
    assert 'pip install "cgexp[openmm]"' in str(caught.value)
    assert "\n" not in str(caught.value)


def test_caps_replace_the_charged_ends() -> None:
    """Its own atoms are numbered as without them, so that beads sit on the same ones; the chain goes on trans."""
    capped, plain = structure.build_peptide("AS", caps=True), structure.build_peptide("AS")
    own = {atom for atom in capped.atoms if 0 <= atom[0] < 2}
    assert own == set(plain.atoms) - {(0, "H2"), (0, "H3"), (1, "OXT")}
    assert [name for residue, name in capped.atoms if residue == -1] == ["CH3", "H1", "H2", "H3", "C", "O"]
    assert [name for residue, name in capped.atoms if residue == 2] == ["N", "H", "C", "H1", "H2", "H3"]
    system = force_field.make_system(capped.topology)
    charge = sum(
        force.getParticleParameters(i)[0]._value
        for force in system.getForces()
        if type(force).__name__ == "NonbondedForce"
        for i in range(force.getNumParticles())
    )
    assert charge == pytest.approx(0.0, abs=1e-6)
    place = dict(zip(capped.atoms, capped.positions, strict=True))
    for before, after in (((-1, "CH3"), (0, "CA")), ((1, "CA"), (2, "C"))):
        assert 3.6 < np.linalg.norm(place[before] - place[after]) < 4.0
