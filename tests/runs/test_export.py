"""cgexp export: what is written is what was simulated, in the units and under the names of the formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cgexp.cli.completion import candidates
from cgexp.cli.main import main
from cgexp.config.compose import compose
from cgexp.errors import InputError
from cgexp.interfaces.viewers import topology_of
from cgexp.runs.export import export
from cgexp.runs.folder import RunFolder
from cgexp.simulation.health import HealthCheck
from cgexp.simulation.integrators import Baoab
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.tempering import Tempering
from cgexp.simulation.trajectory import Trajectory
from cgexp.systems.peptide import Peptide

PEPTIDE = Peptide()
TOLERANCE = {"xtc": 0.0051, "dcd": 1e-4}  # Å: half of the step that XTC rounds to, and float32


class Held(nn.Module):
    """Springs to the native structure; a bead beyond 100 Å is pulled out of the world."""

    def energy_and_forces(self, coords: Tensor) -> tuple[Tensor, Tensor]:
        moved = coords - torch.tensor(PEPTIDE.native()).to(coords)
        return moved.square().sum(dim=(1, 2)), torch.where(coords > 100.0, 1e3, -2.0 * moved)


def make_run(folder: Path, starts: Tensor, **changed: Any) -> RunFolder:
    """A run with a config and a simulation of 12 frames, saved every 0.05 ps."""
    run = RunFolder(folder)
    run.write_config(compose(["experiment=chignolin_first"]))
    values: dict[str, Any] = {"n_replicas": 3, "n_steps": 120, "save_every": 10, "chunk_frames": 5}
    simulation = Simulation(
        integrator=Baoab(1.0), dt=0.005, temperature=300.0, health=HealthCheck(every=5, max_abs_coord=150.0),
        **{**values, **changed},
    )  # fmt: skip
    simulation.run(Held(), starts, PEPTIDE.masses, "molecular", run.trajectory, seed=0)
    return run


@pytest.fixture(scope="module")
def starts() -> Tensor:
    return torch.tensor(PEPTIDE.native(), dtype=torch.float32).repeat(6, 1, 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, starts: Tensor) -> RunFolder:
    """Replica 1 is lost on its way, replica 2 at the start."""
    lost = starts[:3].clone()
    lost[1, 0] = 105.0
    lost[2, 0] = 151.0
    folder = make_run(tmp_path_factory.mktemp("outputs") / "chignolin_first" / "0123456789", lost)
    steps = {failure["replica"]: failure["step"] for failure in Trajectory.load(folder.trajectory).failures}
    assert steps[2] == 0
    assert 0 < steps[1] < 120
    return folder


@pytest.mark.parametrize("form", ["xtc", "dcd"])
@pytest.mark.parametrize("every", [1, 5])
def test_coordinates_come_back(form: str, every: int, run: RunFolder, tmp_path: Path) -> None:
    sidecar = export(run.path, tmp_path, form, every)
    simulated = Trajectory.load(run.trajectory)
    kept = simulated.coords[::every, 0]
    loaded = mdtraj.load(str(tmp_path / f"replica-000.{form}"), top=str(tmp_path / "topology.pdb"))
    assert loaded.xyz.shape == kept.shape == (12 if every == 1 else 3, 10, 3)
    np.testing.assert_allclose(10.0 * loaded.xyz, kept, atol=TOLERANCE[form])  # nm to Å
    if form == "xtc":
        np.testing.assert_allclose(loaded.time, simulated.time[::every], rtol=1e-5)
    assert sidecar == json.loads((tmp_path / "export.json").read_text())
    assert sidecar["frame_interval_ps"] == pytest.approx(0.05 * every)
    assert sidecar["trajectories"][0]["times_ps"] == pytest.approx([0.05, 0.6 if every == 1 else 0.55])


def test_a_failed_replica_ends_where_it_failed(run: RunFolder, tmp_path: Path) -> None:
    trajectory = Trajectory.load(run.trajectory)
    whole, cut, none = export(run.path, tmp_path)["trajectories"]
    n_healthy = sum(time < trajectory.failures[1]["time"] for time in trajectory.time)
    assert 0 < n_healthy < 12
    assert (whole["n_frames"], cut["n_frames"], none["n_frames"]) == (12, n_healthy, 0)
    assert [entry["failed"] for entry in (whole, cut, none)] == [False, True, True]
    assert none["file"] is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "export.json", "replica-000.xtc", "replica-001.xtc", "topology.pdb",
    ]  # fmt: skip


def test_the_topology_is_the_sequence(run: RunFolder, tmp_path: Path) -> None:
    export(run.path, tmp_path, replicas=[0])
    loaded = mdtraj.load(str(tmp_path / "topology.pdb"))
    assert loaded.topology.to_fasta() == ["YYDPETGTWY"]
    assert [residue.name for residue in loaded.topology.residues][:3] == ["TYR", "TYR", "ASP"]
    assert {atom.name for atom in loaded.topology.atoms} == {"CA"}
    assert [(a.index, b.index) for a, b in loaded.topology.bonds] == [(i, i + 1) for i in range(9)]
    np.testing.assert_allclose(loaded.xyz.mean(axis=(0, 1)), 0.0, atol=1e-3)


def test_backbone_beads_have_their_atoms_and_bonds() -> None:
    peptide = Peptide("GAY", "backbone5")
    topology = topology_of(peptide)
    assert [(atom.residue.index, atom.name) for atom in topology.atoms] == peptide.bead_atoms
    assert topology.n_bonds == len(peptide.bonds)
    assert [atom.element.symbol for atom in topology.atoms][:4] == ["N", "C", "C", "O"]


def test_a_later_export_leaves_none_of_the_earlier_files(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    export(run.path, tmp_path, "xtc")
    export(run.path, tmp_path, "dcd", replicas=[1, 1])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "export.json", "mine.txt", "replica-001.dcd", "topology.pdb",
    ]  # fmt: skip


def test_of_a_ladder_the_study_rung_is_exported(starts: Tensor, tmp_path: Path) -> None:
    ladder = Tempering(highest=400.0, n_rungs=2, every=10)
    starts = starts.clone()
    starts[1, 0] = 151.0  # the hot rung of the first ladder
    tempered = make_run(tmp_path / "run", starts, tempering=ladder)
    sidecar = export(tempered.path, tmp_path / "to")
    assert not sidecar["continuous"]
    assert "which walkers visit in turn" in sidecar["note"]
    assert [entry["n_frames"] for entry in sidecar["trajectories"]] == [12, 12, 12]
    assert not any(entry["failed"] for entry in sidecar["trajectories"])


def test_the_command(run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", f"run={run.path}", "format=dcd", "every=2", "replicas=[0,1]", f"to={tmp_path}"]) == 0
    out = capsys.readouterr().out
    assert "2 trajectories" in out
    assert "up to 6 frames, 0.1 ps apart" in out
    assert main(["export", f"run={run.path}", "replicas=0"]) == 0
    assert (run.path / "export" / "replica-000.xtc").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "export needs run=<folder>"),
        (["run=/nowhere"], "is not a run"),
        (["fromat=xtc"], "unknown argument 'fromat=xtc' (did you mean 'format'?)"),
        (["replicas"], "unknown argument 'replicas'"),
        (["run={run}", "as=bundel"], "as=bundel is not valid (did you mean 'bundle'?)"),
        (["run={run}", "as=bundle", "every=2"], "every=2 is of trajectories: leave it out with as=bundle"),
        (["run={run}", "as=ase", "to=x.zip"], "comes with a script: give a folder, or as=bundle"),
        (["run={run}", "as=bundle"], "has no trained potential: `cgexp train run={run}` makes it"),
        (["run={run}", "format=pdb"], "expected xtc or dcd"),
        (["run={run}", "every=0"], "every=0 is not valid: expected whole numbers from 1 on"),
        (["run={run}", "replicas=1,-2"], "replicas=-2 is not valid"),
        (["run={run}", "replicas=3"], "has no replica 3: expected 0 to 2"),
        (["run={run}", "to={run}/config.yaml"], "choose another folder with to=<folder>"),
    ],
)
def test_mistakes(arguments: list[str], sentence: str, run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", *(argument.format(run=run.path) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert sentence.format(run=run.path) in error
    assert error.count("\n") == 1


def test_a_toy_and_a_run_without_simulation_are_refused(tmp_path: Path) -> None:
    toy = RunFolder(tmp_path / "toy")
    toy.write_config(compose([]))
    with pytest.raises(InputError, match="a run of toy_cgnet, a toy potential: only molecules have a topology"):
        export(toy.path)
    none = RunFolder(tmp_path / "none")
    none.write_config(compose(["experiment=chignolin_first"]))
    with pytest.raises(InputError, match="is missing: run the earlier stage"):
        export(none.path)


def test_completion() -> None:
    assert candidates(["export"], "") == ["as=", "every=", "format=", "replicas=", "run=", "to="]
    assert candidates(["export"], "as=b") == ["as=bundle"]
    assert candidates(["export"], "format=x") == ["format=xtc"]
