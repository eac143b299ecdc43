"""The C++ kernel for implicit solvent, held to OpenMM's Reference platform, finite differences and conserved energy."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.all_atom import engine
from cgexp.all_atom.engine import make_context
from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.native_force import (
    ImplicitSolventKernel,
    bonded_forces,
    replaceable,
    with_native_force,
)
from cgexp.all_atom.structure import AllAtom, build_native, build_peptide
from cgexp.errors import InputError
from cgexp.kernels import native_library as library_module
from cgexp.kernels.native_library import NoNativeKernel

pytest.importorskip("openmm")
CLN025 = "YYDPETGTWY"
ALL_LETTERS = "ACDEFGHIKLMNPQRSTVWY"
MODELS = [("gbn2", "ACE"), ("gbn2", None), ("obc2", "ACE"), ("obc2", None)]
Positions = NDArray[np.float64]


@lru_cache(maxsize=None)
def peptide(sequence: str) -> AllAtom:
    return build_native(sequence) if sequence == CLN025 else build_peptide(sequence)


@lru_cache(maxsize=None)
def system_of(sequence: str, solvent: str, surface: str | None, constrained: bool = True) -> Any:
    """OpenMM's own, with its CustomGBForce."""
    _, app, unit = import_openmm()
    return app.ForceField("amber14/protein.ff14SB.xml", f"implicit/{solvent}.xml").createSystem(
        peptide(sequence).topology,
        nonbondedMethod=app.NoCutoff,
        constraints=app.HBonds if constrained else None,
        hydrogenMass=4 * unit.amu,
        removeCMMotion=False,
        sasaMethod=surface,
    )


def compiled_obc2(sequence: str) -> Any:
    """The same OBC2 as an openmm.GBSAOBCForce, with its surface term."""
    mm, _, _ = import_openmm()
    system = mm.XmlSerializer.clone(system_of(sequence, "obc2", "ACE"))
    _, index = replaceable(system)
    custom, compiled = system.getForce(index), mm.GBSAOBCForce()
    for i in range(custom.getNumParticles()):
        charge, reduced, scaled = custom.getParticleParameters(i)
        compiled.addParticle(charge, reduced + 0.009, scaled / reduced)
    system.removeForce(index)
    system.addForce(compiled)
    return system


def context_of(system: Any) -> Any:
    return make_context(system, 300.0, 1, platform="Reference")


def evaluate(context: Any, positions: Positions) -> tuple[float, Positions]:
    """kJ/mol, and kJ/mol/nm at positions in nm."""
    context.setPositions(positions)
    state = context.getState(energy=True, forces=True)
    return state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value


def tolerance(energy: float, n_atoms: int = 166) -> float:
    """kJ/mol, growing with the molecule. A clash is known to six digits: (sigma/r)^12 has twelve times the rounding of
    r."""
    return 1e-3 * max(1.0, n_atoms / 166) if abs(energy) < 1e5 else 3e-6 * abs(energy)


def kernel_of(system: Any) -> ImplicitSolventKernel:
    pairs, solvent = replaceable(system)
    bonded = [system.getForce(index) for index in bonded_forces(system)]
    return ImplicitSolventKernel(system.getForce(pairs), system.getForce(solvent), bonded)


@lru_cache(maxsize=None)
def conformations() -> list[Positions]:
    """Of CLN025, nm: 24 folded at 300 K, 24 at 800 K, 8 with overlapping atoms, 8 of failed minimisations."""
    mm, _, _ = import_openmm()
    rng = np.random.default_rng(0)
    system, found = system_of(CLN025, "gbn2", "ACE"), []
    for temperature in (300.0, 800.0):
        context = make_context(system, temperature, 1, time_step=0.002, platform="native")
        context.setPositions(peptide(CLN025).positions / 10.0)
        context.setVelocitiesToTemperature(temperature, 1)
        for _ in range(24):
            context.getIntegrator().step(250)
            found.append(context.getState(positions=True).getPositions(asNumpy=True)._value)
    for size in (0.01, 0.02, 0.03, 0.05):
        found += [found[k] + size * rng.normal(size=found[k].shape) for k in (3, 33)]
    for _ in range(8):
        context.setPositions(0.5 * found[25] + 0.05 * rng.normal(size=found[25].shape))
        mm.LocalEnergyMinimizer.minimize(context, 1.0, 8)
        found.append(context.getState(positions=True).getPositions(asNumpy=True)._value)
    return found


