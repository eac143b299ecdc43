"""Active learning of a teacher: W1 round by round, and what each rule gains over the controls, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.analysis.intervals import mean_and_interval
from cgexp.frames import Frames
from cgexp.report.active_figures import rounds_figure
from cgexp.report.side_by_side_figures import points_figure
from cgexp.runs.active import frames_of
from cgexp.runs.active_figures import peptide_figures, round_curves
from cgexp.runs.results import Results

RULES = ("farthest_point", "nearest_rmsd", "force_disagreement", "tica_density")
CONTROLS = ("random", "plain", "none")
SHOWN = ("farthest_point", "random", "plain", "none")  # in the figures that many lines would fill
AGAINST = ("random", "plain", "farthest_point")  # what gains are over
METRIC = "w1_tica"
Values = NDArray[np.float64]


def numbers(results: Results) -> dict[str, Sequence[float]]:
    """W1 before and after, its relative reduction, and the paired gain over AGAINST with its interval."""
    w1 = {arm: _by_round(results, arm) for arm in (*RULES, *CONTROLS)}
    found: dict[str, Sequence[float]] = {}
    for arm, values in w1.items():
        found[f"{arm}.{METRIC}_before"] = values[:, 0].tolist()
        found[f"{arm}.reduction"] = (1.0 - values[:, -1] / values[:, 0]).tolist()
        for control in AGAINST:
            if arm != control:
                gain = w1[control][:, -1] - values[:, -1]
                _, low, high = mean_and_interval(gain)
                found[f"{arm}.gain_over_{control}"] = gain.tolist()
                found[f"{arm}.gain_over_{control}_low"] = [-np.inf if low is None else float(low)]
                found[f"{arm}.gain_over_{control}_high"] = [np.inf if high is None else float(high)]
    return found


def figures(results: Results) -> dict[str, Figure]:
    """Name -> figure."""
    arms = (*RULES, *CONTROLS)
    records = {results.arm(arm).label: results.records(arm) for arm in arms}
    shown = {results.arm(arm).label: runs for arm in SHOWN if (runs := _runs(results, arm))}
    gains: dict[str, dict[str, Sequence[float]]] = {
        f"over {control}": {
            results.arm(arm).label: (_by_round(results, control)[:, -1] - _by_round(results, arm)[:, -1]).tolist()
            for arm in RULES
        }
        for control in CONTROLS
    }
    return {
        "rounds": rounds_figure(round_curves(records, "molecular")),
        "gains": points_figure(gains, "W1 of the control less the rule's", "TICA units"),
        **peptide_figures(shown),
    }


def _by_round(results: Results, arm: str) -> Values:
    """W1 of every seed and round, [n_seeds, n_rounds + 1]."""
    return np.array([[record["metrics"][METRIC] for record in one] for one in results.records(arm)])


def _runs(results: Results, arm: str) -> list[tuple[Path, Frames]]:
    """Folder and last data set of every run that is here."""
    return [(run.folder.path, frames_of(run.folder.path)) for run in results.runs_here(arm)]
