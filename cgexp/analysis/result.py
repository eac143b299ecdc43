"""Evaluation: what an analysis hands on. Nothing heavy is imported here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cgexp.frames import Frames
from cgexp.parts.part import Part


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


class Analysis(Part, ABC):
    """What the config group ``analysis`` makes.

    needs_simulation: whether there is nothing to do without one. n_bootstrap, seed: of the errors.
    """

    needs_simulation = False
    # name of a curve -> the function that draws it, by its dotted name, for figures of a package of one's own
    figures: ClassVar[Mapping[str, str]] = {}
    n_bootstrap: int = 100
    seed: int = 0

    def check(self, frames: Frames) -> None:
        """Raise InputError if ``evaluate`` could not use these frames; asked before anything is computed."""

    @abstractmethod
    def evaluate(self, system: Any, potential: Any, frames: Frames, trajectory: Any, burn_in: float) -> Evaluation:
        """Compare a potential and its simulation (None if there is none) with a reference."""
