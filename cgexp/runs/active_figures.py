"""Figures of a run of active learning: what changed from round to round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.active.loop import Record
from cgexp.active.rounds import Round
from cgexp.analysis.free_energy import integrate_force, remove_mean
from cgexp.analysis.intervals import mean_and_interval
from cgexp.analysis.toy import energy_and_force
from cgexp.frames import Frames
from cgexp.models.potential_store import load_potential
from cgexp.report.active_figures import pmf_rounds_figure, rounds_figure
from cgexp.report.active_peptide_figures import before_after_figure, course_figure, tica_maps_figure
from cgexp.report.figures import save
from cgexp.report.table import unit_of
from cgexp.runs.active_peptide_curves import Arms, before_after_curves, course_curve, have_curves, tica_maps_curve
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import RunFolder
from cgexp.systems.toy import ToyPotential

# metric of a round: what it says, whether on a logarithmic axis
SHOWN = {
    "pmf_rmse_integration": ("PMF error", True),
    "w1_x": ("W1 along x", False),
    "w1_tica": ("W1 in the TICA plane", False),
    "mean_force_rmse": ("mean force error", False),
    "coverage_max": ("farthest candidate", False),
    "replicas_failed": ("failed replicas", False),
    "folded_fraction": ("folded fraction", False),
}
N_GRID = 501
N_TICKS = 1000  # initial frames that are drawn
Values = NDArray[np.float64]


def draw_rounds(
    experiment: Experiment, folder: RunFolder, records: Sequence[Record], frames: Frames
) -> dict[str, Path]:
    """Draw and write the figures that ``figures`` asks for; return the PNG of each. frames: the last data set."""
    if experiment.figures == "none":
        return {}
    suffixes, system = ("png",) if experiment.figures == "png" else ("png", "pdf"), experiment.system
    figures = {"rounds": rounds_figure(round_curves({"": [records]}, experiment.dataset.units))}
    if "pmf_rounds" in system.figures:
        figures["pmf_rounds"] = pmf_rounds_figure(
            pmf_curve(ToyPotential.expect(system, "pmf_rounds"), {"": (folder.path, records, frames)})
        )
    elif have_curves(folder.path):
        figures |= peptide_figures({"": [(folder.path, frames)]})
    return {name: save(figure, folder.figures, name, suffixes)[0] for name, figure in figures.items()}


def peptide_figures(arms: Arms) -> dict[str, Figure]:
    """Of runs on a peptide: maps, distributions and the course of the simulations, before and after; none of none."""
    if not arms:
        return {}
    figures = {
        "tica_maps": tica_maps_figure(tica_maps_curve(arms)),
        "before_after": before_after_figure(before_after_curves(arms)),
    }
    course = course_curve(arms)
    return figures | ({"course": course_figure(course)} if course else {})


def round_curves(arms: Mapping[str, Sequence[Sequence[Record]]], units: str) -> list[dict[str, Any]]:
    """What ``rounds_figure`` draws. arms: label -> records of each of its runs, as far as all of them got.

    Of several runs: mean, and its 95 % interval by Student's t over the runs.
    """
    curves = []
    for metric, (name, log) in SHOWN.items():
        values = {label: _values(runs, metric) for label, runs in arms.items()}
        shown = {label: mean_and_interval(found) for label, found in values.items() if found.size}
        if len(shown) == len(arms) and any(value.any() for value, _, _ in shown.values()):
            found = [one[-1]["metrics"].get(f"{metric}_resolution") for runs in arms.values() for one in runs]
            resolution = float(np.mean(found)) if None not in found else None
            unit = unit_of(metric, units)
            curves.append({"name": name, "unit": unit, "log": log, "resolution": resolution, "arms": shown})
    return curves


def pmf_curve(system: ToyPotential, arms: Mapping[str, tuple[Path, Sequence[Record], Frames]]) -> dict[str, Any]:
    """What ``pmf_rounds_figure`` draws. arms: label -> folder and records of a run, and its last data set."""
    x = np.linspace(*system.evaluation_range, N_GRID)
    curve: dict[str, Any] = {
        "x": x,
        "exact": remove_mean(system.pmf(x) / system.temperature),
        "arms": {},
        "n_rounds": 1,
    }
    exact = curve["exact"]
    for label, (folder, records, frames) in arms.items():
        last = len(records) - 1
        rounds = np.zeros(len(frames)) if frames.round is None else frames.round
        coords = frames.coords[:, 0, 0]
        initial = coords[rounds < 0]
        known = (x >= initial.min()) & (x <= initial.max())
        curve["initial_x"] = initial[:N_TICKS]
        curve["n_rounds"] = max(curve["n_rounds"], last)
        curve["arms"][label] = {
            "before": _pmf(folder, 0, x, exact, known, frames.kT),
            "after": _pmf(folder, last, x, exact, known, frames.kT),
            "added_x": coords[rounds >= 0],
            "added_round": rounds[rounds >= 0],
        }
    return curve


def _pmf(folder: Path, number: int, x: Values, exact: Values, known: NDArray[np.bool_], kT: float) -> Values:
    """Energy of a round's model, shifted so that it agrees with the exact one on average where the first frames are."""
    potential = load_potential(RunFolder(Round(folder, number).path).potential)
    energy, force = energy_and_force(potential, x)
    energy = (integrate_force(x, force) if energy is None else energy) / kT
    return energy - energy[known].mean() + exact[known].mean()


def _values(runs: Sequence[Sequence[Record]], metric: str) -> Values:
    """[n_runs, n_rounds], for the rounds that all runs have; empty if one of them lacks the metric."""
    n_rounds = min(len(records) for records in runs)
    table = [[record.get(metric, record["metrics"].get(metric)) for record in records[:n_rounds]] for records in runs]
    return np.zeros((0, 0)) if any(None in row for row in table) else np.array(table, dtype=np.float64)
