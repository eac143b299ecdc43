"""Figures and numbers of the ablations: what is gained or lost against mean forces, which no training saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from cgexp.reference.packaged import load_packaged
from cgexp.report.side_by_side_figures import learning_figure, points_figure
from cgexp.runs.load import Run
from cgexp.runs.results import Results
from cgexp.runs.stages import forces_of

METRIC, UNIT = "mean_force_rmse", "kcal/mol/Å"
SET, N_TRAINED_ON = "chignolin_mean_force", 180
LABELS = {
    "instantaneous": "57,600\ninstantaneous",
    "mean_force": "180\nmean forces",
    "mean_force_short": "180, a tenth\nof the steps",
}  # arms of equal oracle time


def numbers(results: Results) -> dict[str, list[float]]:
    """What the table and expected.yaml need besides the metrics of the runs."""
    return {f"{arm}.mean_force_rmse_rest": [_on_the_rest(run) for run in results.runs(arm)] for arm in LABELS}


def figures(results: Results) -> dict[str, Figure]:
    """Name -> figure."""
    prior = float(results.values("learning/57600", f"{METRIC}_prior_only").mean())
    curves = {label: _learning(results, arm) for label, arm in (("CGSchNet", "learning"), ("CGnet", "cgnet_learning"))}
    labels = {name: {"CGSchNet": [_on_the_rest(run) for run in results.runs(arm)]} for arm, name in LABELS.items()}
    return {
        "learning": learning_figure(curves, "RMSE against mean forces", UNIT, {"prior only": prior}),
        "force_maps": points_figure(_variants(results, "map"), "RMSE against mean forces", UNIT, ("prior only", prior)),
        "prior_terms": points_figure(_variants(results, "prior_terms"), "RMSE against mean forces", UNIT),
        "noise": points_figure(_noise(results), "RMSE against mean forces", UNIT, ("prior only", prior)),
        "labels": points_figure(labels, "RMSE against other mean forces", UNIT, ("prior only", prior)),
    }


def _variants(results: Results, arm: str) -> dict[str, dict[str, Sequence[float]]]:
    return {name: {"CGSchNet": list(results.values(f"{arm}/{name}", METRIC))} for name in results.variants(arm)}


def _noise(results: Results) -> dict[str, dict[str, Sequence[float]]]:
    """Number of frames -> noise -> values of the runs."""
    found: dict[str, dict[str, Sequence[float]]] = {}
    for size in ("3000", "57600"):
        found[f"{size} frames"] = {"no noise": list(results.values(f"learning/{size}", METRIC))}
        for sigma in ("0.005", "0.01", "0.02"):
            values = results.values(f"noise/{sigma} of {size}", METRIC)
            found[f"{size} frames"][f"{sigma} Å"] = list(values)
    return found


def _learning(results: Results, arm: str) -> tuple[np.ndarray, np.ndarray]:
    sizes = list(results.variants(arm))
    return np.array([float(size) for size in sizes]), np.array([results.values(f"{arm}/{s}", METRIC) for s in sizes])


def _on_the_rest(run: Run) -> float:
    """``mean_force_rmse`` on the configurations of the set that the arms of mean forces were not trained on."""
    frames = load_packaged(SET)
    taken = np.linspace(0, len(frames) - 1, N_TRAINED_ON).round().astype(int)
    rest = frames.select(np.setdiff1d(np.arange(len(frames)), taken))
    assert rest.forces is not None
    assert rest.force_sem is not None
    error = forces_of(run.potential.double(), rest.coords) - rest.forces
    return float(np.sqrt(np.mean(error**2 - rest.force_sem.astype(np.float64) ** 2)))
