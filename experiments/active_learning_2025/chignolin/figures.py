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
        of_arm = results.rounds(arm)
        for metric in METRICS:
            found[f"{arm}.{metric}_before"] = [one[0]["metrics"][metric] for one in of_arm]
            for number in range(min(len(one) for one in of_arm)):
                found[f"{arm}.{metric}_round_{number}"] = [rounds[number].metrics[metric] for rounds in of_arm]
        found[f"{arm}.coverage_before"] = [rounds[0].coverage_max for rounds in of_arm]
    return found


def figures(results: Results) -> dict[str, Figure]:
    """Name -> figure."""
    of_arm = {results.arm(arm).label: results.rounds(arm) for arm in results.by_arm}
    arms = {
        results.arm(arm).label: [(run.folder.path, frames_of(run.folder.path)) for run in runs]
        for arm in results.by_arm
        if (runs := results.runs_here(arm))
    }
    return {"rounds": rounds_figure(round_curves(of_arm, "molecular")), **peptide_figures(arms)}
