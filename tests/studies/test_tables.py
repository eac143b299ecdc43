"""The table of rounds: what goes in comes out, whole runs only, and only for the study as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cgexp.active.round import Round
from cgexp.errors import InputError
from cgexp.studies.study import Study
from cgexp.studies.tables import RoundTable, RunTable, keys_of
from tests.active.fakes import round_with

FIRST, SECOND = ("plain", 1, "aa"), ("plain", 2, "bb")


def rounds(n: int, value: float = 0.25) -> list[Round]:
    metrics, rejected = {"w1_x": value, "nan": 1e-9}, {"3": "it's too far, 5 Å"}
    return [
        round_with(round=i, data_hash=f"123e{i}", n_frames=10 + i, metrics=metrics, rejected=rejected) for i in range(n)
    ]


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    table = RoundTable(tmp_path / "rounds.csv")
    assert table.finished() == {}
    table.add(SECOND, rounds(3))
    table.add(FIRST, rounds(2, 0.5))
    assert table.finished() == {FIRST: rounds(2, 0.5), SECOND: rounds(3)}
    assert [line.split(",")[1] for line in table.path.read_text().splitlines()] == ["seed", "1", "1", "2", "2", "2"]


def test_a_run_that_is_done_again_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    table = RoundTable(tmp_path / "rounds.csv")
    table.add(FIRST, rounds(3))
    table.add(("plain", 1, "cc"), rounds(2))
    assert table.finished() == {("plain", 1, "cc"): rounds(2)}


def test_a_run_without_all_its_rounds_is_not_finished(tmp_path: Path) -> None:
    table = RoundTable(tmp_path / "rounds.csv")
    table.add(FIRST, rounds(3))
    table.path.write_text("".join(table.path.read_text().splitlines(keepends=True)[:-1]))
    assert table.finished() == {}


def test_metrics_of_runs_come_out_as_they_went_in(tmp_path: Path) -> None:
    table = RunTable(tmp_path / "runs.csv")
    assert table.finished() == {}
    table.add(SECOND, {"w1_x": 0.25, "replicas_failed": 0.0})
    table.add(FIRST, {"w1_x": 3.0})
    table.add(("plain", 2, "cc"), {"w1_x": 0.5})
    assert table.finished() == {FIRST: {"w1_x": 3.0}, ("plain", 2, "cc"): {"w1_x": 0.5}}


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    for name, what, table in (("rounds.csv", "rounds", RoundTable), ("runs.csv", "runs", RunTable)):
        (tmp_path / name).write_text("what,is\nthis,1\n")
        with pytest.raises(InputError, match=f"is no table of {what}"):
            table(tmp_path / name).finished()


STUDY = """
title: A study
seeds: [1, 2]
verb: active
common: [experiment=toy_julia, debug=fast, simulation=none]
arms:
  teacher: {label: teacher, seeds: [5], verb: run}
  plain: {label: plain}
  student: {label: student, overrides: ['trainer.start_from=${run:teacher}']}
  twice: {label: twice, overrides: ['dataset.seed=1,2']}
"""


def keys(folder: Path, *changes: tuple[str, str], overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    text = STUDY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "one").mkdir(exist_ok=True)
    (folder / "one" / "study.yaml").write_text(text)
    (folder / "one" / "expected.yaml").write_text("{}\n")
    return keys_of(Study.load("one", folder), overrides)


def test_runs_have_keys_if_their_seed_tells_them_apart(tmp_path: Path) -> None:
    found = keys(tmp_path)
    assert [key[:2] for key in found["plain"]] == [("plain", 1), ("plain", 2)]
    assert [key[:2] for key in found["twice"]] == [
        ("twice [0]", 1),
        ("twice [0]", 2),
        ("twice [1]", 1),
        ("twice [1]", 2),
    ]
    assert [key[:2] for key in found["teacher"]] == [("teacher", 5)]
    assert len({key[2] for key in found["twice"]}) == 4
    assert len({key[2] for arm in ("plain", "student") for key in found[arm]}) == 4


def test_keys_know_the_physics_and_the_teacher_but_no_place(tmp_path: Path) -> None:
    found = keys(tmp_path)
    assert keys(tmp_path, overrides=(f"outputs={tmp_path}/elsewhere",)) == found
    assert keys(tmp_path, ("seeds: [1, 2]", "seeds: [1, 2, 3]"))["student"][:2] == found["student"]
    other = keys(tmp_path, overrides=("trainer.max_epochs=3",))
    assert all(new[2] != old[2] for new, old in zip(other["plain"], found["plain"], strict=True))
    other = keys(tmp_path, ("verb: run}", "verb: run, overrides: [trainer.max_epochs=3]}"))
    assert other["plain"] == found["plain"]
    assert all(new[2] != old[2] for new, old in zip(other["student"], found["student"], strict=True))
