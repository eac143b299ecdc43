"""Reads what W&B wrote into an offline file: records of its own protocol, in blocks as those of LevelDB's logs."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LONGEST_WAIT_S = 120.0  # of a busy machine
BLOCK, FILE_HEADER, HEADER = 32768, 7, 7
WHOLE, FIRST, LAST = 1, 2, 4


@dataclass
class Offline:
    """config, summary: as W&B has them at the end. rows: the history. metrics: name -> (axis, lowest kept?)."""

    run: Any = None
    config: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, tuple[str, bool]] = field(default_factory=dict)
    artifacts: list[Any] = field(default_factory=list)
    exit_code: int | None = None

    def axis(self, name: str) -> list[float]:
        return [row[name] for row in self.rows if name in row]


def read(folder: Path, id: str = "*") -> Offline:
    """The one offline file of a run's folder (with this id in W&B); its end may be written after the run was closed."""
    (path,) = folder.glob(f"wandb/offline-run-*/run-{id}.wandb")
    until = time.monotonic() + LONGEST_WAIT_S
    while (found := _content(path)).exit_code is None and time.monotonic() < until:
        time.sleep(0.02)
    return found


def _content(path: Path) -> Offline:
    found = Offline()
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            found.run = record.run
            found.config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        elif kind == "history":
            found.rows.append(_values(record.history.item))
        elif kind == "summary":
            found.summary |= _values(record.summary.update)
        elif kind == "metric":
            of = record.metric
            found.metrics[of.name or of.glob_name] = (of.step_metric, of.summary.min)
        elif kind == "artifact":
            found.artifacts.append(record.artifact)
        elif kind == "exit":
            found.exit_code = record.exit.exit_code
    return found


def records(path: Path) -> Iterator[Any]:
    """The records of a file, in order."""
    from wandb.proto import wandb_internal_pb2

    content, at, part = path.read_bytes(), FILE_HEADER, b""
    while at + HEADER <= len(content):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + HEADER])
        piece = content[at + HEADER : at + HEADER + length]
        part = piece if kind in (WHOLE, FIRST) else part + piece
        at += HEADER + length
        if kind in (WHOLE, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            yield record


def _values(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
