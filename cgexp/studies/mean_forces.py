"""A run of a study against the mean forces that were left out of its training."""

from __future__ import annotations

import numpy as np

from cgexp.datasets.packaged import load_packaged
from cgexp.runs.load import Run
from cgexp.runs.stages import forces_of


def mean_force_rmse_rest(run: Run, name: str, n_trained_on: int) -> float:
    """``mean_force_rmse`` on those configurations of a shipped set that a training on ``n_trained_on`` left out.

    name: of the set of mean forces, of which ``dataset.n_frames`` takes evenly spaced ones. The labels' own noise is
    taken off. Returns a number in the set's unit of force.
    """
    frames = load_packaged(name)
    taken = np.linspace(0, len(frames) - 1, n_trained_on).round().astype(np.int64)
    rest = frames.select(np.setdiff1d(np.arange(len(frames)), taken))
    assert rest.forces is not None
    assert rest.force_sem is not None
    error = forces_of(run.potential.double(), rest.coords) - rest.forces
    return float(np.sqrt(np.mean(error**2 - rest.force_sem.astype(np.float64) ** 2)))
