"""Figures and numbers of the closure study: how far students are from their teacher, and how far it is from itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.analysis.curves import read_curves
from cgexp.report.side_by_side_figures import Lines, lines_figure, points_figure
from cgexp.runs.evaluate import teacher_equilibrium
from cgexp.runs.experiment import Experiment
from cgexp.runs.load import Run
from cgexp.runs.stages import forces_of
from cgexp.studies.results import Drawn, Results

STUDENTS = ("student", "student_relative_entropy", "noisy_student", "noisy_student_relative_entropy", "prior")
DISTANCES = ("w1_tica", "w1_rmsd", "w1_end_to_end", "w1_rg", "w1_dihedral", "w1_angle", "w1_bond")
N_FRAMES = 2000  # of the teacher's ensemble, on which forces are compared


def numbers(results: Results) -> dict[str, Sequence[float]]:
    """What the table and expected.yaml need besides the metrics of the runs."""
    found: dict[str, Sequence[float]] = {}
    for arm in STUDENTS:
        for name in DISTANCES:
            resolution = results.values(arm, f"{name}_resolution")
            found[f"{arm}.{name}_over_resolution"] = list(results.values(arm, name) / resolution)
    forces = results.cached("forces", lambda: _force_errors(results))
    for arm in STUDENTS:
        found[f"{arm}.force_rmse"] = list(forces[arm])
        found[f"{arm}.force_rmse_relative"] = list(forces[arm] / forces["teacher"])
    return found


def figures(results: Results) -> Drawn:
    """Name -> figure, or what draws it from the folders of the runs."""
    return {"distances": _distances(results), "free_energies": lambda: _free_energies(results)}


def _distances(results: Results) -> Figure:
    groups: dict[str, dict[str, Sequence[float]]] = {
        name.removeprefix("w1_"): {
            results.arm(arm).label: results.values(arm, name) / results.values(arm, f"{name}_resolution")
            for arm in STUDENTS
        }
        for name in DISTANCES
    }
    figure = points_figure(groups, "W1 to the teacher / resolution", "", ("the teacher's two runs", 1.0))
    figure.axes[0].set_yscale("log")
    return figure


def _free_energies(results: Results) -> Figure:
    """Along IC 1, a panel for each seed: each has its own teacher, and so its own coordinate."""
    curves: dict[str, Lines] = {}
    for i, seed in enumerate(results.seeds):
        of_arm = {arm: read_curves(results.runs(arm)[i].folder.path).free_energy["ic1"] for arm in STUDENTS}
        first = of_arm[STUDENTS[0]]
        shown = {"teacher": (first.reference, first.reference_sem)}
        shown |= {results.arm(arm).label: (curve.model, curve.model_sem) for arm, curve in of_arm.items()}
        curves[str(seed)] = Lines(first.x, f"IC 1 of teacher {seed}", "", shown)
    return lines_figure(curves, "free energy", "kT", "bands: standard error over replicas")


def _force_errors(results: Results) -> Mapping[str, NDArray[np.float64]]:
    """RMS difference of every student's forces from its teacher's on the teacher's ensemble, kcal/mol/Å, [n_runs].

    'teacher': the root mean square of the teacher's forces there.
    """
    errors: dict[str, list[float]] = {arm: [] for arm in (*STUDENTS, "teacher")}
    for i, teacher in enumerate(results.runs("teacher")):
        coords = _ensemble(results.runs("student")[i])
        truth = forces_of(teacher.potential.double(), coords)
        errors["teacher"].append(_rms(truth))
        for arm in STUDENTS:
            found = forces_of(results.runs(arm)[i].potential.to(torch.float64), coords)
            errors[arm].append(_rms(found - truth))
    return {arm: np.array(values) for arm, values in errors.items()}


def _ensemble(student: Run) -> NDArray[np.floating]:
    """Evenly spaced configurations of the teacher's ensemble, [N_FRAMES, n_beads, 3]."""
    experiment = Experiment.of(student.config)
    frames = teacher_equilibrium(experiment.dataset, experiment.teacher_folder).frames
    return frames.coords[np.linspace(0, len(frames) - 1, N_FRAMES).round().astype(np.int64)]


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))
