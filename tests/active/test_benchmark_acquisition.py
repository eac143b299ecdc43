"""scripts/benchmark_acquisition.py on sizes that take no time."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import benchmark_acquisition as benchmark  # noqa: E402

from cgexp.geometry import distances, pair_list  # noqa: E402


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(benchmark, "SMALL", (60, 40))
    monkeypatch.setattr(benchmark, "_in_process", lambda work, *arguments: work(*arguments))
    arguments = ["--candidates", "300", "--known", "2e2", "--picks", "7", "--threads", "1"]
    return ["benchmark_acquisition.py", *arguments]


def test_table_and_numbers(
    quick: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [*quick, "--json", str(tmp_path / "rows.json")])
    assert benchmark.main() == 0
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [row["pool"] for row in rows] == [pool for pool in benchmark.POOLS for _ in range(3)]
    assert all(row["pairs_fraction"] > 0 and row["last"] <= row["first"] for row in rows)
    assert capsys.readouterr().out.count("yes") == 9


def test_picks_that_differ_are_told(
    quick: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "same_picks", lambda *arguments: False)
    monkeypatch.setattr(sys, "argv", [*quick, "--pools", "helix"])
    assert benchmark.main() == 1
    assert capsys.readouterr().out.count("NO") == 2


@pytest.mark.parametrize("pool", benchmark.POOLS)
def test_pools_are_chains_of_c_alpha_atoms(pool: str) -> None:
    coords = benchmark.make_pool(pool, 200)
    assert (coords.shape, coords.dtype) == ((200, 10, 3), np.float32)
    all_pairs = distances(torch.from_numpy(coords), pair_list(10))
    assert 3.6 < float(all_pairs[:, pair_list(10).diff(dim=1)[:, 0] == 1].median()) < 4.0
    assert float(all_pairs.min()) > 0.5  # chains are turned at random, and may nearly touch
