"""Figures of a run of active learning: what changed from round to round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cgexp.active.loop import Record
from cgexp.config.compose import Config
from cgexp.runs.folder import RunFolder


def draw_rounds(config: Config, folder: RunFolder, records: list[Record], system: Any) -> dict[str, Path]:
    """Draw and write the figures that ``figures`` asks for; return the PNG of each."""
    return {}
