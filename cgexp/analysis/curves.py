"""Curves of an evaluation in a run's folder, so that an experiment can draw its figures from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.store import read_arrays

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
