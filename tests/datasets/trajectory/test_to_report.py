"""Three systems that no data set here is of, from a user's files to a report by the commands that import prints."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgexp.all_atom.engine import make_context
from cgexp.all_atom.force_field import make_system
from cgexp.all_atom.structure import AllAtom, build_peptide
from cgexp.cli.main import main
from tests.datasets.trajectory.own import TEMPERATURE, polymer, run_of, sampled, write_polymer, write_run

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


def test_a_polymer_by_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two monomers a bead, from arrays in LAMMPS' units."""
    printed = to_report(tmp_path, write_polymer(tmp_path, polymer()), capsys)
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
