"""Figures of a run of active learning: what changed from round to round, and in a peptide's ensemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.active.loop import Record
from cgexp.active.rounds import Round, records_of
from cgexp.analysis.bootstrap import mean_and_interval
from cgexp.analysis.free_energy import integrate_force, remove_mean
from cgexp.analysis.result import NAME, read_curves
from cgexp.analysis.tica import Tica
from cgexp.analysis.toy import energy_and_force
from cgexp.frames import Frames
from cgexp.models.potential import load_potential
from cgexp.report.active_figures import (
    before_after_figure,
    course_figure,
    pmf_rounds_figure,
    rounds_figure,
    tica_maps_figure,
)
from cgexp.report.figures import save
from cgexp.report.table import unit_of
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import RunFolder
from cgexp.simulation.trajectory import Trajectory
from cgexp.store import read_arrays
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


# label -> folder and last data set of each of its runs
Arms = Mapping[str, Sequence[tuple[Path, Frames]]]
COURSE = ("w1", "failed", "energy")
N_INITIAL = 1000  # frames of the initial data that are drawn, and of which the mean energy is taken
N_REPLICAS = 200  # of which the energy is taken


def have_curves(folder: Path) -> bool:
    """Whether first and last round left curves; a round of which no replica survived has none."""
    return all((place.path / f"{NAME}.npz").is_file() for place in _ends(folder))


def _model_map(curve: dict[str, Any]) -> Any:
    """Free energies of the simulation, kT; NaN everywhere if all of it lies outside the map."""
    return curve.get("model", np.full_like(curve["reference"], np.nan))


def tica_maps_curve(arms: Arms) -> dict[str, Any]:
    """What ``tica_maps_figure`` draws, of the first run of each arm."""
    curve: dict[str, Any] = {"arms": {}}
    for label, ((folder, frames), *_) in arms.items():
        before, after = (read_curves(place.path)["tica"] for place in _ends(folder))
        tica = Tica.from_arrays(*read_arrays(_ends(folder)[0].definition("tica")))
        assert frames.round is not None
        initial, added = (np.flatnonzero(chosen) for chosen in (frames.round < 0, frames.round >= 0))
        curve |= {name: before[name] for name in ("edges_ic1", "edges_ic2", "highest", "reference", "reference_name")}
        curve["arms"][label] = {
            "before": _model_map(before),
            "after": _model_map(after),
            "initial": tica.transform(frames.coords[_thinned(initial)]),
            "added": tica.transform(frames.coords[added]) if len(added) else np.zeros((0, 2)),
        }
    return curve


def before_after_curves(arms: Arms) -> dict[str, dict[str, Any]]:
    """What ``before_after_figure`` draws: of each observable, the mean over the runs of an arm, in shared bins."""
    ends = {
        label: [[read_curves(place.path)["distributions"] for place in _ends(folder)] for folder, _ in runs]
        for label, runs in arms.items()
    }
    first = next(iter(ends.values()))[0][0]
    curves: dict[str, dict[str, Any]] = {}
    for name, of_name in first.items():
        curve = {key: of_name[key] for key in ("x", "reference", "label", "unit", "reference_name")}
        curve["before"] = np.mean([run[0][name]["model"] for runs in ends.values() for run in runs], axis=0)
        curve["after"] = {
            label: np.mean([run[1][name]["model"] for run in runs], axis=0) for label, runs in ends.items()
        }
        curves[name] = curve
    return curves


def course_curve(arms: Arms) -> dict[str, Any]:
    """What ``course_figure`` draws: W1, failed replicas and energy in windows of the simulation's time.

    Empty if a simulation was too short to have windows.
    """
    ((_, frames), *_) = next(iter(arms.values()))
    units = frames.unit_system
    curve: dict[str, Any] = {"before": {}, "after": {}, "energy_unit": units.energy, "time_unit": units.time}
    for label, runs in arms.items():
        for end, number in (("before", 0), ("after", -1)):
            found = [_course(_ends(folder)[number], frames) for folder, frames in runs]
            if any(one is None for one in found):
                return {}
            windows = [one for one in found if one is not None]
            curve["time"] = windows[0]["time"]
            curve[end][label] = {name: mean_and_interval(np.array([one[name] for one in windows])) for name in COURSE}
    return curve


def _course(place: RunFolder, frames: Frames) -> dict[str, Values] | None:
    windows = read_curves(place.path)["convergence"]
    if not windows:
        return None
    trajectory = Trajectory.load(place.trajectory)
    failed = np.array([failure["time"] for failure in trajectory.failures])
    return {
        "time": 0.5 * (windows["start"] + windows["stop"]),
        "w1": windows["w1"],
        "failed": np.array([float((failed <= stop).sum()) for stop in windows["stop"]]),
        "energy": _energy(place, trajectory, windows["stop"], frames),
    }


def _energy(place: RunFolder, trajectory: Trajectory, times: Values, frames: Frames) -> Values:
    """Mean energy of the healthy replicas at ``times``, less that of the initial data; NaN if there is no energy."""
    potential = load_potential(place.potential).double()
    if not potential.conservative:
        return np.full(len(times), np.nan)
    assert frames.round is not None

    def mean(coords: NDArray[np.floating]) -> float:
        with torch.no_grad():
            return float(potential.energy(torch.tensor(coords, dtype=torch.float64)).mean())

    level = mean(frames.coords[_thinned(np.flatnonzero(frames.round < 0))])
    healthy = np.flatnonzero(trajectory.alive)[:N_REPLICAS]
    saved = np.searchsorted(trajectory.time, times).clip(max=len(trajectory.time) - 1)
    return np.array([mean(trajectory.coords[i, healthy]) - level for i in saved])


def _ends(folder: Path) -> tuple[RunFolder, RunFolder]:
    """The first and the last round of a run."""
    last = len(records_of(folder)) - 1
    return RunFolder(Round(folder, 0).path), RunFolder(Round(folder, last).path)


def _thinned(chosen: NDArray[np.intp]) -> NDArray[np.intp]:
    return chosen[np.linspace(0, len(chosen) - 1, min(N_INITIAL, len(chosen))).astype(int)]
