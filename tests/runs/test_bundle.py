"""cgexp export as=bundle: the run's own potential, coordinates and simulation, without the run."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import cgexp
from cgexp.cli.main import main
from cgexp.errors import InputError
from cgexp.runs.bundle import export_bundle
from cgexp.runs.folder import RunFolder
from cgexp.runs.pipeline import run
from tests.optional import needs
from tests.runs.small import configure, quiet
from tests.test_docs import ROOT, fences

pytest.importorskip("safetensors")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    outputs = tmp_path_factory.mktemp("outputs")
    small = ("model.n_features=16", "model.n_filters=16", "model.n_rbf=12")
    return run(configure(outputs, "experiment=chignolin_first", *small, "kernel=reference"), say=quiet)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return run(configure(tmp_path_factory.mktemp("toys"), "experiment=toy_cgnet"), "train", say=quiet)


def test_a_bundle_does_what_its_run_does(finished: RunFolder, tmp_path: Path) -> None:
    before = cgexp.load(finished.path)
    potential, trajectory, frames = before.potential.double(), before.trajectory(), before.frames
    assert main(["export", f"run={finished.path}", "as=bundle", f"to={tmp_path / 'taken.zip'}"]) == 0
    bundle = cgexp.load_bundle(tmp_path / "taken.zip")
    coords = torch.tensor(frames.coords[:50], dtype=torch.float64)
    after = bundle.potential.double()
    assert torch.equal(after.energy(coords), potential.energy(coords))
    assert torch.equal(after.forces(coords), potential.forces(coords))
    assert bundle.tica is not None
    assert bundle.facts["data"]["content_hash"] == frames.content_hash
    assert bundle.facts["metrics"] == before.metrics
    again = cgexp.load_bundle(tmp_path / "taken.zip").simulate(
        tmp_path / "sim", seed=before.config["seed"], kernel="reference"
    )
    np.testing.assert_array_equal(again.coords, trajectory.coords)


def test_the_command_says_what_to_do_next(
    finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", f"run={finished.path}", "as=openmm", f"to={tmp_path}"]) == 0
    assert f"python {tmp_path / 'simulate_openmm.py'}" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "MODEL_CARD.md", "bundle.json", "model.safetensors", "simulate_openmm.py",
    ]  # fmt: skip
    assert "validation loss" in (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_a_run_that_lost_something_is_refused(finished: RunFolder, tmp_path: Path) -> None:
    copy = tmp_path / "chignolin_first" / finished.path.name
    shutil.copytree(finished.path, copy)
    content = bytearray((copy / "potential.npz").read_bytes())
    content[-100] ^= 1
    (copy / "potential.npz").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        export_bundle(copy, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_toy_is_taken_as_a_bundle_and_by_no_program(toy: RunFolder, tmp_path: Path) -> None:
    export_bundle(toy.path, tmp_path / "toy")
    bundle = cgexp.load_bundle(tmp_path / "toy")
    assert torch.isfinite(bundle.potential.energy(torch.tensor(bundle.starts))).all()
    with pytest.raises(InputError, match="ASE computes in physical units and three dimensions but toy_cgnet is in red"):
        export_bundle(toy.path, tmp_path / "ase", "ase")
    with pytest.raises(InputError, match="mlcg computes in physical units"):
        export_bundle(toy.path, tmp_path / "ase", "mlcg")
    with pytest.raises(InputError, match="OpenMM computes in physical units"):
        export_bundle(toy.path, tmp_path / "ase", "openmm")
    assert not (tmp_path / "ase").exists()


def test_the_page_does_what_it_says(
    finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/using_models.md: all of its commands, then all of its Python, one after the other."""
    needs("ase")
    pytest.importorskip("openmm")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished.path.parents[1], tmp_path / "outputs")
    page = ROOT / "docs" / "using_models.md"
    for line in "".join(fences(page, "bash")).splitlines():
        _, *words = shlex.split(line, comments=True)
        assert main(words) == 0, capsys.readouterr().err
    names: dict[str, object] = {}
    for block in fences(page, "python"):
        if "lammps" in block and importlib.util.find_spec("lammps") is None:
            continue
        exec(compile(block, str(page), "exec"), names)
    assert (tmp_path / "chignolin_openmm" / "simulate_openmm.py").is_file()
    assert len(names["trajectory"].coords) == 20  # type: ignore[attr-defined]
