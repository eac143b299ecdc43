"""Settings of a multirun."""

from __future__ import annotations

from dataclasses import dataclass

from cgexp.parts.part import Part
from cgexp.parts.ranges import Title


@dataclass(frozen=True)
class Sweep(Part):
    """``name`` groups the runs in W&B; ``objective`` is the metric that a job returns to the sweeper."""

    name: Title | None = None
    objective: str | None = None
