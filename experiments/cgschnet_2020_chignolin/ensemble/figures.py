"""What moves the ensemble: gains of each setting over CGnet as it stands, seed by seed; and models of one run's frames,
judged by the other run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.analysis.divergences import N_DRAWS, wasserstein_2d
from cgexp.datasets.equilibrium import load_equilibrium
from cgexp.runs.load import Run
from cgexp.studies.gains import gains_figure, paired_gain
from cgexp.studies.mean_forces import mean_force_rmse_rest
from cgexp.studies.results import Drawn, Results

BASE = "base"
REFERENCE, N_SAMPLES = "chignolin_reference", 1000
RUNS = ("native", "unfolded")  # of the reference, in its order
OF_ONE_RUN = tuple(f"{arm}/{run}" for arm in ("one_run", "refined_one_run") for run in RUNS)
MEAN_FORCES, N_TRAINED_ON = "chignolin_mean_force", 180  # of chignolin_mixed
MIXED = ("mixed", "refined_mixed")  # judged by the rest of them
ON_THE_REST = (BASE, "relative_entropy", *MIXED, "average", "refined_average")
METRICS = {
    "w1_tica": "TICA units", "folding_error": "kT", "w1_dihedral": "rad", "mean_force_rmse": "kcal/mol/Å"
}  # fmt: skip
Values = NDArray[np.float64]


def numbers(results: Results) -> dict[str, list[float]]:
    """Deviation of the free energy of folding from the reference's, kT, and paired gains over the base.

    A single model has a gain, and no interval.
    """
    found: dict[str, list[float]] = {}
    for arm in results.by_arm:
        found[f"{arm}.folding_error"] = _values(results, arm, "folding_error").tolist()
        for metric in METRICS:
            if arm != BASE:
                gains = paired_gain(f"{arm}.{metric}_gain", *_compared(results, arm, metric))
                found |= {name: values for name, values in gains.items() if np.isfinite(values).all()}
    found |= {f"{arm}.mean_force_rmse_rest": _on_the_rest(results, arm).tolist() for arm in ON_THE_REST}
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


def figures(results: Results) -> Drawn:
    """Name -> figure, or what draws it from the folders of the runs."""
    return {metric: partial(_figure, results, metric) for metric in METRICS}


def _figure(results: Results, metric: str) -> Figure:
    return gains_figure(_gains(results, metric), f"gain in {metric}", METRICS[metric])


def _gains(results: Results, metric: str) -> dict[str, dict[str, list[float]]]:
    """The base -> what was changed -> gain of each seed."""
    gains: dict[str, list[float]] = {}
    for arm in results.by_arm:
        if arm != BASE:
            variant, label = arm.partition("/")[2], results.arm(arm).label
            base, values = _compared(results, arm, metric)
            gains[f"{label}: {variant}" if variant else label] = (base - values).tolist()
    return {"over CGnet as it stands": gains}


def _compared(results: Results, arm: str, metric: str) -> tuple[Values, Values]:
    """The metric of the base and of an arm, seed by seed; for a mean of all seeds' networks that of the base's mean."""
    if arm in MIXED and metric == "mean_force_rmse":
        return _on_the_rest(results, BASE), _on_the_rest(results, arm)
    base, values = _values(results, BASE, metric), _values(results, arm, metric)
    return (base, values) if len(base) == len(values) else (np.full(len(values), base.mean()), values)


def _on_the_rest(results: Results, arm: str) -> Values:
    """``mean_force_rmse`` on the configurations that no training has seen, [n_seeds]."""
    return np.array([mean_force_rmse_rest(run, MEAN_FORCES, N_TRAINED_ON) for run in results.runs(arm)])


def _values(results: Results, arm: str, metric: str) -> Values:
    """A metric of every seed, [n_seeds]."""
    if metric != "folding_error":
        return results.values(arm, metric)
    return np.abs(results.values(arm, "folded_free_energy") - results.values(arm, "folded_free_energy_reference"))
