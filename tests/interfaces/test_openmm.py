"""OpenMM: the topology, what is refused, and the ready script; numbers are in test_programs.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("safetensors")
openmm = pytest.importorskip("openmm")
if not hasattr(openmm, "PythonForce"):
    pytest.skip("this OpenMM has no PythonForce", allow_module_level=True)

from cgexp.errors import InputError  # noqa: E402
from cgexp.interfaces.openmm import bead_force, bead_system, bead_topology  # noqa: E402
from cgexp.runs.bundle import READY  # noqa: E402
from cgexp.systems.molecule import Molecule  # noqa: E402
from cgexp.systems.mueller_brown import MuellerBrown  # noqa: E402
from tests.interfaces.models import make_bundle, of_another, run_ready  # noqa: E402


def test_the_topology_is_the_sequence() -> None:
    topology = bead_topology(make_bundle())
    assert [residue.name for residue in topology.residues()][:3] == ["TYR", "TYR", "ASP"]
    assert {atom.name for atom in topology.atoms()} == {"CA"}
    assert topology.getNumBonds() == 9


def test_positions_in_another_unit_get_a_sentence() -> None:
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(bead_system(make_bundle()), openmm.VerletIntegrator(0.001), platform)
    context.setPositions(np.full((10, 3), np.nan))
    with pytest.raises(Exception, match=r"are not finite.*length unit"):
        context.getState(energy=True)


def test_what_OpenMM_cannot_take_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"OpenMM computes in physical units and three dimensions but .* is in reduced"
    ):
        bead_force(of_another(MuellerBrown()))
    boxed = Molecule("boxed", 3, units="molecular", box=[10.0, 10.0, 10.0])
    with pytest.raises(InputError, match="without a periodic box but boxed has one"):
        bead_system(of_another(boxed))


def test_the_ready_script_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import mdtraj

    make_bundle(model=False).save(tmp_path)
    script = tmp_path / "simulate_openmm.py"
    script.write_bytes((READY / script.name).read_bytes())
    assert run_ready(script, "200") == 0
    said = capsys.readouterr().out
    assert "a frame every 100 steps" in said
    loaded = mdtraj.load(str(tmp_path / "openmm.dcd"), top=str(tmp_path / "openmm.pdb"))
    assert loaded.xyz.shape == (2, 10, 3)
    assert loaded.topology.to_fasta() == ["YYDPETGTWY"]
