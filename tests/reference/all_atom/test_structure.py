"""The all-atom peptide: structure, atom order, force field, missing packages."""

from __future__ import annotations

import random
import sys
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.reference.all_atom import engine, force_field, structure
from cgexp.reference.all_atom.structure import AllAtom
from cgexp.systems.peptide import Peptide
from cgexp.units import NM_IN_ANGSTROM

CLN025 = "YYDPETGTWY"


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


def test_the_committed_native_structure_is_the_one_built() -> None:
    system = Peptide(CLN025)
    built = native().positions[native().ca]
    assert system.distance(built[None], system.native()[None])[0, 0] < 0.1


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
    bent = structure.build_peptide("AHA", ((-60.0, -60.0), (-45.0, -45.0)))
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


@pytest.mark.parametrize("peptide", [native, extended])
def test_native_gbsa_force_equals_the_force_field_files(peptide: object) -> None:
    built = peptide()  # type: ignore[operator]
    fast = energy_and_forces(force_field.make_system(built.topology), built)
    slow = energy_and_forces(force_field.make_system(built.topology, native_gbsa=False), built)
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
