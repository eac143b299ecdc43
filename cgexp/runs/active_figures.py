"""Figures of a run of active learning: what changed from round to round, and in a peptide's ensemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.active.round import Round
from cgexp.active.rounds import RoundFolder, rounds_of
from cgexp.analysis.bootstrap import mean_and_interval
from cgexp.analysis.curves import NAME, TicaMaps, read_curves
from cgexp.analysis.free_energy import integrate_force, remove_mean
from cgexp.analysis.tica import Tica
from cgexp.analysis.toy import energy_and_force
from cgexp.frames import Frames
from cgexp.models.potential import load_potential
from cgexp.report.active_figures import (
    BeforeAfter,
    Course,
    CourseOfArm,
    PmfArm,
    PmfRounds,
    RoundsOfQuantity,
    TicaArm,
    TicaRounds,
    before_after_figure,
    course_figure,
    pmf_rounds_figure,
    rounds_figure,
    tica_maps_figure,
)
from cgexp.report.figures import SUFFIXES, save
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


def draw_rounds(experiment: Experiment, folder: RunFolder, rounds: Sequence[Round], frames: Frames) -> dict[str, Path]:
    """Draw and write the figures that ``figures`` asks for; return the PNG of each. frames: the last data set."""
    suffixes, system = SUFFIXES[experiment.figures], experiment.system
    if not suffixes:
        return {}
    figures = {"rounds": rounds_figure(round_curves({"": [rounds]}, experiment.dataset.units))}
    if "pmf_rounds" in system.figures:
        figures["pmf_rounds"] = pmf_rounds_figure(
            pmf_curve(ToyPotential.expect(system, "pmf_rounds"), {"": (folder.path, rounds, frames)})
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
    return figures | ({} if course is None else {"course": course_figure(course)})


def round_curves(arms: Mapping[str, Sequence[Sequence[Round]]], units: str) -> list[RoundsOfQuantity]:
    """What ``rounds_figure`` draws. arms: label -> rounds of each of its runs, as far as all of them got.

    Of several runs: mean, and its 95 % interval by Student's t over the runs.
    """
    quantities = []
    for metric, (name, log) in SHOWN.items():
        tables = {label: _values(runs, metric) for label, runs in arms.items()}
        shown = {label: mean_and_interval(values) for label, values in tables.items() if values.size}
        if len(shown) == len(arms) and any(value.any() for value, _, _ in shown.values()):
            reference = _level(arms, f"{metric}_reference")
            # of a quantity that the reference has itself the resolution is a difference, and no level of its axis
            resolution = _level(arms, f"{metric}_resolution") if reference is None else None
            quantities.append(RoundsOfQuantity(name, unit_of(metric, units), log, resolution, shown, reference))
    return quantities


def _level(arms: Mapping[str, Sequence[Sequence[Round]]], metric: str) -> float | None:
    """The mean of a metric over the last rounds of all runs; None where one lacks it."""
    last = [rounds[-1].metrics.get(metric) for runs in arms.values() for rounds in runs]
    told = [value for value in last if value is not None]
    return float(np.mean(told)) if len(told) == len(last) else None


def pmf_curve(system: ToyPotential, arms: Mapping[str, tuple[Path, Sequence[Round], Frames]]) -> PmfRounds:
    """What ``pmf_rounds_figure`` draws. arms: label -> folder and rounds of a run, and its last data set."""
    x = np.linspace(*system.evaluation_range, N_GRID)
    exact, n_rounds = remove_mean(system.pmf(x) / system.temperature), 1
    of_arms: dict[str, PmfArm] = {}
    for label, (folder, rounds, frames) in arms.items():
        last = len(rounds) - 1
        added_in = np.zeros(len(frames), np.int64) if frames.round is None else frames.round.astype(np.int64)
        coords = frames.coords[:, 0, 0].astype(np.float64)
        initial = coords[added_in < 0]
        known = (x >= initial.min()) & (x <= initial.max())
        n_rounds = max(n_rounds, last)
        of_arms[label] = PmfArm(
            before=_pmf(folder, 0, x, exact, known, frames.kT),
            after=_pmf(folder, last, x, exact, known, frames.kT),
            added_x=coords[added_in >= 0],
            added_round=added_in[added_in >= 0],
        )
    # arms share their first frames
    return PmfRounds(x, exact, initial[:N_TICKS], n_rounds, of_arms)


def _pmf(folder: Path, number: int, x: Values, exact: Values, known: NDArray[np.bool_], kT: float) -> Values:
    """Energy of a round's model, shifted so that it agrees with the exact one on average where the first frames are."""
    potential = load_potential(RunFolder(RoundFolder(folder, number).path).potential)
    energy, force = energy_and_force(potential, x)
    energy = (integrate_force(x, force) if energy is None else energy) / kT
    return energy - energy[known].mean() + exact[known].mean()


def _values(runs: Sequence[Sequence[Round]], metric: str) -> Values:
    """[n_runs, n_rounds], for the rounds that all runs have; empty if one of them lacks the metric."""
    n_rounds = min(len(rounds) for rounds in runs)
    table = [[of_round.numbers().get(metric) for of_round in rounds[:n_rounds]] for rounds in runs]
    return np.zeros((0, 0)) if any(None in row for row in table) else np.array(table, dtype=np.float64)


