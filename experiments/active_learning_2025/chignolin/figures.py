"""Active learning on Chignolin with the all-atom oracle: each arm round by round, and what it gains over controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.active.round import Round
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
# an arm and its controls, which are of the same network
CONTROLS = {"": ("none", "random"), "cgschnet_": ("cgschnet_none",)}
MAPS = ("none", "nearest_rmsd", "refitted_farthest_point")
Values = NDArray[np.float64]


def numbers(results: Results) -> dict[str, Sequence[float]]:
    """METRICS of every round, their change, and paired gains over the controls with 95 % intervals.

    folding_error: deviation of the free energy of folding from the reference's, kT; where nothing is folded, or all is,
    infinite, as are differences with it.
    """
    found: dict[str, Sequence[float]] = {}
    for metric in METRICS:
        values = {arm: _by_round(results, arm, metric) for arm in _active(results)}
        for arm, of_arm in values.items():
            found[f"{arm}.{metric}_before"] = of_arm[:, 0].tolist()
            found[f"{arm}.{metric}"] = of_arm[:, -1].tolist()
            for number in range(of_arm.shape[1]):
                found[f"{arm}.{metric}_round_{number}"] = of_arm[:, number].tolist()
            for control in _controls(arm, values):
                name = f"{arm}.{metric}_gain_over_{control.removeprefix('cgschnet_')}"
                found |= paired_gain(name, values[control][:, -1], of_arm[:, -1])
            if metric == "w1_tica":
                found.update(_reduction(f"{arm}.reduction", of_arm, [values[one] for one in _controls(arm, values)]))
    without = _by_round(results, "none", "w1_tica")[:, -1].mean()
    for arm in results.by_arm.keys() - set(_active(results)):
        found[f"{arm}.reduction_over_none"] = [float(1.0 - results.values(arm, "w1_tica").mean() / without)]
    for arm in _active(results):
        found[f"{arm}.coverage_before"] = [rounds[0].coverage_max for rounds in results.rounds(arm)]
    return found


def figures(results: Results) -> dict[str, Figure]:
    """Name -> figure."""
    drawn: dict[str, Figure] = {}
    for prefix, (control, *_) in CONTROLS.items():
        arms = [arm for arm in _active(results) if arm.startswith("cgschnet_") == bool(prefix)]
        if len(arms) > 1:
            of_arm = {results.arm(arm).label: results.rounds(arm) for arm in arms}
            curves = [curve for curve in round_curves(of_arm, "molecular") if curve.name in CURVES]
            drawn[f"{prefix}rounds"] = arms_figure(curves, results.arm(control).label)
    for metric, unit in GAINS.items():
        drawn[f"gains_{metric}"] = gains_figure(_gains(results, metric), f"gain in {metric}", unit)
    shown = {
        f"{results.arm(arm).label}, seed {results.seeds[0]}": [(run.folder.path, frames_of(run.folder.path))]
        for arm in MAPS
        if arm in results.by_arm and (runs := results.runs_here(arm))
        for run in runs[:1]
    }
    return drawn | (peptide_figures(shown) if shown else {})


def _reduction(name: str, of_arm: Values, controls: Sequence[Values]) -> Iterator[tuple[str, list[float]]]:
    """Relative to the first model, as the paper has it, and of the means, relative to no new labels."""
    yield name, (1.0 - of_arm[:, -1] / of_arm[:, 0]).tolist()
    if controls:
        yield f"{name}_over_none", [float(1.0 - of_arm[:, -1].mean() / controls[0][:, -1].mean())]


def _gains(results: Results, metric: str) -> dict[str, dict[str, Sequence[float]]]:
    """Paired gains of every arm over its controls: control -> label of an arm -> gain of each seed."""
    values = {arm: _by_round(results, arm, metric)[:, -1] for arm in _active(results)}
    gains: dict[str, dict[str, Sequence[float]]] = {}
    for arm in values:
        for control in _controls(arm, values):
            group = gains.setdefault(f"over {control.removeprefix('cgschnet_')}", {})
            group[results.arm(arm).label] = (values[control] - values[arm]).tolist()
    return gains


def _controls(arm: str, known: Mapping[str, Values]) -> list[str]:
    """The controls of an arm that are there, with as many seeds."""
    controls = CONTROLS["cgschnet_" if arm.startswith("cgschnet_") else ""]
    return [one for one in controls if one != arm and one in known and len(known[one]) == len(known[arm])]


def _active(results: Results) -> list[str]:
    """The arms of active learning."""
    return [arm for arm in results.by_arm if results.arm(arm).verb == "active"]


def _by_round(results: Results, arm: str, metric: str) -> Values:
    """A metric of every seed and round, [n_seeds, n_rounds + 1]."""
    return np.array([[_metric(done, metric) for done in rounds] for rounds in results.rounds(arm)])


def _metric(done: Round, metric: str) -> float:
    if metric != "folding_error":
        return done.metrics[metric]
    value = done.metrics.get("folded_free_energy", np.inf)
    return float(abs(value - done.metrics["folded_free_energy_reference"]))
