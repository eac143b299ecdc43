"""scripts/force_map_table.py on a folder of made-up walkers."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cgexp.errors import InputError
from cgexp.store import Chunks, write_json

pytest.importorskip("openmm")
pytest.importorskip("PeptideBuilder")
SCRIPT = Path(__file__).parents[3] / "scripts" / "force_map_table.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("force_map_table", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_walkers(folder: Path, n_walkers: int, n_frames: int) -> list[np.ndarray]:
    """Two chunks of noise a walker, after the chunk without frames that a walker begins with; returns the forces."""
    n_atoms, generator, forces = 30, np.random.default_rng(0), []  # of AGA
    for number in range(n_walkers):
        chunks = Chunks(folder / f"walker-{number:03d}")
        chunks.append({"coords": np.zeros((0, n_atoms, 3)), "forces": np.zeros((0, n_atoms, 3))})
        for _ in range(2):
            noise = generator.normal(size=(2, n_frames, n_atoms, 3)).astype(np.float32)
            chunks.append({"coords": 3.0 * noise[0], "forces": noise[1]})
            forces.append(noise[1])
    write_json(folder / "protocol.json", {"sequence": "AGA", "temperature": 350.0})
    return forces


def test_every_frame_counts_once_on_a_map_fitted_elsewhere(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forces = write_walkers(tmp_path, 4, 30)
    monkeypatch.setattr(sys, "argv", ["force_map_table", str(tmp_path), "--json", str(tmp_path / "table.json")])
    script.main()
    printed = capsys.readouterr().out
    assert "240 frames of 4 walkers, 8 blocks, ca" in printed
    assert "no: biased under rigid bonds" in printed
    table = json.loads((tmp_path / "table.json").read_text())
    maps = table["maps"]
    assert list(maps) == sorted(["slice", "constraint_group", "residue", "optimal"])
    assert not table["refused"]
    assert maps["slice"]["ratio_to_slice"] == 1.0
    assert not maps["slice"]["valid"]
    assert all(maps[name]["valid"] for name in ("constraint_group", "residue", "optimal"))
    # forces of single atoms are white noise: a sum over m atoms has mean square m, and nothing better is to be had
    assert maps["slice"]["mean_square"] == pytest.approx(1.0, abs=0.1)
    assert maps["residue"]["mean_square"] == pytest.approx(30 / 3, rel=0.1)
    assert maps["optimal"]["mean_square"] == pytest.approx(maps["constraint_group"]["mean_square"], rel=0.3)
    assert maps["optimal"]["mean_square"] > maps["constraint_group"]["mean_square"]  # held out
    assert all("fitted on 120 frames" in text for text in maps["optimal"]["provenance"])
    assert sum(len(part) for part in forces) == table["n_frames"]


def test_a_map_that_cannot_be_built_is_listed_with_the_reason(script: ModuleType, tmp_path: Path) -> None:
    write_walkers(tmp_path, 2, 5)
    five = script.compare(tmp_path, "backbone5")
    assert list(five["maps"]) == ["slice", "constraint_group", "optimal"]
    assert "one bead a residue" in five["refused"]["residue"]
    one = script.compare(tmp_path, "ca")
    assert list(one["maps"]) == ["slice", "constraint_group", "residue"]
    assert "12 weights a bead to fit and got 10 frames: expected at least 24" in one["refused"]["optimal"]


def test_too_little_to_read_is_refused(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_walkers(tmp_path, 1, 5)
    with pytest.raises(InputError, match="holds 1 walkers with frames: expected at least two"):
        script.compare(tmp_path, "ca")
    monkeypatch.setattr(sys, "argv", ["force_map_table", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match=r"force_map_table: .* is missing"):
        script.main()