@pytest.mark.parametrize(("solvent", "surface"), MODELS)
def test_equals_the_reference_platform(solvent: str, surface: str | None) -> None:
    system = system_of(CLN025, solvent, surface)
    reference, kernel = context_of(system), kernel_of(system)
    n_compared = 0
    for positions in conformations():
        energy, forces = evaluate(reference, positions)
        ours, our_forces = kernel(positions)
        if not np.isfinite(energy):  # Born radii of overlapping atoms may be negative, and the energy no number
            assert not np.isfinite(ours)
            continue
        n_compared += 1
        assert abs(ours - energy) < tolerance(energy)
        assert np.sqrt(np.mean((our_forces - forces) ** 2) / np.mean(forces**2)) < 2e-6
    assert n_compared >= 56


def test_equals_the_compiled_obc2_force() -> None:
    system = compiled_obc2(CLN025)
    reference, kernel = context_of(system), kernel_of(system)
    for positions in conformations()[:40:4]:
        energy, forces = evaluate(reference, positions)
        ours, our_forces = kernel(positions)
        assert abs(ours - energy) < 1e-3
        assert np.sqrt(np.mean((our_forces - forces) ** 2) / np.mean(forces**2)) < 2e-6


@pytest.mark.parametrize("sequence", ["GA", "AAAG", ALL_LETTERS, 2 * ALL_LETTERS], ids=len)
@pytest.mark.parametrize("solvent", ["gbn2", "obc2"])
def test_peptides_of_any_length_and_residue(sequence: str, solvent: str) -> None:
    system, rng = system_of(sequence, solvent, "ACE"), np.random.default_rng(1)
    reference, kernel = context_of(system), kernel_of(system)
    built = peptide(sequence).positions / 10.0
    for positions in (built, built + 50.0, built + 0.005 * rng.normal(size=built.shape)):
        energy, forces = evaluate(reference, positions)
        ours, our_forces = kernel(positions)
        assert abs(ours - energy) < tolerance(energy, len(built))
        assert np.sqrt(np.mean((our_forces - forces) ** 2) / np.mean(forces**2)) < 2e-6


@pytest.mark.parametrize(("solvent", "surface"), MODELS)
def test_forces_are_minus_the_gradient(solvent: str, surface: str | None) -> None:
    kernel, rng = kernel_of(system_of(CLN025, solvent, surface)), np.random.default_rng(2)
    for positions in conformations()[:48:12]:
        _, forces = kernel(positions)
        for direction in rng.normal(size=(4, *positions.shape)):
            step = 4e-4 * direction / np.linalg.norm(direction)
            upper, lower = kernel(positions + step)[0], kernel(positions - step)[0]
            expected = -2.0 * np.sum(forces * step)
            # each energy is known to about 3e-4 kJ/mol in float32
            assert abs(upper - lower - expected) < 1e-3 + 1e-3 * abs(expected)


def test_an_atom_inside_another_one() -> None:
    """Where one atom swallows the other the Born integral has another derivative."""
    system = system_of("GA", "obc2", None)
    reference, kernel = context_of(system), kernel_of(system)
    positions = peptide("GA").positions / 10.0
    carbon = next(i for i, (_, name) in enumerate(peptide("GA").atoms) if name == "C")
    positions[1] = positions[carbon] + [1e-3, 5e-4, 0.0]
    energy, forces = evaluate(reference, positions)
    ours, our_forces = kernel(positions)
    assert ours == pytest.approx(energy, rel=1e-5)
    assert np.sqrt(np.mean((our_forces - forces) ** 2) / np.mean(forces**2)) < 1e-5


