"""A run's potential against the mean-force set that its analysis names."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.mean_force import mean_force_metrics
from cgexp.datasets.packaged import find_packaged, load_packaged
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.models.potential import Potential
from cgexp.runs.stages import forces_of
from cgexp.systems.base import System

log = logging.getLogger(__name__)
AUTO = "auto"
FORCE_MAP = "mean_force"
FEWEST = 20  # configurations; with fewer there is no metric
DRAWS = 10  # for each of analysis.n_bootstrap, which is meant for metrics that cost more


def mean_force_set(analysis: Any, frames: Frames) -> Frames | None:
    """The set that ``analysis.mean_force_set`` names, or None; 'auto': the one that ships for the frames' system.

    Raises InputError if it is of another system or temperature than ``frames``, or holds no mean forces.
    """
    name = getattr(analysis, "mean_force_set", None)
    if name == AUTO:
        name = next(iter(find_packaged(frames.system, frames.temperature, FORCE_MAP)), None)
    if name is None:
        return None
    found = load_packaged(name)
    for fact in ("system", "temperature"):
        if getattr(found, fact) != getattr(frames, fact):
            raise InputError(
                f"analysis.mean_force_set={name} is of {fact} {getattr(found, fact)}, but the data set of "
                f"{getattr(frames, fact)}: set it to {AUTO} or null"
            )
    if found.forces is None or found.force_sem is None:
        raise InputError(
            f"analysis.mean_force_set={name} has no forces with standard errors: expected a set of mean forces; "
            f"set it to {AUTO} or null"
        )
    return found


def unseen(reference: Frames, frames: Frames) -> NDArray[np.bool_]:
    """Which configurations of ``reference`` are none of ``frames``, [n]; compared bit by bit, in float32."""
    seen = set(_keys(frames))
    return np.array([key not in seen for key in _keys(reference)], dtype=np.bool_)


def evaluate_mean_force(analysis: Any, system: System, potential: Potential, frames: Frames) -> dict[str, float]:
    """Metrics of the potential, of its prior alone and of zero force; none without a set (see ``mean_force_set``).

    frames: of the run. Configurations of the set that are among them are left out, since a training knows their labels;
    where fewer than ``FEWEST`` remain there are no metrics. Either is told (messages.py).
    """
    whole = mean_force_set(analysis, frames)
    if whole is None:
        return {}
    reference = whole.select(unseen(whole, frames))
    n_seen = len(whole) - len(reference)
    if len(reference) < FEWEST:
        log.warning("no mean-force metrics: the data set holds %d of their %d configurations", n_seen, len(whole))
        return {}
    if n_seen:
        log.info("mean-force metrics are of %d configurations: the data set holds the other %d", len(reference), n_seen)
    assert reference.forces is not None
    assert reference.force_sem is not None
    forces = {
        "": forces_of(potential.double(), reference.coords),
        "prior_only": forces_of(Potential(None, potential.prior), reference.coords),
        "zero_force": np.zeros_like(reference.forces),
    }
    basins = system.basin_of(reference.coords) if system.basins else np.zeros(0, dtype=np.str_)
    metrics = mean_force_metrics(
        forces,
        reference.forces,
        reference.force_sem,
        basins,
        DRAWS * analysis.n_bootstrap,
        np.random.default_rng(analysis.seed),
    )
    return {**metrics, "mean_force_configurations": float(len(reference))}


def _keys(frames: Frames) -> list[bytes]:
    """A key of each configuration; adding zero makes -0 and 0 the same."""
    return [coords.tobytes() for coords in np.asarray(frames.coords, dtype=np.float32) + np.float32(0.0)]
