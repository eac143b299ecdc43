"""Settings of a multirun."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sweep:
    """``name`` groups the runs in W&B; ``objective`` is the metric that a job returns to the sweeper."""

    name: str | None = None
    objective: str | None = None