def test_bonded_terms_of_any_order_and_phase() -> None:
    """Bonds, angles and dihedrals with phases that no protein has, against OpenMM's own."""
    mm, _, _ = import_openmm()
    system = mm.XmlSerializer.clone(system_of("GA", "obc2", None))
    torsions = mm.PeriodicTorsionForce()
    for order, phase in ((1, 0.3), (2, -1.1), (6, 2.0), (3, np.pi)):
        torsions.addTorsion(3, 1, 5, 8, order, phase, 40.0)
        torsions.addTorsion(8, 5, 1, 0, order, phase, -7.0)
    system.addForce(torsions)
    reference, kernel = context_of(system), kernel_of(system)
    rng = np.random.default_rng(4)
    for _ in range(5):
        positions = peptide("GA").positions / 10.0 + 0.01 * rng.normal(size=peptide("GA").positions.shape)
        energy, forces = evaluate(reference, positions)
        ours, our_forces = kernel(positions)
        assert ours == pytest.approx(energy, abs=1e-3)
        assert np.sqrt(np.mean((our_forces - forces) ** 2) / np.mean(forces**2)) < 2e-6


def test_energy_is_conserved() -> None:
    """NVE over 5 ps with rigid X-H bonds: no drift beyond what its scatter explains."""
    mm, _, _ = import_openmm()
    integrator = mm.VerletIntegrator(0.001)
    integrator.setConstraintTolerance(1e-8)
    system = with_native_force(system_of(CLN025, "gbn2", "ACE"))
    context = mm.Context(system, integrator, mm.Platform.getPlatformByName("Reference"))
    context.setPositions(conformations()[10])
    context.setVelocitiesToTemperature(300.0, 3)
    energies = []
    for _ in range(50):
        integrator.step(100)
        state = context.getState(energy=True)
        energies.append(state.getPotentialEnergy()._value + state.getKineticEnergy()._value)
    kinetic = state.getKineticEnergy()._value
    first, last = np.mean(energies[:10]), np.mean(energies[-10:])
    assert np.std(energies) < 0.01 * kinetic
    assert abs(last - first) < 0.004 * kinetic


def test_a_context_takes_the_kernel_and_leaves_the_system_as_it_was() -> None:
    mm, _, _ = import_openmm()
    system = system_of(CLN025, "gbn2", "ACE")
    text = mm.XmlSerializer.serialize(system)
    context = make_context(system, 300.0, 1, platform="native")
    assert any(isinstance(force, mm.PythonForce) for force in context.getSystem().getForces())
    assert mm.XmlSerializer.serialize(system) == text
    energy, forces = evaluate(context, conformations()[0])
    expected, expected_forces = evaluate(context_of(system), conformations()[0])
    assert energy == pytest.approx(expected, abs=1e-3)
    assert np.sqrt(np.mean((forces - expected_forces) ** 2) / np.mean(forces**2)) < 2e-6


def test_force_groups_are_kept() -> None:
    """Restraints and guards of the back-mapping are in a group of their own, and no part of the energy."""
    mm, _, _ = import_openmm()
    system = mm.XmlSerializer.clone(system_of("GA", "gbn2", "ACE"))
    extra = mm.HarmonicBondForce()
    extra.addBond(0, 5, 0.1, 1000.0)
    extra.setForceGroup(1)
    system.addForce(extra)
    energies = []
    for platform in ("native", "Reference"):
        context = make_context(system, 300.0, 1, platform=platform)
        context.setPositions(peptide("GA").positions / 10.0)
        energies.append(
            [context.getState(energy=True, groups=groups).getPotentialEnergy()._value for groups in ({0}, {1})]
        )
    np.testing.assert_allclose(*energies, atol=1e-3)
    assert energies[0][1] > 1.0


