"""Settings of a multirun."""

from __future__ import annotations

from dataclasses import dataclass, field

from cgexp.parts.part import Part
from cgexp.parts.ranges import Title


@dataclass(frozen=True)
class Sweep(Part):
    """``name`` groups the runs in a tracker; ``objective`` is the metric that a job returns to the sweeper.

    over: keys that are averaged over as the seed is where the runs are compared at its end. metrics: those that are
    compared there; none: the most important ones.
    """

    name: Title | None = None
    objective: str | None = None
    over: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
