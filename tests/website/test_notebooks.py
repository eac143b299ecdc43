"""The notebooks of the documentation run from beginning to end, and hold no results."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

from tests.test_docs import can_be_imported

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from website.notebooks import as_page, cells  # noqa: E402

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def run_cells(notebook: Path) -> list[Any]:
    """Run the cells of code in one namespace; return what the last expression of each gives, as a notebook shows it."""
    shown: list[Any] = []
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for kind, text in cells(notebook):
        if kind != "code":
            continue
        body = ast.parse(text).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), notebook.name, "exec"), namespace)
        value = eval(compile(ast.Expression(last.value), notebook.name, "eval"), namespace) if last else None
        repr(value)
        shown.append(value)
    return shown


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_text_and_code_without_results(notebook: Path) -> None:
    record = json.loads(notebook.read_text(encoding="utf-8"))
    assert (record["nbformat"], record["nbformat_minor"]) == (4, 5)
    assert [cell for cell in record["cells"] if cell.get("outputs") or cell.get("execution_count")] == []
    assert cells(notebook)[0][1].startswith("# ")
    for kind, text in cells(notebook):
        for node in ast.walk(ast.parse(text if kind == "code" else "")):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("cgexp"):
                assert [name.name for name in node.names if not can_be_imported(node.module, name.name)] == []


def test_a_notebook_becomes_a_page(tmp_path: Path) -> None:
    found = [{"cell_type": "markdown", "source": ["# A\n", "\n", "B"]}, {"cell_type": "code", "source": ["1 + 1"]}]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": found}))
    assert as_page(tmp_path / "a.ipynb").startswith(
        "# A\n\nThe same as a notebook: {download}`a.ipynb`.\n\nB\n\n```python"
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "openmm" in notebook.read_text(encoding="utf-8"):
        pytest.importorskip("openmm")
    mpl.use("agg")
    monkeypatch.chdir(tmp_path)
    shown = run_cells(notebook)
    comparison = next(value for value in shown if type(value).__name__ == "Comparison")
    assert comparison._repr_html_().count("<img") >= 3
    assert comparison.report.is_file()
