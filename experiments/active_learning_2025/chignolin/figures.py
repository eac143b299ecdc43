"""Active learning on Chignolin with the all-atom oracle: each arm round by round, and what it gains over controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.report.active_figures import arms_figure
from cgexp.runs.active import frames_of
from cgexp.runs.active_figures import peptide_figures, round_curves
from cgexp.studies.gains import gains_figure, paired_gain
from cgexp.studies.results import Results

METRICS = (
    "w1_tica", "w1_bond", "w1_angle", "w1_dihedral", "w1_end_to_end", "folding_error",
    "mean_force_rmse", "mean_force_rmse_folded", "mean_force_rmse_misfolded", "mean_force_rmse_transition",
    "mean_force_rmse_unfolded",
)  # fmt: skip
CURVES = ("W1 in the TICA plane", "mean force error", "folded fraction")
GAINS = {"w1_tica": "TICA units", "w1_dihedral": "rad", "w1_end_to_end": "Å", "mean_force_rmse": "kcal/mol/Å"}
# family of arms, by how their names begin -> its controls, which have the same network and begin with the same data
CONTROLS = {"": ("none", "random"), "cgschnet_": ("none",), "sparse_": ("none", "random", "plain")}
MAPS = {
    "": {"none": "no labels", "nearest_rmsd": "top k", "refitted_farthest_point": "farthest, refitted"},
    "sparse_": {"sparse_none": "no labels", "sparse_nearest_rmsd": "top k", "sparse_plain": "plain sampling"},
}  # start -> arms of the maps and distributions, and what they are called there
SHOWN_SEED = 3  # of these: the middling one of no new labels, from the native basin
Values = NDArray[np.float64]


def numbers(results: Results) -> dict[str, Sequence[float]]:
    """METRICS of every round, their change, and paired gains over the controls with 95 % intervals.

    folding_error: deviation of the free energy of folding from the reference's, kT; where nothing is folded, or all is,
    infinite, as are differences with it.
    """
    found: dict[str, Sequence[float]] = {}
    for metric in METRICS:
        of_rounds = {arm: _by_round(results, arm, metric) for arm in _active(results)}
        final = {arm: _final(results, arm, metric) for arm in results.by_arm}
        for arm, values in of_rounds.items():
            found[f"{arm}.{metric}_before"] = values[:, 0].tolist()
            found |= {f"{arm}.{metric}_round_{number}": column.tolist() for number, column in enumerate(values.T)}
        for arm, values in final.items():
            found[f"{arm}.{metric}"] = values.tolist()
            for control in _controls(arm, final):
                name = f"{arm}.{metric}_gain_over_{control.removeprefix(_family(arm))}"
                found |= paired_gain(name, final[control][: len(values)], values)
        if metric == "w1_tica":  # relative to the first model, as the paper has it, and of the means to no new labels
            found |= {f"{arm}.reduction": (1.0 - of[:, -1] / of[:, 0]).tolist() for arm, of in of_rounds.items()}
            for arm, values in final.items():
                for control in _controls(arm, final)[:1]:
                    found[f"{arm}.reduction_over_none"] = [
                        float(1.0 - values.mean() / final[control][: len(values)].mean())
                    ]
    for arm in _active(results):
        found[f"{arm}.coverage_before"] = [rounds[0].coverage_max for rounds in results.rounds(arm)]
    return found


def figures(results: Results) -> dict[str, Figure]:
    """Name -> figure."""
    drawn: dict[str, Figure] = {}
    for family, (control, *_) in CONTROLS.items():
        members = [arm for arm in _active(results) if _family(arm) == family]
        if len(members) > 1:
            of_arm = {results.arm(arm).label: results.rounds(arm) for arm in members}
            curves = [curve for curve in round_curves(of_arm, "molecular") if curve.name in CURVES]
            drawn[f"{family}rounds"] = arms_figure(curves, results.arm(f"{family}{control}").label)
    for metric, unit in GAINS.items():
        for prefix, families in {"": ("", "cgschnet_"), "sparse_": ("sparse_",)}.items():
            gains = _gains(results, metric, families)
            if gains:
                drawn[f"{prefix}gains_{metric}"] = gains_figure(gains, f"gain in {metric}", unit)
    for prefix, arms in MAPS.items():
        shown = {
            f"{label}, seed {SHOWN_SEED}": [(run.folder.path, frames_of(run.folder.path))]
            for arm, label in arms.items()
            for run in results.runs_here(arm)
            if run.config["seed"] == SHOWN_SEED
        }
        drawn |= {f"{prefix}{name}": figure for name, figure in (peptide_figures(shown) if shown else {}).items()}
    return drawn


def _gains(results: Results, metric: str, families: Sequence[str]) -> dict[str, dict[str, Sequence[float]]]:
    """Paired gains of every arm of the families over its controls: control -> label of an arm -> gain of each seed."""
    values = {arm: _final(results, arm, metric) for arm in results.by_arm}
    gains: dict[str, dict[str, Sequence[float]]] = {}
    for arm in values:
        for control in _controls(arm, values) if _family(arm) in families else ():
            group = gains.setdefault(f"over {control.removeprefix(_family(arm))}", {})
            group[results.arm(arm).label] = (values[control][: len(values[arm])] - values[arm]).tolist()
    return gains


def _family(arm: str) -> str:
    return next((family for family in CONTROLS if family and arm.startswith(family)), "")


def _controls(arm: str, known: Mapping[str, Values]) -> list[str]:
    """The controls of an arm that are there, with its seeds; they may have further ones."""
    controls = [f"{_family(arm)}{control}" for control in CONTROLS[_family(arm)]]
    return [one for one in controls if one != arm and one in known and len(known[one]) >= len(known[arm])]


def _active(results: Results) -> list[str]:
    """The arms of active learning."""
    return [arm for arm in results.by_arm if results.arm(arm).verb == "active"]


def _by_round(results: Results, arm: str, metric: str) -> Values:
    """A metric of every seed and round, [n_seeds, n_rounds + 1]."""
    return np.array([[_metric(done.metrics, metric) for done in rounds] for rounds in results.rounds(arm)])


def _final(results: Results, arm: str, metric: str) -> Values:
    """A metric of every seed at the end: of the last round, or of the run of an arm that has no rounds, [n_seeds]."""
    if arm in _active(results):
        return _by_round(results, arm, metric)[:, -1]
    return np.array([_metric(run.metrics, metric) for run in results.by_arm[arm]])


def _metric(metrics: Mapping[str, float], metric: str) -> float:
    if metric != "folding_error":
        return metrics[metric]
    value = metrics.get("folded_free_energy", np.inf)
    return float(abs(value - metrics["folded_free_energy_reference"]))
