"""Evaluation: what an analysis hands on, and its curves in a run's folder. Nothing heavy is imported here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cgexp.frames import Frames
from cgexp.parts.part import Part
from cgexp.store import read_arrays


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


NAME = "curves"  # of the definition, and so of the file in a run's folder
_SEPARATOR = "/"


def flatten(curves: Mapping[str, Any]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays of nested curves by their path, as ``free_energy/ic1/model``, and all else as metadata by path."""
    arrays: dict[str, NDArray[Any]] = {}
    rest: dict[str, Any] = {}
    for name, value in curves.items():
        if isinstance(value, Mapping):
            below = flatten(value)
            arrays |= {f"{name}{_SEPARATOR}{key}": array for key, array in below[0].items()}
            rest |= {f"{name}{_SEPARATOR}{key}": other for key, other in below[1].items()}
        elif isinstance(value, np.ndarray):
            arrays[name] = value
        else:
            rest[name] = value.item() if isinstance(value, np.generic) else value
    return arrays, rest


def unflatten(arrays: Mapping[str, Any], rest: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of ``flatten``."""
    curves: dict[str, Any] = {}
    for path, value in {**arrays, **rest}.items():
        *above, name = path.split(_SEPARATOR)
        node = curves
        for part in above:
            node = node.setdefault(part, {})
        node[name] = value
    return curves


def read_curves(folder: Path) -> dict[str, Any]:
    """The curves of a finished run of a peptide, as Evaluation.curves: figure name -> what the figure draws.

    Raises InputError if the folder holds none: the run is not evaluated, is of a toy, or of an older version.
    """
    return unflatten(*read_arrays(Path(folder) / f"{NAME}.npz"))
