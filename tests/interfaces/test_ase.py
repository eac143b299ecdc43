"""ASE: what its calculator refuses, and the ready script; numbers are in test_programs.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ase")
pytest.importorskip("safetensors")

from ase import Atoms

from cgexp.errors import InputError
from cgexp.interfaces.ase import BundleCalculator, beads
from cgexp.runs.bundle import READY
from cgexp.systems.molecule import Molecule
from cgexp.systems.mueller_brown import MuellerBrown
from tests.interfaces.models import make_bundle, of_another, run_ready


def test_other_atoms_are_refused() -> None:
    calculator = BundleCalculator(make_bundle())
    with pytest.raises(InputError, match="the atoms are 3: expected the 10 beads of peptide-YYDPETGTWY, not periodic"):
        Atoms("X3", positions=np.eye(3), calculator=calculator).get_potential_energy()
    periodic = beads(make_bundle())
    periodic.set_cell([50.0, 50.0, 50.0])
    periodic.pbc = True
    with pytest.raises(InputError, match="the atoms are 10, periodic"):
        periodic.get_potential_energy()


def test_positions_far_from_all_data_get_a_sentence() -> None:
    atoms = beads(make_bundle())
    atoms.positions[:] = np.nan
    with pytest.raises(InputError, match=r"are not finite.*length unit"):
        atoms.get_forces()


def test_what_ASE_cannot_take_is_refused() -> None:
    with pytest.raises(InputError, match=r"ASE computes in physical units and three dimensions but .* is in reduced"):
        BundleCalculator(of_another(MuellerBrown()))
    boxed = Molecule("boxed", 3, units="molecular", box=[10.0, 10.0, 10.0])
    with pytest.raises(InputError, match="without a periodic box but boxed has one"):
        BundleCalculator(of_another(boxed))


def test_the_ready_script_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_bundle(model=False).save(tmp_path)
    script = tmp_path / "simulate_ase.py"
    script.write_bytes((READY / script.name).read_bytes())
    assert run_ready(script, "200") == 0
    said = capsys.readouterr().out
    assert "a frame every 100 steps" in said
    assert (tmp_path / "ase.xyz").read_text().count("Properties=") == 3
