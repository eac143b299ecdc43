"""What moves the ensemble: gains of each setting over CGnet as it stands, seed by seed; and models of one run's frames,
judged by the other run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.analysis.divergences import N_DRAWS, wasserstein_2d
from cgexp.datasets.equilibrium import load_equilibrium
from cgexp.runs.load import Run
from cgexp.studies.gains import gains_figure, paired_gain
from cgexp.studies.results import Results

BASE = "base"
REFERENCE, N_SAMPLES = "chignolin_reference", 1000
RUNS = ("native", "unfolded")  # of the reference, in its order
OF_ONE_RUN = tuple(f"{arm}/{run}" for arm in ("one_run", "refined_one_run") for run in RUNS)
METRICS = {
    "w1_tica": "TICA units", "folding_error": "kT", "w1_dihedral": "rad", "mean_force_rmse": "kcal/mol/Å"
}  # fmt: skip
Values = NDArray[np.float64]


def numbers(results: Results) -> dict[str, list[float]]:
    """Deviation of the free energy of folding from the reference's, kT, and paired gains over the base."""
    found: dict[str, list[float]] = {}
    for arm in results.by_arm:
        found[f"{arm}.folding_error"] = _values(results, arm, "folding_error").tolist()
        for metric in METRICS:
            if arm != BASE:
                gained = _values(results, BASE, metric), _values(results, arm, metric)
                found |= paired_gain(f"{arm}.{metric}_gain", *gained)
    distances = results.cached("runs", lambda: {arm: _to_runs(results.runs(arm)) for arm in OF_ONE_RUN})
    for arm in OF_ONE_RUN:
        own = RUNS.index(arm.partition("/")[2])
        found[f"{arm}.w1_tica_own_run"] = distances[arm][:, own].tolist()
        found[f"{arm}.w1_tica_other_run"] = distances[arm][:, 1 - own].tolist()
    return found


def _to_runs(runs: Sequence[Run]) -> Values:
    """W1 in the plane of the ICs from each model to each run of the reference, [n_seeds, 2], as ``w1_tica``."""
    reference, rng = load_equilibrium(REFERENCE), np.random.default_rng(0)
    assert reference.frames.weights is not None
    planes = [
        (reference.tica.transform(reference.frames.coords[chosen]), reference.frames.weights[chosen])
        for chosen in (reference.run == 0, reference.run == 1)
    ]
    found = np.zeros((len(runs), len(planes)))
    for i, run in enumerate(runs):
        coords = run.trajectory().production(run.config["simulation"]["burn_in"])
        model = reference.tica.transform(coords.reshape(-1, *coords.shape[2:]))
        for j, (plane, weights) in enumerate(planes):
            draws = [wasserstein_2d(plane, model, weights, None, n_samples=N_SAMPLES, rng=rng) for _ in range(N_DRAWS)]
            found[i, j] = np.mean(draws)
    return found


def figures(results: Results) -> dict[str, Figure]:
    """Name -> figure."""
    return {
        metric: gains_figure(_gains(results, metric), f"gain in {metric}", unit) for metric, unit in METRICS.items()
    }


def _gains(results: Results, metric: str) -> dict[str, dict[str, list[float]]]:
    """The base -> what was changed -> gain of each seed."""
    gains: dict[str, list[float]] = {}
    for arm in results.by_arm:
        if arm != BASE:
            variant, label = arm.partition("/")[2], results.arm(arm).label
            gain = _values(results, BASE, metric) - _values(results, arm, metric)
            gains[f"{label}: {variant}" if variant else label] = gain.tolist()
    return {"over CGnet as it stands": gains}


def _values(results: Results, arm: str, metric: str) -> Values:
    """A metric of every seed, [n_seeds]."""
    if metric != "folding_error":
        return results.values(arm, metric)
    return np.abs(results.values(arm, "folded_free_energy") - results.values(arm, "folded_free_energy_reference"))
