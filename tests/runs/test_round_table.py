"""The table of rounds: what goes in comes out, whole runs only, and only for the study as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cgexp.config.study import Arm
from cgexp.errors import InputError
from cgexp.runs.round_table import RoundTable, key_of, keys_of

ARM = Arm("plain", "plain", ("experiment=active_toy",), (1, 2), "active")


def records(n: int, value: float = 0.25) -> list[dict[str, Any]]:
    return [
        {"round": i, "data_hash": f"e{i}", "n_frames": 10 + i, "stop": None, "metrics": {"w1_x": value, "nan": 1e-9}}
        for i in range(n)
    ]


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    table = RoundTable(tmp_path / "rounds.csv")
    assert table.finished() == {}
    first, second = (key_of(ARM, seed, []) for seed in (1, 2))
    table.add(second, records(3))
    table.add(first, records(2, 0.5))
    assert table.finished() == {first: records(2, 0.5), second: records(3)}
    assert [line.split(",")[1] for line in table.path.read_text().splitlines()] == ["seed", "1", "1", "2", "2", "2"]


def test_a_run_that_is_done_again_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    table = RoundTable(tmp_path / "rounds.csv")
    table.add(key_of(ARM, 1, []), records(3))
    table.add(key_of(ARM, 1, ["active.n_rounds=1"]), records(2))
    assert table.finished() == {key_of(ARM, 1, ["active.n_rounds=1"]): records(2)}


def test_a_run_without_all_its_rounds_is_not_finished(tmp_path: Path) -> None:
    table = RoundTable(tmp_path / "rounds.csv")
    table.add(key_of(ARM, 1, []), records(3))
    table.path.write_text("".join(table.path.read_text().splitlines(keepends=True)[:-1]))
    assert table.finished() == {}


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "rounds.csv").write_text("what,is\nthis,1\n")
    with pytest.raises(InputError, match="is no table of rounds"):
        RoundTable(tmp_path / "rounds.csv").finished()


def test_runs_have_keys_if_their_seed_tells_them_apart() -> None:
    two, same = [{"seed": 1}, {"seed": 2}], [{"seed": 1}, {"seed": 1}]
    assert keys_of(ARM, two, []) == [key_of(ARM, 1, []), key_of(ARM, 2, [])]
    assert keys_of(ARM, same, []) == [None, None]
    assert keys_of(Arm("a", "a", (), (1, 2)), two, []) == [None, None]
    assert key_of(ARM, 1, []) != key_of(ARM, 1, ["trainer.max_epochs=3"])
