"""The last stage: metrics and figures of a run, of which metrics.json is written last."""

from __future__ import annotations

import os
import resource
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cgexp.errors import InputError, sentence_of
from cgexp.models.potential_store import load_potential
from cgexp.priors.prior import Prior
from cgexp.report.figures import draw, save
from cgexp.runs.folder import RunFolder
from cgexp.runs.mean_force import evaluate_mean_force
from cgexp.runs.page import write_page
from cgexp.runs.reference import equilibrium_of
from cgexp.runs.stages import Context, frames_of_prior, training_numbers
from cgexp.simulation.trajectory import Trajectory
from cgexp.store import write_arrays, write_json


def evaluate(context: Context) -> dict[str, float]:
    """Compare the run with its reference; write figures and report.html, then metrics.json; return the metrics."""
    experiment, folder = context.experiment, context.folder
    simulation, analysis, system = experiment.simulation, experiment.analysis, experiment.system
    trajectory = None if simulation is None else finished_trajectory(folder)
    equilibrium = equilibrium_of(experiment, context.frames)
    result = analysis.evaluate(
        system,
        load_potential(folder.potential),
        context.frames,
        trajectory,
        0.0 if simulation is None else simulation.burn_in,
        **equilibrium,
    )
    metrics = {**training_numbers(folder), **result.metrics}
    metrics |= evaluate_mean_force(analysis, system, load_potential(folder.potential), context.frames)
    if trajectory is not None:
        metrics["simulation_replica_steps_per_second"] = trajectory.replica_steps_per_second
    metrics["memory_peak_mb"] = peak_memory_mb()
    for name, (arrays, meta) in result.definitions.items():
        write_arrays(folder.definition(name), arrays, meta)
    try:
        images = _figures(context, result.curves, metrics, analysis.figures)
        write_page(context, trajectory, equilibrium, result.curves.get("notes", {}), metrics, images)
    except InputError:
        raise
    except Exception as error:  # nobody shall lose a run's numbers to its figures
        if os.environ.get("CGEXP_TRACEBACK"):
            raise
        images = {}
        warnings.warn(
            f"figures and report could not be made ({sentence_of(error)}); the metrics are complete, and "
            f"`cgexp evaluate run={folder.path} force=true` tries again",
            stacklevel=2,
        )
    write_json(folder.metrics, {name: float(value) for name, value in metrics.items()})
    context.tracker.summarise(metrics)
    context.tracker.images(images)
    return metrics


def finished_trajectory(folder: RunFolder) -> Trajectory:
    """The trajectory of a run; InputError if its simulation has not finished."""
    trajectory = Trajectory.load(folder.trajectory)
    if not trajectory.finished:
        raise InputError(f"{folder.trajectory} is not finished: run the simulation again, it goes on where it stopped")
    return trajectory


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024.0**2 if sys.platform == "darwin" else 1024.0)


def _figures(
    context: Context, curves: dict[str, Any], metrics: dict[str, float], own: Mapping[str, str]
) -> dict[str, Path]:
    """Draw and write the figures that ``figures`` asks for; return the PNG of each."""
    wanted, folder = context.experiment.figures, context.folder
    if wanted == "none":
        return {}
    curves = {**curves, "training": _history(context, metrics)}
    curves["prior_fit"] = Prior.load(folder.prior).fit_quality(frames_of_prior(context))
    suffixes = ("png",) if wanted == "png" else ("png", "pdf")
    return {name: save(figure, folder.figures, name, suffixes)[0] for name, figure in draw(curves, own).items()}


def _history(context: Context, metrics: dict[str, float]) -> dict[str, Any]:
    table = context.folder.read_history()
    validation = table["loss_validation"]
    levels = {name: metrics.get(f"loss_{name}") for name in ("zero_force", "prior_only", "noise_floor")}
    return {
        "epoch": table["epoch"],
        "train": table["loss_train_running"],
        "validation": None if np.isnan(validation).all() else validation,
        "unit": f"({context.frames.unit_system.force})²",
        **levels,
    }
