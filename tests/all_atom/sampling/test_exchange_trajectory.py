"""Packing a replica-exchange run loses nothing that was sampled; scripts/sample_chignolin.py says so in a sentence."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgexp.all_atom.sampling.exchange_trajectory import (
    SETTINGS_FILE,
    load_exchange,
    n_cycles,
    pack_exchange,
    take_longer,
)
from cgexp.errors import InputError
from cgexp.store import Chunks, write_json

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))

import sample_chignolin  # noqa: E402

N_WALKERS, CYCLES = 2, 4  # cycles of a round
SETTINGS: dict[str, Any] = {"temperatures": [300.0, 400.0], "exchange_ps": 2.0, "cycles_per_save": 2, "seed": 1}


def sampled(folder: Path, n_rounds: int, **changes: Any) -> Path:
    """A made-up run: the chunk of the starts, then ``n_rounds`` rounds."""
    write_json(folder / SETTINGS_FILE, {**SETTINGS, **changes})
    for done in range(n_rounds + 1):
        n = CYCLES if done else 0
        Chunks(folder).append(
            {
                "coords": np.full((n // 2, N_WALKERS, 1, 3), done, np.float32),
                "levels": np.tile(np.arange(N_WALKERS, dtype=np.int8), (n, 1)),
                "energies": np.zeros((n, N_WALKERS)),
                "outcomes": np.zeros((n, N_WALKERS - 1), np.int8),
                "n_cycles": np.array(CYCLES * done),
                "next_levels": np.arange(N_WALKERS),
                "state_positions_nm": np.full((N_WALKERS, 1, 3), float(done)),
            }
        )
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_longer_packed_run_is_not_replaced_by_a_shorter_one(tmp_path: Path) -> None:
    pack_exchange(sampled(tmp_path / "long", 3), tmp_path / "kept")
    before = contents(tmp_path / "kept")
    with pytest.raises(InputError, match=r"holds 4 cycles and .* already 12"):
        pack_exchange(sampled(tmp_path / "short", 1), tmp_path / "kept")
    assert contents(tmp_path / "kept") == before
    pack_exchange(sampled(tmp_path / "longer", 4), tmp_path / "kept")
    assert n_cycles(tmp_path / "kept") == 16


def test_a_packed_run_with_other_settings_is_not_replaced(tmp_path: Path) -> None:
    pack_exchange(sampled(tmp_path / "one", 1), tmp_path / "kept")
    before = contents(tmp_path / "kept")
    with pytest.raises(InputError, match=r"was begun with seed=1, not with seed=2"):
        pack_exchange(sampled(tmp_path / "other", 2, seed=2), tmp_path / "kept")
    assert contents(tmp_path / "kept") == before


@pytest.mark.parametrize("n_rounds", [None, 0, 1])
def test_a_working_folder_that_is_behind_begins_with_the_packed_run(tmp_path: Path, n_rounds: int | None) -> None:
    pack_exchange(sampled(tmp_path / "long", 3), tmp_path / "kept")
    if n_rounds is not None:
        sampled(tmp_path / "work", n_rounds)
    take_longer(tmp_path / "kept", tmp_path / "work")
    assert contents(tmp_path / "work") == contents(tmp_path / "kept")
    assert len(load_exchange(tmp_path / "work").levels) == 12


def test_a_working_folder_that_is_ahead_or_different_is_left_alone(tmp_path: Path) -> None:
    pack_exchange(sampled(tmp_path / "short", 1), tmp_path / "kept")
    ahead, other = sampled(tmp_path / "ahead", 2), sampled(tmp_path / "other", 0, seed=2)
    for folder in (ahead, other):
        before = contents(folder)
        if folder == ahead:
            take_longer(tmp_path / "kept", folder)
        else:
            with pytest.raises(InputError, match="seed"):
                take_longer(tmp_path / "kept", folder)
        assert contents(folder) == before


def test_the_script_says_it_in_one_sentence_and_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache, packed = tmp_path / "cache", tmp_path / "packed"
    pack_exchange(sampled(tmp_path / "long", 3), packed / "native")
    before = contents(packed / "native")
    options = ["native", "--cache", str(cache), "--packed", str(packed)]
    wrong = {"holds no round yet": ["--pack"], "--ns -5 is no length": ["--ns", "-5"], "--ns nan": ["--ns", "nan"]}
    for words, more in wrong.items():
        assert sample_chignolin.main([*options, *more]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1
    sampled(cache / "native", 1)
    assert sample_chignolin.main([*options, "--pack"]) == 2
    assert contents(packed / "native") == before
    sampled(tmp_path / "new" / "native", 4)
    assert sample_chignolin.main(["native", "--cache", str(tmp_path / "new"), "--packed", str(packed), "--pack"]) == 0
    assert "ns in all" in capsys.readouterr().out
