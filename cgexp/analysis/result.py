"""Evaluation: what an analysis hands on. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Evaluation:
    """metrics: flat, name -> number, named as in docs/metrics.md, errors as ``<name>_sem``.

    curves: figure name -> the numbers, labels and units that the figure draws; ``notes`` holds remarks for the reader.
    definitions: name -> (arrays, metadata) of coordinates that must be kept to repeat the numbers (TICA), as
    store.write_arrays takes them.
    """

    metrics: dict[str, float]
    curves: dict[str, dict[str, Any]]
    definitions: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
