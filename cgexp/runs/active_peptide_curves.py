"""What active learning changed in a peptide's ensemble: the first model's simulation, and the last one's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp.active.rounds import Round, records_of
from cgexp.analysis.curves import NAME, read_curves
from cgexp.analysis.intervals import mean_and_interval
from cgexp.analysis.tica import Tica
from cgexp.frames import Frames
from cgexp.models.potential_store import load_potential
from cgexp.runs.folder import RunFolder
from cgexp.simulation.trajectory import Trajectory
from cgexp.store import read_arrays

# label -> folder and last data set of each of its runs
Arms = Mapping[str, Sequence[tuple[Path, Frames]]]
COURSE = ("w1", "failed", "energy")
N_INITIAL = 1000  # frames of the initial data that are drawn, and of which the mean energy is taken
N_REPLICAS = 200  # of which the energy is taken
Values = NDArray[np.float64]


def have_curves(folder: Path) -> bool:
    """Whether first and last round left curves; a round of which no replica survived has none."""
    return all((place.path / f"{NAME}.npz").is_file() for place in _ends(folder))


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
            "before": before["model"],
            "after": after["model"],
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
