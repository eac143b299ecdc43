"""Figures and numbers of the ablations: what is gained or lost against mean forces, which no training saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import mean_and_interval
from cgexp.report.side_by_side_figures import learning_figure, points_figure
from cgexp.runs.load import Run
from cgexp.studies.mean_forces import mean_force_rmse_rest
from cgexp.studies.results import Drawn, Results

METRIC, UNIT = "mean_force_rmse", "kcal/mol/Å"
SET, N_TRAINED_ON = "chignolin_mean_force", 180
LABELS = {
    "instantaneous": "57,600\ninstantaneous",
    "mean_force": "180\nmean forces",
    "mean_force_short": "180, a tenth\nof the steps",
}  # arms whose labels differ
# an arm, and what its error is compared with, seed by seed
PAIRS = (
    *((f"map/{name}", "map/optimal") for name in ("slice", "constraint_group", "residue")),
    *((f"prior_terms/{name}", "prior_terms/all") for name in ("no dihedrals", "no repulsion", "bonds alone", "none")),
    *((f"noise/{sigma} of {n}", f"learning/{n}") for n in ("3000", "57600") for sigma in ("0.005", "0.01", "0.02")),
    *((f"{arm}/30000", f"{arm}/57600") for arm in ("learning", "cgnet_learning")),
)


def numbers(results: Results) -> dict[str, list[float]]:
    """What the table and expected.yaml need besides the metrics of the runs."""
    rest = {arm: [_on_the_rest(run) for run in results.runs(arm)] for arm in LABELS}
    found: dict[str, list[float]] = {f"{arm}.mean_force_rmse_rest": values for arm, values in rest.items()}
    for arm, other in PAIRS:
        found |= _difference(arm, results.values(arm, METRIC) - results.values(other, METRIC))
    return found | _difference("mean_force", np.subtract(rest["mean_force"], rest["instantaneous"]))


def _difference(arm: str, by_seed: NDArray[np.float64]) -> dict[str, list[float]]:
    """By how much the error of an arm is above that of what it is compared with, by seed, and its 95 % interval."""
    _, low, high = mean_and_interval(by_seed)
    assert low is not None
    assert high is not None
    name = f"{arm}.error_above"
    return {name: by_seed.tolist(), f"{name}_low": [float(low)], f"{name}_high": [float(high)]}


def figures(results: Results) -> Drawn:
    """Name -> figure, or what draws it from the folders of the runs."""
    prior = float(results.values("learning/57600", f"{METRIC}_prior_only").mean())
    curves = {label: _learning(results, arm) for label, arm in (("CGSchNet", "learning"), ("CGnet", "cgnet_learning"))}
    hand = "reference", float(results.values("prior_terms/all", "handedness_reference").mean())
    return {
        "learning": learning_figure(curves, "RMSE against mean forces", UNIT, {"prior only": prior}),
        "force_maps": points_figure(_variants(results, "map"), "RMSE against mean forces", UNIT),
        "prior_terms": points_figure(_variants(results, "prior_terms"), "RMSE against mean forces", UNIT),
        "handedness": points_figure(_variants(results, "prior_terms", "handedness"), "handedness", "", hand),
        "noise": points_figure(_noise(results), "RMSE against mean forces", UNIT),
        "labels": lambda: points_figure(_labels(results), "RMSE against other mean forces", UNIT),
    }


def _labels(results: Results) -> dict[str, dict[str, Sequence[float]]]:
    return {name: {"CGSchNet": [_on_the_rest(run) for run in results.runs(arm)]} for arm, name in LABELS.items()}


def _variants(results: Results, arm: str, metric: str = METRIC) -> dict[str, dict[str, Sequence[float]]]:
    return {name: {"CGSchNet": list(results.values(f"{arm}/{name}", metric))} for name in results.variants(arm)}


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
    return mean_force_rmse_rest(run, SET, N_TRAINED_ON)
