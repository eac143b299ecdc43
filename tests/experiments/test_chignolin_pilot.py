"""The pilots that are kept: small, readable, and what pilot.json says of them; a working folder can be packed."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cgexp.all_atom.sampling.exchange_trajectory import SETTINGS_FILE, load_exchange
from cgexp.store import Chunks, write_json
from cgexp.systems.peptide import Peptide

FOLDER = Path(__file__).parents[2] / "experiments" / "chignolin_reference"


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("chignolin_pilot", FOLDER / "pilot.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(sys.modules, "chignolin_pilot", module)  # where dataclasses look their annotations up
        spec.loader.exec_module(module)
        yield module


def test_the_kept_pilots_are_small_and_of_the_kept_numbers(script: ModuleType) -> None:
    files = [path for path in (FOLDER / "pilot").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1_000_000
    numbers = json.loads((FOLDER / "pilot.json").read_text(encoding="utf-8"))
    assert set(numbers) == {path.name for path in (FOLDER / "pilot").iterdir()} == set(script.PILOTS)
    for name, kept in numbers.items():
        table = script.Pilot.read(FOLDER / "pilot" / name).table
        assert {key: kept[key] for key in table} == table
    assert (FOLDER / "pilot.png").is_file()


def test_a_packed_pilot_has_the_same_events(script: ModuleType, tmp_path: Path) -> None:
    rng, native = np.random.default_rng(0), Peptide("YYDPETGTWY").native()
    source, n = tmp_path / "run", 60
    write_json(source / SETTINGS_FILE, {"temperatures": [320.0, 400.0], "exchange_ps": 4.0, "cycles_per_save": 1})
    coords = (native + rng.normal(scale=0.1, size=(n, 2, *native.shape))).astype(np.float32)
    coords[:20, :, 5:] += np.float32([0.0, 0.0, 14.0])  # unfolded for 80 ps
    levels = np.tile(np.array([0, 1], dtype=np.int8), (n, 1))
    for part in (slice(0, 30), slice(30, n)):
        energies = rng.normal(-200.0, 6.0, (n, 2))
        outcomes = np.ones((n, 1), dtype=np.int8)
        Chunks(source).append(
            {"coords": coords[part], "levels": levels[part], "energies": energies[part], "outcomes": outcomes[part]}
        )
    script.pack(source, tmp_path / "pilots" / "ace_native")
    centred = coords - coords.mean(axis=2, keepdims=True)
    packed = load_exchange(tmp_path / "pilots" / "ace_native")
    np.testing.assert_allclose(packed.coords, centred, atol=0.5 * script.ROUNDING + 1e-6)
    assert script.main(["--pilots", str(tmp_path / "pilots"), "--out", str(tmp_path)]) == 0
    table = json.loads((tmp_path / "pilot.json").read_text(encoding="utf-8"))["ace_native"]
    assert table["events"]["by_temperature"] == {"folding": [1, 1], "unfolding": [0, 0]}
    assert table["folded_fraction"] == pytest.approx([2 / 3, 2 / 3], abs=1e-3)
    assert (tmp_path / "pilot.png").is_file()
