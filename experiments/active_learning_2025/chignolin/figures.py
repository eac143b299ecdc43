"""Active learning on Chignolin with the all-atom oracle: every metric round by round."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from cgexp.report.active_figures import rounds_figure
from cgexp.runs.active import frames_of
from cgexp.runs.active_figures import peptide_figures, round_curves
from cgexp.studies.results import Results

METRICS = ("w1_tica", "w1_dihedral", "w1_end_to_end", "w1_bond", "w1_angle", "mean_force_rmse")


def numbers(results: Results) -> dict[str, Sequence[float]]:
    """Metrics of the first model, and of every round."""
    found: dict[str, Sequence[float]] = {}
    for arm in results.by_arm:
        records = results.records(arm)
        for metric in METRICS:
            found[f"{arm}.{metric}_before"] = [one[0]["metrics"][metric] for one in records]
            for number in range(min(len(one) for one in records)):
                found[f"{arm}.{metric}_round_{number}"] = [one[number]["metrics"][metric] for one in records]
        found[f"{arm}.coverage_before"] = [one[0]["coverage_max"] for one in records]
    return found


def figures(results: Results) -> dict[str, Figure]:
    """Name -> figure."""
    records = {results.arm(arm).label: results.records(arm) for arm in results.by_arm}
    arms = {
        results.arm(arm).label: [(run.folder.path, frames_of(run.folder.path)) for run in runs]
        for arm in results.by_arm
        if (runs := results.runs_here(arm))
    }
    return {"rounds": rounds_figure(round_curves(records, "molecular")), **peptide_figures(arms)}