# label -> folder and last data set of each of its runs
Arms = Mapping[str, Sequence[tuple[Path, Frames]]]
N_INITIAL = 1000  # frames of the initial data that are drawn, and of which the mean energy is taken
N_REPLICAS = 200  # of which the energy is taken


def have_curves(folder: Path) -> bool:
    """Whether first and last round left curves; a round of which no replica survived has none."""
    return all((run.path / f"{NAME}.npz").is_file() for run in _ends(folder))


def _model_map(maps: TicaMaps) -> Values:
    """Free energies of the simulation, kT; NaN everywhere if all of it lies outside the map."""
    return np.full_like(maps.reference, np.nan) if maps.model is None else maps.model


def tica_maps_curve(arms: Arms) -> TicaRounds:
    """What ``tica_maps_figure`` draws, of the first run of each arm."""
    of_arms: dict[str, TicaArm] = {}
    for label, ((folder, frames), *_) in arms.items():
        before, after = (read_curves(run.path).tica for run in _ends(folder))
        tica = Tica.from_arrays(*read_arrays(_ends(folder)[0].definition("tica")))
        assert frames.round is not None
        initial, added = (np.flatnonzero(chosen) for chosen in (frames.round < 0, frames.round >= 0))
        of_arms[label] = TicaArm(
            before=_model_map(before),
            after=_model_map(after),
            initial=tica.transform(frames.coords[_thinned(initial)]),
            added=tica.transform(frames.coords[added]) if len(added) else np.zeros((0, 2)),
        )
    reference = before  # all arms are compared with the same
    return TicaRounds(
        reference.edges_ic1,
        reference.edges_ic2,
        reference.reference,
        reference.reference_name,
        reference.highest,
        of_arms,
    )


def before_after_curves(arms: Arms) -> dict[str, BeforeAfter]:
    """What ``before_after_figure`` draws: of each observable, the mean over the runs of an arm, in shared bins."""
    ends = {
        label: [[read_curves(end.path).distributions for end in _ends(folder)] for folder, _ in runs]
        for label, runs in arms.items()
    }
    first = next(iter(ends.values()))[0][0]
    return {
        name: BeforeAfter(
            curve.x,
            curve.label,
            curve.unit,
            curve.reference_name,
            curve.reference,
            before=_mean([run[0][name].model for runs in ends.values() for run in runs]),
            after={label: _mean([run[1][name].model for run in runs]) for label, runs in ends.items()},
        )
        for name, curve in first.items()
    }


def _mean(densities: Sequence[Values | None]) -> Values:
    """Of rounds with a simulation, which all have a density."""
    values: Values = np.mean([density for density in densities if density is not None], axis=0)
    return values


def course_curve(arms: Arms) -> Course | None:
    """What ``course_figure`` draws: W1, failed replicas and energy in windows of the simulation's time.

    None if a simulation was too short to have windows.
    """
    ((_, frames), *_) = next(iter(arms.values()))
    units = frames.unit_system
    before: dict[str, CourseOfArm] = {}
    after: dict[str, CourseOfArm] = {}
    for label, runs in arms.items():
        for number, of_arms in ((0, before), (-1, after)):
            windows = [_windows(_ends(folder)[number], frames) for folder, frames in runs]
            simulated = [of_run for of_run in windows if of_run is not None]
            if len(simulated) < len(windows):
                return None
            of_arms[label] = CourseOfArm(
                w1=mean_and_interval(np.array([of_run.w1 for of_run in simulated])),
                failed=mean_and_interval(np.array([of_run.failed for of_run in simulated])),
                energy=mean_and_interval(np.array([of_run.energy for of_run in simulated])),
            )
            time = simulated[0].time
    return Course(time, units.time, units.energy, before, after)


class _Windows(NamedTuple):
    """Of one simulation in windows of its time, [n_windows]: their middle, and what CourseOfArm has."""

    time: Values
    w1: Values
    failed: Values
    energy: Values


def _windows(run: RunFolder, frames: Frames) -> _Windows | None:
    curve = read_curves(run.path).convergence
    if curve is None:
        return None
    trajectory = Trajectory.load(run.trajectory)
    failed = np.array([failure["time"] for failure in trajectory.failures])
    return _Windows(
        time=0.5 * (curve.start + curve.stop),
        w1=curve.w1,
        failed=np.array([float((failed <= stop).sum()) for stop in curve.stop]),
        energy=_energy(run, trajectory, curve.stop, frames),
    )


def _energy(run: RunFolder, trajectory: Trajectory, times: Values, frames: Frames) -> Values:
    """Mean energy of the healthy replicas at ``times``, less that of the initial data; NaN if there is no energy."""
    potential = load_potential(run.potential).double()
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
    last = len(rounds_of(folder)) - 1
    return RunFolder(RoundFolder(folder, 0).path), RunFolder(RoundFolder(folder, last).path)


def _thinned(chosen: NDArray[np.intp]) -> NDArray[np.intp]:
    return chosen[np.linspace(0, len(chosen) - 1, min(N_INITIAL, len(chosen))).astype(int)]
