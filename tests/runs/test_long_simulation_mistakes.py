"""Mistakes about a long simulation: a sentence each, early, and nothing of the user's replaced."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("safetensors")

from cgexp.cli.main import main
from cgexp.errors import InputError
from cgexp.interfaces.bundle import Bundle
from cgexp.runs.long_simulation import simulate_long
from cgexp.store import write_arrays
from cgexp.systems.molecule import Molecule
from cgexp.systems.mueller_brown import MuellerBrown
from tests.interfaces.models import make_bundle, of_another
from tests.runs.test_long_simulation import SETTINGS, contents


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return make_bundle(model=False)


def test_folders_and_systems_that_do_not_fit(bundle: Bundle, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    simulate_long(bundle, whole, SETTINGS, seed=5)
    before = contents(whole)
    with pytest.raises(InputError, match="was begun with seed=5, not with seed=6"):
        simulate_long(bundle, whole, SETTINGS, seed=6)
    with pytest.raises(InputError, match=r"holds replica-000\.xtc of something else"):
        simulate_long(bundle, whole, SETTINGS, "dcd", seed=5)
    assert contents(whole) == before
    for name in ("replica-000.xtc", "observables.csv", "topology.pdb", "contents.json", "checkpoint.npz"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(InputError, match=f"holds {re.escape(name)} of something else"):
            simulate_long(bundle, tmp_path, SETTINGS)
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
    with pytest.raises(InputError, match="is nothing that molecular viewers show"):
        simulate_long(of_another(MuellerBrown()), tmp_path / "toy", {})
    with pytest.raises(InputError, match="in reduced units"):
        simulate_long(of_another(Molecule("chain", 3)), tmp_path / "toy", {})


def test_a_file_that_was_cut_gets_a_sentence(bundle: Bundle, tmp_path: Path) -> None:
    simulate_long(bundle, tmp_path, SETTINGS)
    path = tmp_path / "replica-001.xtc"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"less than the .* of checkpoint\.npz: bring the file back"):
        simulate_long(bundle, tmp_path, SETTINGS | {"n_steps": 300})


def test_a_checkpoint_of_something_else_gets_a_sentence(bundle: Bundle, tmp_path: Path) -> None:
    simulate_long(bundle, tmp_path, SETTINGS | {"n_steps": 20})
    write_arrays(tmp_path / "checkpoint.npz", {"coords": np.zeros(3)})
    with pytest.raises(InputError, match=r"checkpoint\.npz is no checkpoint of a long simulation"):
        simulate_long(bundle, tmp_path, SETTINGS)


def test_what_was_refused_leaves_nothing_that_is_believed_later(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="device=abacus"):
        simulate_long(bundle, tmp_path, SETTINGS, device="abacus")
    simulate_long(bundle, tmp_path, SETTINGS | {"save_every": 10, "n_steps": 40})
    contents = json.loads((tmp_path / "contents.json").read_text())
    assert contents["frame_interval_ps"] == pytest.approx(0.075)
    table = np.genfromtxt(tmp_path / "observables.csv", delimiter=",", names=True)
    np.testing.assert_allclose(np.diff(table["time_ps"]), contents["frame_interval_ps"])


def test_h5md_without_h5py_is_refused_before_the_first_step(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match="h5py is not installed"):
        simulate_long(bundle, tmp_path / "long", SETTINGS, "h5md")
    assert not (tmp_path / "long").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["n_stpes=10"], "did you mean 'n_steps'"),
        (["burn_in=0.5"], "unknown argument 'burn_in=0.5'"),
        (["format=trr"], "format=trr is not valid: expected xtc, dcd, h5md"),
        (["seed=-1"], "seed=-1 is not valid"),
        (["dt=0.5"], "dt=0.5 "),
        (["dt=fast"], "dt=fast is not valid: expected a positive number"),
        (["n_steps=15", "save_every=10"], "set simulation.n_steps=20"),
        (["tempering.highest=100", "tempering.n_rungs=2", "tempering.every=10"], "is not above simulation.temperature"),
        (["tempering.n_rungs=2"], "is missing"),
        (["dt.of=2"], "dt has no settings of its own"),
        (["integrator.friction=-1"], "integrator.friction=-1 is not valid"),
        (["device=abacus"], "device=abacus is not there"),
        (["device=meta"], "device=meta is not there"),
        (["dt=nan"], "dt=nan is not valid"),
        (["starts=spread"], "starts=spread is of the data, but this bundle has the starts of its run, data"),
        (["-m"], "-m is of runs, which have a config: leave it out with bundle=<path>"),
        (["--cfg"], "--cfg is of runs"),
        (["run=outputs/mine"], "run=outputs/mine beside bundle="),
        (["kernel=quick"], "kernel"),
    ],
)
def test_mistakes_get_a_sentence(
    words: list[str], sentence: str, bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle.save(tmp_path / "model.zip")
    words = words if words[0].startswith("n_steps=") else ["n_steps=120", *words]
    assert main(["simulate", f"bundle={tmp_path / 'model.zip'}", f"to={tmp_path / 'long'}", *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("long/replica*"))
