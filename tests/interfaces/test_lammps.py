"""LAMMPS: what is refused, and the ready script; numbers are in test_programs.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("safetensors")

from cgexp.errors import InputError
from cgexp.interfaces.lammps import add_beads, add_force
from cgexp.interfaces.programs import OneConfiguration
from cgexp.runs.bundle import READY
from cgexp.systems.mueller_brown import MuellerBrown
from tests.interfaces.models import make_bundle, of_another, run_ready
from tests.optional import needs


class OtherLAMMPS:
    """One whose style of units, atoms and processes are as given; it takes no command."""

    def __init__(self, style: str, n_atoms: int = 10, n_processes: int = 1) -> None:
        self.style, self.n_atoms, self.n_processes = style, n_atoms, n_processes

    def extract_global(self, name: str) -> str:
        return self.style

    def get_natoms(self) -> int:
        return self.n_atoms

    def extract_setting(self, name: str) -> int:
        return self.n_processes


@pytest.fixture
def lmp() -> Iterator[Any]:
    lammps = needs("lammps")
    made = lammps.lammps(cmdargs=["-screen", "none", "-log", "none"])
    yield made
    made.close()


def test_what_LAMMPS_cannot_take_is_refused() -> None:
    with pytest.raises(InputError, match="LAMMPS computes in physical units and three dimensions"):
        add_force(OtherLAMMPS("real"), of_another(MuellerBrown()))
    for other, sentence in (
        (OtherLAMMPS("lj"), "LAMMPS has units lj: these models need one of real, metal"),
        (OtherLAMMPS("real", n_atoms=11), "LAMMPS has 11 atoms: expected the 10 beads of peptide-YYDPETGTWY alone"),
        (OtherLAMMPS("metal", n_processes=2), "LAMMPS runs in several processes"),
    ):
        with pytest.raises(InputError, match=sentence):
            add_force(other, make_bundle())
    with pytest.raises(InputError, match="LAMMPS has units si"):
        add_beads(OtherLAMMPS("si"), make_bundle(), "si")


def test_atoms_are_known_by_their_IDs_whatever_their_order(lmp: Any) -> None:
    bundle = make_bundle()
    add_beads(lmp, bundle)
    lmp.command("run 0")
    masses, kinds = lmp.numpy.extract_atom("mass"), lmp.numpy.extract_atom("type")
    np.testing.assert_allclose(masses[kinds], bundle.system.masses)
    forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(-1, 3)
    expected = bundle.potential.forces(bundle.starts[:1].astype(np.float64))[0]
    np.testing.assert_allclose(forces, expected, rtol=1e-9, atol=1e-9)


def test_LAMMPS_stops_at_what_is_no_number(lmp: Any, caplog: pytest.LogCaptureFixture) -> None:
    def fails(self: OneConfiguration, coords: Any) -> Any:
        raise InputError("energy or forces are not finite")

    add_beads(lmp, make_bundle())
    lmp.commands_list(["fix dynamics all nve", "timestep 1.0", "run 1"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OneConfiguration, "__call__", fails)
        lmp.command("run 1000")
    assert lmp.extract_global("ntimestep") < 10
    assert "LAMMPS is stopped at step 1: energy or forces are not finite" in caplog.text


@pytest.mark.parametrize("style", ["real", "metal"])
def test_the_ready_script_runs(style: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs("lammps")
    import mdtraj

    make_bundle(model=False).save(tmp_path)
    script = tmp_path / "simulate_lammps.py"
    script.write_bytes((READY / script.name).read_bytes())
    assert run_ready(script, "200", style) == 0
    assert "a frame every 100 steps" in capsys.readouterr().out
    loaded = mdtraj.load(str(tmp_path / "lammps.dcd"), top=str(tmp_path / "lammps.pdb"))
    assert loaded.xyz.shape == (3, 10, 3)
    bonds = 10.0 * np.linalg.norm(np.diff(loaded.xyz, axis=1), axis=-1)
    assert 3.0 < bonds.min() < bonds.max() < 4.6  # Å
