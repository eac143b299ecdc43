"""A run of a study against the mean forces that were left out of its training."""

from __future__ import annotations

import numpy as np

from cgexp.analysis.forces import NAME, mean_force_metrics
from cgexp.datasets.packaged import load_packaged
from cgexp.datasets.recipe import evenly_spaced
from cgexp.runs.load import Run
from cgexp.runs.stages import forces_of


def mean_force_rmse_rest(run: Run, name: str, n_trained_on: int) -> float:
    """``mean_force_rmse`` on those configurations of a shipped set that a training on ``n_trained_on`` left out.

    name: of the set of mean forces, of which ``dataset.n_frames`` takes evenly spaced ones. The labels' own noise is
    taken off. Returns a number in the set's unit of force.
    """
    frames = load_packaged(name)
    rest = frames.select(np.setdiff1d(np.arange(len(frames)), evenly_spaced(n_trained_on, len(frames))))
    assert rest.forces is not None
    assert rest.force_sem is not None
    forces = {"": forces_of(run.potential.double(), rest.coords)}
    basins, n_bootstrap, rng = np.zeros(0, dtype=np.str_), 0, np.random.default_rng(0)
    return mean_force_metrics(forces, rest.forces, rest.force_sem, basins, n_bootstrap, rng)[NAME]
