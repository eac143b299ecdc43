"""Active learning of a teacher: W1 round by round, and what each rule gains over the controls, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.active.rounds import RoundFolder, rounds_of
from cgexp.frames import Frames
from cgexp.models.potential import load_potential
from cgexp.report.active_figures import rounds_figure
from cgexp.runs.active import frames_of
from cgexp.runs.active_figures import peptide_figures, round_curves
from cgexp.runs.evaluate import teacher_equilibrium
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import RunFolder
from cgexp.runs.load import Run
from cgexp.runs.stages import forces_of
from cgexp.studies.gains import gains_figure, paired_gain
from cgexp.studies.results import Results

RULES = ("farthest_point", "nearest_rmsd", "force_disagreement", "tica_density")
CONTROLS = ("random", "plain", "none")
SHOWN = ("farthest_point", "random", "plain", "none")  # in the figures that many lines would fill
AGAINST = ("random", "plain", "farthest_point")  # what gains are over
NAMES = {"w1_tica": "W1", "teacher_force_rmse": "force error"}
GAINS = {"w1_tica": "gain", "teacher_force_rmse": "force_gain"}
N_FRAMES = 2000  # of the teacher's ensemble
Values = NDArray[np.float64]


def numbers(results: Results) -> dict[str, Sequence[float]]:
    """METRICS before and after, the relative reduction of W1, and paired gains over AGAINST with their intervals."""
    found: dict[str, Sequence[float]] = {}
    for metric, values in _metrics(results).items():
        for arm, one in values.items():
            found[f"{arm}.{metric}_before"] = one[:, 0].tolist()
            found[f"{arm}.{metric}"] = one[:, -1].tolist()
            if metric == "w1_tica":
                found[f"{arm}.reduction"] = (1.0 - one[:, -1] / one[:, 0]).tolist()
            for control in AGAINST:
                if arm != control:
                    name = f"{arm}.{GAINS[metric]}_over_{control}"
                    found |= paired_gain(name, values[control][:, -1], one[:, -1])
    return found


def figures(results: Results) -> dict[str, Figure]:
    """Name -> figure."""
    arms = (*RULES, *CONTROLS)
    rounds = {results.arm(arm).label: results.rounds(arm) for arm in arms}
    shown = {results.arm(arm).label: runs for arm in SHOWN if (runs := _runs(results, arm))}
    drawn = {"rounds": rounds_figure(round_curves(rounds, "molecular")), **peptide_figures(shown)}
    for metric, values in _metrics(results).items():
        unit = "TICA units" if metric == "w1_tica" else "kcal/mol/Å"
        drawn[f"gains_{metric}"] = gains_figure(_gains(results, values), f"gain in {NAMES[metric]}", unit)
    return drawn


def _gains(results: Results, values: Mapping[str, Values]) -> dict[str, dict[str, Sequence[float]]]:
    """Paired gains of every rule over every control: control -> label of a rule -> gain of each seed."""
    return {
        f"over {control}": {
            results.arm(arm).label: (values[control][:, -1] - values[arm][:, -1]).tolist() for arm in RULES
        }
        for control in CONTROLS
    }


def _metrics(results: Results) -> dict[str, dict[str, Values]]:
    """Metric -> arm -> values of every seed and round, [n_seeds, n_rounds]; of forces the first and the last round."""
    arms = (*RULES, *CONTROLS)
    found = {"w1_tica": {arm: _by_round(results, arm) for arm in arms}}
    if all(len(results.runs_here(arm)) == len(results.by_arm[arm]) for arm in (*arms, "teacher")):
        found["teacher_force_rmse"] = _force_errors(results, arms)
    return found


def _force_errors(results: Results, arms: Sequence[str]) -> dict[str, Values]:
    """RMS deviation from the teacher's forces, over frames of the teacher's ensemble: arm -> [n_seeds, 2]."""

    def make() -> dict[str, Values]:
        experiment = Experiment.of(results.runs(arms[0])[0].config)
        frames = teacher_equilibrium(experiment.dataset, experiment.teacher_folder).frames
        coords = frames.coords[np.linspace(0, len(frames) - 1, N_FRAMES).round().astype(int)]
        exact = forces_of(results.runs("teacher")[0].potential.double(), coords)
        return {arm: np.array([_errors(run, coords, exact) for run in results.runs(arm)]) for arm in arms}

    return results.cached("teacher_force_rmse", make)


def _errors(run: Run, coords: NDArray[np.float32], exact: Values) -> list[float]:
    """Of the first and of the last round."""
    last = len(rounds_of(run.folder.path)) - 1
    potentials = [load_potential(RunFolder(RoundFolder(run.folder.path, n).path).potential).double() for n in (0, last)]
    return [float(np.sqrt(np.mean((forces_of(one, coords) - exact) ** 2))) for one in potentials]


def _by_round(results: Results, arm: str) -> Values:
    """W1 of every seed and round, [n_seeds, n_rounds + 1]."""
    return np.array([[done.metrics["w1_tica"] for done in rounds] for rounds in results.rounds(arm)])


def _runs(results: Results, arm: str) -> list[tuple[Path, Frames]]:
    """Folder and last data set of every run that is here."""
    return [(run.folder.path, frames_of(run.folder.path)) for run in results.runs_here(arm)]
