"""Three systems that no data set here is of, from a user's files to a report by the commands that import prints."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import pytest

from cgexp.all_atom.engine import make_context
from cgexp.all_atom.force_field import make_system
from cgexp.all_atom.structure import AllAtom, build_peptide
from cgexp.cli.main import main
from cgexp.units import KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM
from tests.datasets.trajectory.own import TEMPERATURE, Run, run_of, sampled, write_pdb, write_run

openmm = pytest.importorskip("openmm")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
SHORT = [
    "trainer.max_epochs=2", "simulation.n_steps=400", "simulation.save_every=20", "simulation.n_replicas=10",
    "analysis.n_samples_tica=200", "logger=csv", "figures=png",
]  # fmt: skip


def to_report(folder: Path, settings: dict[str, Any], capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """Import, then the command that this prints, with less of everything; return what was printed."""
    words = [f"{key}={value}" for key, value in settings.items() if value is not None]
    assert main(["import", *words, f"to={folder / 'mine.npz'}"]) == 0, capsys.readouterr().err
    command = shlex.split(capsys.readouterr().out.strip().splitlines()[-1])
    assert command[:2] == ["cgexp", "run"]
    assert main([*command[1:], *SHORT, f"outputs={folder / 'outputs'}", *more]) == 0, capsys.readouterr().err
    printed = capsys.readouterr().out
    (report,) = (folder / "outputs").glob("own_*/*/report.html")
    assert report.stat().st_size > 10_000
    assert "replicas_failed " in printed
    return printed


def test_alanine_dipeptide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to_report(tmp_path, write_run(tmp_path, sampled("A", True, 1000)), capsys)


def bridged(sequence: str) -> AllAtom:
    """A peptide whose two cysteines form a bridge: drawn together, then without their hydrogens."""
    from openmm import app, unit

    peptide = build_peptide(sequence)
    sulphurs = [atom.index for atom in peptide.topology.atoms() if atom.name == "SG"]
    system = make_system(peptide.topology)
    spring = openmm.HarmonicBondForce()
    spring.addBond(*sulphurs, 0.2, 50_000.0)
    system.addForce(spring)
    context = make_context(system, TEMPERATURE, 1, platform="CPU")
    context.setPositions(peptide.positions / 10.0)
    openmm.LocalEnergyMinimizer.minimize(context, 10.0, 300)
    context.setVelocitiesToTemperature(TEMPERATURE, 1)
    context.getIntegrator().step(2000)
    openmm.LocalEnergyMinimizer.minimize(context, 10.0, 300)
    modeller = app.Modeller(peptide.topology, context.getState(positions=True).getPositions())
    modeller.delete([atom for atom in modeller.topology.atoms() if atom.name == "HG"])
    modeller.topology.addBond(*(atom for atom in modeller.topology.atoms() if atom.name == "SG"))
    return AllAtom(sequence, modeller.topology, np.array(modeller.positions.value_in_unit(unit.angstrom)))


def test_a_peptide_with_a_disulfide_bridge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = write_run(tmp_path, run_of(bridged("CGNGC"), 1000)) | {"mapping": "calpha", "force_map": "optimal"}
    to_report(tmp_path, settings, capsys)
    assert "disulfide bridges between CYS 1 and CYS 5" in (tmp_path / "mine.json").read_text(encoding="utf-8")


def polymer(n_monomers: int = 16, n_frames: int = 2000) -> Run:
    """A chain of united atoms with springs, angles and repulsion, in OpenMM's units; no rigid bonds."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    atoms = [
        topology.add_atom("C1", mdtraj.element.carbon, topology.add_residue("MON", chain)) for _ in range(n_monomers)
    ]
    system, bonds, angles = openmm.System(), openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    repulsion = openmm.CustomNonbondedForce("4 * (0.35 / r)^12")
    for number in range(n_monomers):
        system.addParticle(14.0)
        repulsion.addParticle([])
        if number:
            topology.add_bond(atoms[number - 1], atoms[number])
            bonds.addBond(number - 1, number, 0.153, 100_000.0)
        if number > 1:
            angles.addAngle(number - 2, number - 1, number, 1.95, 300.0)
    repulsion.createExclusionsFromBonds([(i, i + 1) for i in range(n_monomers - 1)], 3)
    for force in (bonds, angles, repulsion):
        system.addForce(force)
    integrator = openmm.LangevinMiddleIntegrator(TEMPERATURE, 5.0, 0.002)
    integrator.setRandomNumberSeed(1)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    number = np.arange(n_monomers)
    context.setPositions(np.stack([0.126 * number, 0.0869 * (number % 2), 0.0 * number], axis=1))
    context.setVelocitiesToTemperature(TEMPERATURE, 1)
    integrator.step(20000)
    positions, forces = [], []
    for _ in range(n_frames):
        integrator.step(50)
        state = context.getState(positions=True, forces=True)
        positions.append(state.getPositions(asNumpy=True)._value)
        forces.append(state.getForces(asNumpy=True)._value)
    return Run(np.array(positions), np.array(forces), topology)


def test_a_polymer_by_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two monomers a bead, from arrays in LAMMPS' units."""
    run = polymer()
    np.savez(tmp_path / "run.npz", positions=10.0 * run.positions, forces=run.forces * KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM)
    pdb = write_pdb(tmp_path / "polymer.pdb", run.topology, run.positions[0])
    lines = pdb.read_text().splitlines()
    links = [f"CONECT{a.index + 1:5d}{b.index + 1:5d}" for a, b in run.topology.bonds]
    pdb.write_text("\n".join([*(line for line in lines if not line.startswith(("END", "CONECT"))), *links, "END\n"]))
    (tmp_path / "beads.txt").write_text("".join(f"{atom} {atom // 2}\n" for atom in range(16)))
    settings = {
        "trajectory": tmp_path / "run.npz", "topology": pdb, "temperature": TEMPERATURE, "mapping": "table",
        "bead_table": tmp_path / "beads.txt", "length_unit": "A", "force_unit": "kcal/mol/A", "save_ps": 0.1,
        "force_map": "constraint_group",
    }  # fmt: skip
    printed = to_report(tmp_path, settings, capsys)
    assert "bond (Å)" in printed
    card = (tmp_path / "mine.json").read_text(encoding="utf-8")
    assert '"unbiasedness": "unbiased"' in card
    assert "0 of 15 bonds are rigid" in card


def test_a_capped_peptide_by_its_sequence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sampling = {"ps_per_walker": 8.0, "segment_ps": 8.0, "hot_ps": 8.0, "drop_ps": 4.0, "n_hot": 3, "save_ps": 0.04}
    words = [f"dataset.protocol.{key}={value}" for key, value in sampling.items()]
    words += ["dataset.system.sequence=AAA", "dataset.caps=true", "dataset.force_map=constraint_group"]
    outputs = tmp_path / "outputs"
    code = main(["run", "experiment=peptide", *words, "analysis.lag_ps=0.2", *SHORT, f"outputs={outputs}"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    assert "prior term dihedrals is left out" in captured.err
    assert len(list(outputs.glob("peptide/*/report.html"))) == 1