def test_other_systems_are_left_alone() -> None:
    mm, _, _ = import_openmm()
    cut = mm.XmlSerializer.clone(system_of("GA", "gbn2", "ACE"))
    pairs, _ = replaceable(cut)
    cut.getForce(pairs).setNonbondedMethod(mm.NonbondedForce.CutoffNonPeriodic)
    assert replaceable(cut) is None
    assert with_native_force(cut) is cut
    salty = (
        import_openmm()
        .app.ForceField("amber14/protein.ff14SB.xml", "implicit/gbn2.xml")
        .createSystem(peptide("GA").topology, implicitSolventKappa=1.0)
    )
    assert replaceable(salty) is None
    with pytest.raises(InputError, match="platform=native computes peptides in OBC2 or GBn2 without cutoff only"):
        make_context(cut, 300.0, 1, platform="native")


def test_without_a_compiler_openmm_computes_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library_module.native_library.cache_clear()
    engine._warn_once.cache_clear()
    monkeypatch.setattr(engine, "fastest_platform", lambda: "CPU")
    try:
        system = system_of("AAAG", "gbn2", "ACE")
        context = make_context(system, 300.0, 1)
        make_context(system, 300.0, 1)
        assert context.getPlatform().getName() == "CPU"
        told = caplog.text
        assert told.count("OpenMM's own forces are used") == 1
        assert "kernel=" not in told
        with pytest.raises(NoNativeKernel, match="no C\\+\\+ compiler"):
            make_context(system, 300.0, 1, platform="native")
    finally:
        library_module.native_library.cache_clear()
    monkeypatch.undo()
    energy, _ = evaluate(context, peptide("AAAG").positions / 10.0)
    assert energy == pytest.approx(kernel_energy(system, peptide("AAAG").positions / 10.0), abs=0.02)


def test_an_openmm_without_python_forces_computes_by_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mm, _, _ = import_openmm()
    system = system_of("AAAG", "gbn2", "ACE")
    monkeypatch.delattr(mm, "PythonForce")
    monkeypatch.setattr(engine, "fastest_platform", lambda: "CPU")
    engine._warn_once.cache_clear()
    assert make_context(system, 300.0, 1).getPlatform().getName() == "CPU"
    assert "this OpenMM has no PythonForce; OpenMM's own forces are used" in caplog.text
    with pytest.raises(NoNativeKernel, match="install a newer one, or choose platform=CPU"):
        make_context(system, 300.0, 1, platform="native")


def kernel_energy(system: Any, positions: Positions) -> float:
    return evaluate(make_context(system, 300.0, 1, platform="native"), positions)[0]


def test_positions_that_are_not_finite_give_forces_that_are_not() -> None:
    kernel, positions = kernel_of(system_of("GA", "gbn2", "ACE")), peptide("GA").positions / 10.0
    for bad in (np.nan, np.inf, 1e30):
        broken = positions.copy()
        broken[2, 1] = bad
        assert not np.isfinite(kernel(broken)[1]).all()
    with pytest.raises(ValueError, match=r"positions have shape \(3, 3\)"):
        kernel(positions[:3])


def test_the_kept_benchmark_holds_what_the_documentation_says() -> None:
    root = Path(__file__).parents[2]
    kept = json.loads((root / "docs/figures/implicit_solvent.json").read_text(encoding="utf-8"))
    assert max(row["energy_difference_kJ_mol"] for row in kept["differences"]) < 1e-3
    assert max(row["force_difference_relative_rms"] for row in kept["differences"]) < 2e-6
    text = (root / "docs/reference_data.md").read_text(encoding="utf-8").replace("\n", " ")
    for other, digits in (("GBn2", 0), ("OBC2", 1)):
        ratio = np.median(kept["ratios"][f"{other}, OpenMM / GBn2, kernel"])
        assert f"1/{ratio:.{digits}f} of" in text
