"""cgexp simulate bundle=...: files that viewers open, whole again after a kill, byte for byte, with small memory."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import pytest

pytest.importorskip("safetensors")

from cgexp.cli.main import main
from cgexp.cli.simulate_bundle import read_words
from cgexp.errors import InputError
from cgexp.interfaces.bundle import Bundle
from cgexp.interfaces.stream import Stream
from cgexp.interfaces.viewers import Dcd, Xtc
from cgexp.runs.long_simulation import simulate_long
from cgexp.store import read_arrays
from cgexp.systems.molecule import Molecule
from tests.interfaces.models import make_bundle, of_another
from tests.optional import needs
from tests.test_docs import ROOT, fences

SETTINGS: dict[str, Any] = {"n_steps": 240, "save_every": 20, "n_replicas": 3, "chunk_frames": 4}
TOLERANCE = {"xtc": 0.0051, "dcd": 1e-5}  # Å: half of the step that XTC rounds to, and float32
GROWING = ("observables.csv", "replica-000.xtc", "replica-001.xtc", "replica-002.xtc")
LADDER = {"tempering.highest": 500.0, "tempering.n_rungs": 2, "tempering.every": 10}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return make_bundle(model=False)


@pytest.fixture(scope="module")
def whole(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    simulate_long(bundle, folder, SETTINGS, seed=5)
    return folder


class Killed(Exception):
    """In place of a kill."""


def killer(step: int) -> Any:
    def report(done: int, total: int, text: str) -> None:
        if done >= step:
            raise Killed

    return report


def contents(folder: Path, names: tuple[str, ...] = GROWING) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.parametrize("form", ["xtc", "dcd"])
def test_what_is_written_is_what_was_simulated(form: str, bundle: Bundle, tmp_path: Path) -> None:
    simulate_long(bundle, tmp_path / "long", SETTINGS, form, seed=5, kernel="reference")
    own = bundle.simulate(tmp_path / "own", seed=5, kernel="reference", **SETTINGS)
    for replica in range(3):
        path = tmp_path / "long" / f"replica-{replica:03d}.{form}"
        loaded = mdtraj.load(str(path), top=str(tmp_path / "long" / "topology.pdb"))
        np.testing.assert_allclose(10.0 * loaded.xyz, own.coords[:, replica], atol=TOLERANCE[form])  # nm to Å
    assert loaded.topology.to_fasta() == ["YYDPETGTWY"]
    if form == "xtc":
        np.testing.assert_allclose(loaded.time, own.time, rtol=1e-6)


@pytest.mark.parametrize("form", ["xtc", "dcd"])
def test_MDAnalysis_reads_lengths_and_times(form: str, bundle: Bundle, tmp_path: Path) -> None:
    mda = needs("MDAnalysis")
    simulate_long(bundle, tmp_path / "long", SETTINGS, form, seed=5, kernel="reference")
    own = bundle.simulate(tmp_path / "own", seed=5, kernel="reference", **SETTINGS)
    universe = mda.Universe(str(tmp_path / "long" / "topology.pdb"), str(tmp_path / "long" / f"replica-000.{form}"))
    assert len(universe.bonds) == 9
    assert universe.trajectory.dt == pytest.approx(20 * 0.0075, rel=1e-5)  # ps
    for frame, coords in zip(universe.trajectory, own.coords[:, 0], strict=True):
        np.testing.assert_allclose(frame.positions, coords, atol=TOLERANCE[form])


def test_h5md_says_its_units(bundle: Bundle, tmp_path: Path) -> None:
    h5py = needs("h5py")
    written = simulate_long(bundle, tmp_path, SETTINGS, "h5md", seed=5)
    assert written.trajectories == [f"replica-{replica:03d}.h5md" for replica in range(3)]
    with h5py.File(tmp_path / "replica-001.h5md") as file:
        position = file["particles/beads/position"]
        assert position["value"].attrs["unit"] == "Angstrom"
        assert position["time"].attrs["unit"] == "ps"
        np.testing.assert_allclose(position["time"], 0.15 * np.arange(1, 13))
        loaded = mdtraj.load(str(tmp_path / "replica-001.dcd"), top=str(tmp_path / "topology.pdb"))
        np.testing.assert_allclose(position["value"], 10.0 * loaded.xyz, atol=1e-5)
        expected = np.array(position["value"])
    mda = needs("MDAnalysis")
    universe = mda.Universe(str(tmp_path / "topology.pdb"), str(tmp_path / "replica-001.h5md"))
    for frame, coords in zip(universe.trajectory, expected, strict=True):
        np.testing.assert_allclose(frame.positions, coords, atol=1e-5)
    assert universe.trajectory[-1].time == pytest.approx(1.8)  # ps


@pytest.mark.slow
def test_a_process_that_is_killed_goes_on(bundle: Bundle, tmp_path: Path) -> None:
    bundle.save(tmp_path / "model.zip")
    words = ["n_steps=60000", "save_every=20", "n_replicas=2", "chunk_frames=5", "seed=1"]

    def start(folder: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "cgexp.cli.main", "simulate", f"bundle={tmp_path / 'model.zip'}"]
        return subprocess.Popen([*command, f"to={tmp_path / folder}", *words], stderr=subprocess.DEVNULL)

    assert start("whole").wait() == 0
    for _ in range(3):
        process = start("killed")
        while not (tmp_path / "killed" / "checkpoint.npz").is_file() and process.poll() is None:
            time.sleep(0.05)
        time.sleep(1.0)
        assert process.poll() is None, "it ended before it could be killed"
        process.kill()
        process.wait()
    assert start("killed").wait() == 0
    names = ("observables.csv", "replica-000.xtc", "replica-001.xtc")
    assert contents(tmp_path / "killed", names) == contents(tmp_path / "whole", names)


@pytest.mark.parametrize("settings", [{}, LADDER], ids=["plain", "tempering"])
@pytest.mark.parametrize("step", [60, 180])
def test_what_was_killed_goes_on_as_if_nothing_had_been(
    step: int, settings: dict[str, Any], bundle: Bundle, whole: Path, tmp_path: Path
) -> None:
    settings, expected = SETTINGS | settings, whole
    if "tempering.highest" in settings:
        expected = tmp_path / "expected"
        simulate_long(bundle, expected, settings, seed=5)
    folder = tmp_path / "killed"
    with pytest.raises(Killed):
        simulate_long(bundle, folder, settings, seed=5, progress=killer(step))
    for name in GROWING if step > 80 else ():
        (folder / name).write_bytes((folder / name).read_bytes() + b"half a frame")
    simulate_long(bundle, folder, settings, seed=5)
    assert contents(folder) == contents(expected)


def test_more_steps_go_on_in_either_format(bundle: Bundle, whole: Path, tmp_path: Path) -> None:
    simulate_long(bundle, tmp_path / "xtc", SETTINGS | {"n_steps": 100}, seed=5)
    simulate_long(bundle, tmp_path / "xtc", SETTINGS | {"chunk_frames": 5}, seed=5)
    assert contents(tmp_path / "xtc") == contents(whole)
    for folder, n_steps in (("dcd", (100, 240)), ("through", (240,))):
        for n in n_steps:
            simulate_long(bundle, tmp_path / folder, SETTINGS | {"n_steps": n}, "dcd", seed=5)
    assert contents(tmp_path / "dcd", ("replica-000.dcd",)) == contents(tmp_path / "through", ("replica-000.dcd",))


def test_observables_are_those_of_the_frames(bundle: Bundle, whole: Path, tmp_path: Path) -> None:
    table = np.genfromtxt(whole / "observables.csv", delimiter=",", names=True)
    simulate_long(bundle, tmp_path, SETTINGS, "dcd", seed=5)
    frames = [mdtraj.load(str(tmp_path / f"replica-{r:03d}.dcd"), top=str(tmp_path / "topology.pdb")) for r in range(3)]
    coords = 10.0 * np.stack([frame.xyz for frame in frames], axis=1)
    np.testing.assert_allclose(table["time_ps"], 0.15 * np.arange(1, 13))
    energy = bundle.potential.energy(coords.reshape(-1, 10, 3).astype(np.float64)).reshape(12, 3)
    np.testing.assert_allclose(table["energy_kcal_mol"], energy.mean(axis=1), atol=2e-3)
    np.testing.assert_allclose(table["energy_kcal_mol_std"], energy.std(axis=1), atol=2e-3)
    rg = np.stack([mdtraj.compute_rg(frame) for frame in frames], axis=1)
    np.testing.assert_allclose(table["rg_angstrom"], 10.0 * rg.mean(axis=1), atol=1e-3)
    native = mdtraj.Trajectory(bundle.system.native()[None] / 10.0, frames[0].topology)
    rmsd = np.stack([mdtraj.rmsd(frame, native) for frame in frames], axis=1)
    np.testing.assert_allclose(table["rmsd_angstrom"], 10.0 * rmsd.mean(axis=1), atol=1e-3)
    np.testing.assert_allclose(table["share_folded"], (10.0 * rmsd < 2.0).mean(axis=1), atol=1e-6)
    record = json.loads((whole / "contents.json").read_text())
    assert record["observables"]["columns"] == list(table.dtype.names)


def test_a_replica_that_fails_ends_where_it_failed(bundle: Bundle, tmp_path: Path) -> None:
    tight = {"health.max_bond": None, "health.max_abs_coord": float(np.abs(bundle.starts[:3]).max()) - 1e-3}
    written = simulate_long(bundle, tmp_path, SETTINGS | tight, seed=5)
    assert 0 < written.n_failed < 3
    _, meta = read_arrays(tmp_path / "checkpoint.npz")
    for failure in meta["failures"]:
        path = tmp_path / f"replica-{failure['replica']:03d}.xtc"
        n = len(mdtraj.load(str(path), top=str(tmp_path / "topology.pdb"))) if path.stat().st_size else 0
        assert n == sum(step < failure["step"] for step in range(20, 241, 20))
    table = np.genfromtxt(tmp_path / "observables.csv", delimiter=",", names=True)
    assert table["n_replicas"][-1] == 3 - written.n_failed


def test_memory_holds_two_chunks_however_long_it_is(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, alive, most = Stream.append, [], []

    def watched(stream: Stream, arrays: Any, meta: Any) -> None:
        alive.append(weakref.ref(arrays["coords"]))
        most.append(sum(reference() is not None for reference in alive))
        append(stream, arrays, meta)

    monkeypatch.setattr(Stream, "append", watched)
    simulate_long(bundle, tmp_path, SETTINGS | {"save_every": 1, "chunk_frames": 2, "n_steps": 60})
    assert len(most) == 30
    assert max(most) <= 2


def test_a_box_is_in_the_files() -> None:
    box, coords = (20.0, 30.0, 40.0), np.zeros((2, 3, 3))
    dcd, xtc = (format(3, 0.01, 5, 5, box) for format in (Dcd, Xtc))
    frames = np.frombuffer(dcd.frames(coords, np.array([5, 10])), dtype=dcd.layout)
    np.testing.assert_array_equal(frames["cell"][1], [20.0, 90.0, 30.0, 90.0, 90.0, 40.0])
    assert len(xtc.frames(coords, np.array([5, 10]))) > 0


def test_numbers_are_those_of_a_config() -> None:
    words = ["bundle=model.zip", "dt=5e-3", "n_steps=010", "simulation.health.max_bond=null", "starts=data"]
    settings = {"dt": 0.005, "n_steps": 10, "health.max_bond": None, "starts": "data"}
    assert read_words(words) == ({"bundle": "model.zip"}, settings)


def test_the_command(
    bundle: Bundle, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle.save("model.zip")
    words = [f"{key}={value}" for key, value in SETTINGS.items()]
    assert main(["simulate", "bundle=model.zip", "seed=5", *words]) == 0
    out = capsys.readouterr().out
    assert "model-simulation: topology.pdb, observables.csv, replica-000.xtc to replica-002.xtc" in out
    assert "each of 0.0018 ns, a frame every 0.15 ps; 0 replicas failed" in out
    assert contents(tmp_path / "model-simulation") == contents(whole)


def test_the_page_does_what_it_says(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/long_simulations.md, with a ten-thousandth of the steps; its export is that of using_models.md."""
    monkeypatch.chdir(tmp_path)
    bundle.save("chignolin.zip")
    page = ROOT / "docs" / "long_simulations.md"
    for line in "".join(fences(page, "bash")).splitlines():
        if line.startswith("cgexp simulate"):
            assert main(shlex.split(re.sub(r"(\d\d+)0000\b", r"\1", line).replace("=1000", "=100"))[1:]) == 0
    names: dict[str, Any] = {}
    for block in fences(page, "python"):
        exec(compile(block, str(page), "exec"), names)
    assert names["trajectory"].time.tolist() == pytest.approx(0.75 * np.arange(1, 21))


