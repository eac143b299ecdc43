"""What the simulations say about leaks and free energies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.free_energy import histogram_pmf
from cgexp.runs.load import Run
from cgexp.studies.results import Results
from cgexp.systems.cgnet_toy import CGnetToy

from .curves import PLOTTED, Values

EDGES = np.linspace(*PLOTTED, 65)  # length, bins of the histograms


class Simulated(NamedTuple):
    """Of the simulations of an arm. time [n_saved], time unit; inside [n_runs, n_saved]: share of replicas not yet
    leaked; pmf [n_runs, n_bins], kT, NaN in bins never visited; replica_time: of one run, all replicas together."""

    time: Values
    inside: Values
    pmf: Values
    replica_time: float


def simulated(results: Results, arms: tuple[str, ...]) -> dict[str, Simulated]:
    """Arm -> what its simulations gave; computed once."""

    def make() -> dict[str, Values]:
        kept: dict[str, Values] = {}
        for name in arms:
            parts = [_of_run(run) for run in results.runs(name)]
            kept[f"{name}:time"] = parts[0][0]
            kept[f"{name}:inside"] = np.array([part[1] for part in parts])
            kept[f"{name}:pmf"] = np.array([part[2] for part in parts])
            kept[f"{name}:replica_time"] = np.array(parts[0][3])
        return kept

    kept = results.cached("simulated", make)
    return {
        name: Simulated(
            kept[f"{name}:time"], kept[f"{name}:inside"], kept[f"{name}:pmf"], float(kept[f"{name}:replica_time"])
        )
        for name in arms
    }


def still_inside(x: NDArray[np.floating], bounds: tuple[float, float] = PLOTTED) -> Values:
    """Share of replicas never seen outside ``bounds`` until each frame: x [n_frames, n_replicas] -> [n_frames].

    A replica whose coordinate is not finite any more has left.
    """
    inside = (x >= bounds[0]) & (x <= bounds[1])
    return np.asarray(np.logical_and.accumulate(inside, axis=0).mean(axis=1))


def free_energy(x: NDArray[np.floating], edges: Values = EDGES) -> Values:
    """-ln of the probability density in bins, relative to the probability of the evaluation range; NaN if empty."""
    samples = x[np.isfinite(x)]
    low, high = CGnetToy.evaluation_range
    counts, _ = np.histogram(samples, edges)
    share = np.mean((samples >= low) & (samples <= high)) / np.mean((samples >= edges[0]) & (samples <= edges[-1]))
    return np.where(counts > 0, histogram_pmf(samples, edges) + np.log(share), np.nan)


def _of_run(run: Run) -> tuple[Values, Values, Values, float]:
    trajectory = run.trajectory()
    x = trajectory.coords[..., 0, 0]
    burn_in = int(run.config["simulation"]["burn_in"] * len(x))
    time = np.asarray(trajectory.time, dtype=np.float64)
    return time, still_inside(x), free_energy(x[burn_in:]), float(time[-1] * x.shape[1])
