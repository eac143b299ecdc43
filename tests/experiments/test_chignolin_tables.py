"""The tables of the reference's README are those of the numbers beside it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "experiments" / "chignolin_reference"


def test_the_tables_are_of_the_kept_numbers() -> None:
    spec = importlib.util.spec_from_file_location("chignolin_tables", FOLDER / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in script.TABLES:
        assert f"<!-- {name} -->" in text
    assert script.filled(text) == text, "run experiments/chignolin_reference/tables.py again"
    numbers = json.loads((FOLDER / "convergence.json").read_text(encoding="utf-8"))
    assert f"{numbers['total_ns']:.1f}" in text
