"""What moves the ensemble: gains of each setting over CGnet as it stands, seed by seed."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.studies.gains import gains_figure, paired_gain
from cgexp.studies.results import Results

BASE = "base"
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
