"""scripts/structure.py counts what it says."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import structure  # noqa: E402

TEXT = '''"""A module."""
from cgexp.frames import Frames

def one(config: Config, *rest: dict[str, Any]) -> None:
    part = build(config)
    if isinstance(part, Frames | models.CGnet) or isinstance(part, str):
        return target.endswith(("LR", "packaged.Packaged")) or name.endswith(".npz")

def two(number: float) -> Config: ...
def three(numbers: Mapping[str, float]) -> None: ...
'''


@pytest.fixture
def files() -> list[structure.Module]:
    return [structure.Module(ROOT / "cgexp" / "runs" / "one.py", TEXT, ast.parse(TEXT))]


def test_each_kind_is_found_with_its_place(files: list[structure.Module]) -> None:
    assert structure.untyped_signatures(files) == ["cgexp/runs/one.py:4 one", "cgexp/runs/one.py:10 three"]
    assert structure.untyped_signatures(files, structure.CONFIG) == ["cgexp/runs/one.py:4 one"]
    assert structure.others_than(("runs",), files) == []
    assert structure.builds(files) == ["cgexp/runs/one.py:5 build(config)"]
    assert structure.isinstance_of_parts(files, {"CGnet"}) == [
        "cgexp/runs/one.py:6 isinstance(part, Frames | models.CGnet)"
    ]
    assert len(structure.endings_of_class_names(files)) == 1
    assert structure.imports_of_folders(files) == [("cgexp/runs/one.py:2 cgexp.frames", "runs", "frames")]


def test_parts_are_what_options_name_and_what_that_inherits_from() -> None:
    assert {"CGnet", "EnergyTerm", "Peptide", "System"} <= structure.parts(structure.modules())


def test_all_numbers_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert structure.main([]) == 0
    assert "imports from the same layer or a higher one" + " " * 14 + "0" in capsys.readouterr().out


def test_all_modules_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert structure.main(["modules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if not line.startswith("layer ")]) == len(structure.modules()) - 1
