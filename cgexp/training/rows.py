"""The rows of a training's history, an epoch each: as CSV, and with their throughput."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from cgexp.store import write_bytes

COLUMNS = ("epoch", "step", "lr", "objective", "loss_train_running", "loss_validation", "gradient_norm", "seconds")


def write_rows(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write all rows as CSV, atomically."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)])))
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(path, text.getvalue().encode())


def with_throughput(rows: Sequence[Mapping[str, float]], batch_size: int) -> list[dict[str, float]]:
    """Rows of a history, each with the ``frames_per_second`` that its own epoch trained on. batch_size: in frames."""
    found, before = [], {"step": 0.0, "seconds": 0.0}
    for row in rows:
        frames, seconds = (row["step"] - before["step"]) * batch_size, row["seconds"] - before["seconds"]
        found.append({**row, "frames_per_second": frames / seconds} if seconds > 0.0 else dict(row))
        before = {name: row[name] for name in before}
    return found
