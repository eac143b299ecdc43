"""Settings of a multirun."""

from __future__ import annotations

from dataclasses import dataclass

from cgexp.parts.part import Part


@dataclass(frozen=True)
class Sweep(Part):
    """``name`` groups the runs in W&B; ``objective`` is the metric that a job returns to the sweeper."""

    name: str | None = None
    objective: str | None = None