def test_starts_of_another_kind_and_another_temperature(bundle: Bundle) -> None:
    extended = bundle.starts_of(bundle.dynamics({"starts": "extended", "n_replicas": 2}))
    assert extended.shape == (2, 10, 3)
    assert np.linalg.norm(extended[0, -1] - extended[0, 0]) > 28.0  # Å
    with pytest.raises(InputError, match="temperature=300 is not that of the model, 350"):
        bundle.dynamics({"temperature": 300.0})


def test_the_devices_of_the_runs_machine_are_not_those_of_this_one(bundle: Bundle) -> None:
    of_four = replace(bundle, simulation={**(bundle.simulation or {}), "devices": 4})
    assert of_four.dynamics({}).devices == 1
    assert of_four.dynamics({"devices": 2}).devices == 2


def test_a_molecule_without_a_native_structure(bundle: Bundle, tmp_path: Path) -> None:
    chain = Molecule("chain", 3, units="molecular", masses=[10.0, 10.0, 10.0], box=[20.0, 30.0, 40.0])
    free = replace(of_another(chain), temperature=bundle.temperature)
    settings = {**(bundle.simulation or {}), "health": {"_target_": "cgexp.simulation.health.HealthCheck"}}
    simulate_long(replace(free, simulation=settings), tmp_path, SETTINGS)
    table = np.genfromtxt(tmp_path / "observables.csv", delimiter=",", names=True)
    assert [name for name in table.dtype.names if "rmsd" in name or "share" in name] == []
    assert len(table) == 12
    np.testing.assert_array_equal(table["energy_kcal_mol"], 0.0)
    loaded = mdtraj.load(str(tmp_path / "replica-000.xtc"), top=str(tmp_path / "topology.pdb"))
    assert loaded.topology.n_bonds == 2
    np.testing.assert_allclose(10.0 * loaded.unitcell_lengths, np.tile([20.0, 30.0, 40.0], (12, 1)), rtol=1e-5)
