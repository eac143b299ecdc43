"""The files of a comparison: its tables and its numbers."""

from __future__ import annotations

from pathlib import Path

from cgexp.report.comparison_tables import as_json, csv_table, markdown_table, tex_table
from cgexp.store import write_bytes, write_record
from cgexp.studies.arms import Compared

NUMBERS = "comparison.json"


def write_comparison(found: Compared, folder: Path) -> list[Path]:
    """Write table.csv, table.md, table.tex and comparison.json into ``folder``; return their paths."""
    tables = {
        "table.csv": csv_table(found.comparison),
        "table.md": markdown_table(found.comparison, found.units) + "".join(f"\n{note}\n" for note in found.notes),
        "table.tex": tex_table(found.comparison, found.units),
    }
    for name, text in tables.items():
        write_bytes(folder / name, text.encode())
    write_record(folder / NUMBERS, numbers(found))
    return [folder / name for name in (*tables, NUMBERS)]


def numbers(found: Compared) -> dict[str, object]:
    """All numbers of a comparison as JSON takes them, with the folders of the runs of each arm."""
    content = as_json(found.comparison)
    arms = [
        {**arm, "runs": [{"path": str(entry.path), "seed": entry.seed} for entry in runs]}
        for arm, runs in zip(content["arms"], found.runs, strict=True)
    ]
    return {**content, "arms": arms, "units": found.units, "notes": list(found.notes)}
