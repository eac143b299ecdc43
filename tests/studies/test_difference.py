"""What differs between two runs, by subject; what is the same is not told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cgexp.cli.main import main
from cgexp.errors import InputError
from cgexp.store import read_record, write_record
from cgexp.studies.catalogue import Entry, entry_of
from cgexp.studies.difference import Differing, differences_of
from tests.studies.synthetic import config_with, put

MADE: dict[str, Any] = {
    "code": {"version": "1.0", "commit": "a" * 40, "dirty": False},
    "kernel": "compiled",
    "python": "3.11.7",
    "machine": "x86_64",
    "processor": "one",
    "gpu": None,
    "threads": 1,
    "libraries": {"torch": "2.6", "numpy": "2.0"},
}


def run(outputs: Path, name: str, made: dict[str, Any], seed: int = 1, **changes: Any) -> Entry:
    """A run whose two stages were made as ``made`` says."""
    folder = put(outputs, name, config_with(seed, **changes), {"w1_x": 1.0})
    record = read_record(folder.provenance)
    record["stages"] = {stage: {**made, **record["stages"].get(stage, {})} for stage in ("train", "evaluate")}
    write_record(folder.provenance, record)
    return entry_of(folder.path)


def test_nothing_differs_between_a_run_and_its_copy(tmp_path: Path) -> None:
    first, second = run(tmp_path, "a", MADE), run(tmp_path, "b", MADE, logger__enabled=False)
    assert differences_of(first, second) == []


def test_settings_are_told_apart_by_what_depends_on_them(tmp_path: Path) -> None:
    first = run(tmp_path, "a", MADE)
    second = run(tmp_path, "b", MADE, model__width=64, trainer__accelerator="auto", trainer__max_epochs=20.0)
    found = {one.name: one for one in differences_of(first, second)}
    assert found["model.width"].subject == "physics"
    assert found["model.width"].second == "64"
    assert found["trainer.accelerator"] == Differing("execution", "trainer.accelerator", "cpu", "auto")


def test_code_libraries_and_hardware_are_of_stages_and_told_once(tmp_path: Path) -> None:
    other = {
        **MADE,
        "code": {"version": "1.1", "commit": "b" * 40, "dirty": True},
        "libraries": {"torch": "2.7", "numpy": "2.0"},
        "threads": 8,
        "kernel": "eager",
    }
    found = differences_of(run(tmp_path, "a", MADE), run(tmp_path, "b", other))
    assert [(one.subject, one.name, one.first, one.second) for one in found] == [
        ("code", "version (train)", "1.0", "1.1"),
        ("code", "commit (train)", "a" * 10, "b" * 10),
        ("code", "changed files (train)", "false", "true"),
        ("libraries", "torch (train)", "2.6", "2.7"),
        ("hardware", "threads (train)", "1", "8"),
        ("execution", "kernel (train)", "compiled", "eager"),
    ]


def test_other_data_and_stages_that_are_not_done_are_named(tmp_path: Path) -> None:
    first, second = run(tmp_path, "a", MADE), run(tmp_path, "b", MADE)
    record = read_record(second.folder.provenance)
    del record["stages"]["evaluate"]
    write_record(second.folder.provenance, {**record, "data": {"content_hash": "1" * 64, "path": None}})
    assert differences_of(first, second) == [
        Differing("data", "content", "0" * 12, "1" * 12),
        Differing("code", "stage evaluate", "done", "absent"),
    ]


def test_a_damaged_run_is_refused(tmp_path: Path) -> None:
    first, second = run(tmp_path, "a", MADE), run(tmp_path, "b", MADE)
    second.folder.config.write_text("nonsense")
    with pytest.raises(InputError, match="cannot be compared"):
        differences_of(first, entry_of(second.path))


def test_the_command_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run(tmp_path / "outputs", "a", MADE)
    run(tmp_path / "outputs", "b", {**MADE, "threads": 8}, model__width=64)
    assert main(["diff", "a", "b"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "settings that the result depends on:"
    assert lines[2].split()[0] == "model.width"
    assert lines[3:] == ["hardware:", "  threads (train)  1  ->  8"]
    assert main(["diff", "a", "a"]) == 0
    assert "nothing differs" in capsys.readouterr().out
    assert main(["diff", "--json", "a", "latest"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["subject"] == "physics"
    for words, part in ((["a"], "diff takes two runs"), (["a", "outputs"], "holds 2 runs"), (["a", "c"], "no id")):
        assert main(["diff", *words]) == 2
        assert part in capsys.readouterr().err
