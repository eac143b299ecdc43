"""The last stage: metrics, mean-force errors, figures. metrics.json, written last, marks the run as finished."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.equilibrium import Equilibrium, other_force_field
from cgexp.analysis.forces import mean_force_metrics
from cgexp.analysis.result import Analysis
from cgexp.cards import load_card
from cgexp.datasets.equilibrium import find_equilibria, load_equilibrium
from cgexp.datasets.packaged import find_packaged, load_packaged
from cgexp.datasets.teacher_data import TeacherData
from cgexp.datasets.teacher_equilibrium import make_equilibrium
from cgexp.errors import InputError, sentence_of
from cgexp.frames import Frames, force_field_of
from cgexp.kernels.evaluator import forces_of
from cgexp.models.potential import Potential, load_potential
from cgexp.report.charts import charts_of
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import RunFolder
from cgexp.runs.lock import lock
from cgexp.runs.needs import used
from cgexp.runs.stages import Context, training_numbers
from cgexp.simulation.trajectory import Trajectory
from cgexp.store import write_arrays, write_json
from cgexp.systems.base import System

log = logging.getLogger(__name__)

AUTO, TEACHER = "auto", "teacher"


def equilibrium_of(experiment: Experiment, frames: Frames) -> Equilibrium | None:
    """The ensemble that the run is compared with; None: the frames of the data set, or an exact answer.

    ``analysis.reference`` names a shipped ensemble, or 'teacher': that of the teacher whose frames the data set holds,
    made once and kept beside the data. 'auto': the teacher's if there is one, else the shipped one of the frames'
    system, temperature and force field (as far as that is known), if any. Raises InputError if the one it names is
    none, or of another system or temperature than ``frames``.
    """
    name, recipe = getattr(experiment.analysis, "reference", None), experiment.dataset
    if isinstance(recipe, TeacherData) and name in (AUTO, TEACHER):
        return teacher_equilibrium(recipe, experiment.teacher_folder)
    if name == TEACHER:
        raise InputError(
            f"analysis.reference={TEACHER} but the data set '{recipe.name}' is not of a teacher: "
            f"use dataset=teacher, or set it to {AUTO} or null"
        )
    if name == AUTO:
        found = find_equilibria(system=frames.system, temperature_K=frames.temperature)
        name = _in_the_same_force_field(found, frames, "analysis.reference")
    if name is None:
        return None
    equilibrium = load_equilibrium(name)
    for fact in ("system", "temperature"):
        of_reference, of_data = getattr(equilibrium.frames, fact), getattr(frames, fact)
        if of_reference != of_data:
            raise InputError(
                f"analysis.reference={name} is of {fact} {of_reference}, but the data set of {of_data}: "
                f"set it to {AUTO} or null"
            )
    return equilibrium


def _in_the_same_force_field(names: Sequence[str], frames: Frames, key: str) -> str | None:
    """The first of these shipped sets that may be in the force field of the frames; those that are not are told."""
    own = force_field_of(frames)
    for name in names:
        other = load_card(name)["force_field"]
        if other in ("", own) or not own:
            return name
        log.warning("not compared with %s, which is in %s, for the data are in %s: name it in %s to do so all the same",
                    name, other, own, key)  # fmt: skip
    return None


def teacher_equilibrium(recipe: TeacherData, folder: Path) -> Equilibrium:
    """The ensemble of a data set's teacher, made in ``folder`` under a lock by the first run that asks for it."""
    with lock(folder, wait=True):
        return make_equilibrium(recipe, folder)


def evaluate(context: Context) -> dict[str, float]:
    """Compare the run with its reference; write figures and report.html, then metrics.json; return the metrics."""
    experiment, folder = context.experiment, context.folder
    simulation, analysis, system = experiment.simulation, experiment.analysis, experiment.system
    trajectory = None if simulation is None else finished_trajectory(folder)
    equilibrium = equilibrium_of(experiment, context.frames)
    result = analysis.evaluate(
        system,
        load_potential(folder.potential),
        context.frames.sample,
        trajectory,
        0.0 if simulation is None else simulation.burn_in,
        **({} if equilibrium is None else {"equilibrium": equilibrium}),  # an analysis with a reference of its own
    )
    metrics = {**training_numbers(folder), **result.metrics}
    potential = load_potential(folder.potential)
    metrics |= evaluate_mean_force(analysis, system, potential, context.frames, experiment.kernel)
    if trajectory is not None:
        metrics["simulation_replica_steps_per_second"] = trajectory.replica_steps_per_second
    metrics["memory_peak_mb"] = used() / 1024.0**2
    for name, (arrays, meta) in result.definitions.items():
        write_arrays(folder.definition(name), arrays, meta)
    try:
        from cgexp.runs.page import draw_figures, write_page  # Matplotlib takes a second to import

        images = draw_figures(context, result, metrics, analysis)
        write_page(context, trajectory, equilibrium, result, metrics, images)
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
    context.tracker.images(images)
    context.tracker.charts(charts_of(result.curves))
    return metrics


def finished_trajectory(folder: RunFolder) -> Trajectory:
    """The trajectory of a run; InputError if its simulation has not finished."""
    trajectory = Trajectory.load(folder.trajectory)
    if not trajectory.finished:
        raise InputError(f"{folder.trajectory} is not finished: run the simulation again, it goes on where it stopped")
    return trajectory


AUTO = "auto"
FORCE_MAP = "mean_force"
FEWEST = 20  # configurations; with fewer there is no metric
DRAWS = 10  # for each of analysis.n_bootstrap, which is meant for metrics that cost more


def mean_force_set(analysis: Analysis, frames: Frames) -> Frames | None:
    """The set that ``analysis.mean_force_set`` names, or None; 'auto': the one that ships for the frames' system.

    Raises InputError if it is of another system or temperature than ``frames``, or holds no mean forces.
    """
    name = getattr(analysis, "mean_force_set", None)
    if name == AUTO:
        ships = find_packaged(frames.system, frames.temperature, FORCE_MAP)
        name = _in_the_same_force_field(ships, frames, "analysis.mean_force_set")
    if name is None:
        return None
    found = load_packaged(name)
    for fact in ("system", "temperature"):
        if getattr(found, fact) != getattr(frames, fact):
            raise InputError(
                f"analysis.mean_force_set={name} is of {fact} {getattr(found, fact)}, but the data set of "
                f"{getattr(frames, fact)}: set it to {AUTO} or null"
            )
    if remark := other_force_field(frames, found):
        log.warning("mean forces of %s: %s", name, remark)
    if found.forces is None or found.force_sem is None:
        raise InputError(
            f"analysis.mean_force_set={name} has no forces with standard errors: expected a set of mean forces; "
            f"set it to {AUTO} or null"
        )
    return found


def unseen(reference: Frames, frames: Frames) -> NDArray[np.bool_]:
    """Which configurations of ``reference`` are none of ``frames``, [n]; compared bit by bit, in float32."""
    seen = set(_keys(frames))
    return np.array([key not in seen for key in _keys(reference)], dtype=np.bool_)


def evaluate_mean_force(
    analysis: Analysis, system: System, potential: Potential, frames: Frames, kernel: str = "auto"
) -> dict[str, float]:
    """Metrics of the potential, of its prior alone and of zero force; none without a set (see ``mean_force_set``).

    frames: of the run. Configurations of the set that are among them are left out, since a training knows their labels;
    where fewer than ``FEWEST`` remain there are no metrics. Either is told (messages.py).
    """
    whole = mean_force_set(analysis, frames)
    if whole is None:
        return {}
    reference = whole.select(unseen(whole, frames))
    n_seen = len(whole) - len(reference)
    if len(reference) < FEWEST:
        log.warning("no mean-force metrics: the data set holds %d of their %d configurations", n_seen, len(whole))
        return {}
    if n_seen:
        log.info("mean-force metrics are of %d configurations: the data set holds the other %d", len(reference), n_seen)
    assert reference.forces is not None
    assert reference.force_sem is not None
    forces = {
        "": forces_of(potential.double(), reference.coords, kernel),
        "prior_only": forces_of(Potential(None, potential.prior), reference.coords, kernel),
        "zero_force": np.zeros_like(reference.forces),
    }
    basins = system.basin_of(reference.coords) if system.basins else np.zeros(0, dtype=np.str_)
    metrics = mean_force_metrics(
        forces,
        reference.forces,
        reference.force_sem,
        basins,
        DRAWS * analysis.n_bootstrap,
        np.random.default_rng(analysis.seed),
    )
    return {**metrics, "mean_force_configurations": float(len(reference))}


def _keys(frames: Frames) -> list[bytes]:
    """A key of each configuration; adding zero makes -0 and 0 the same."""
    return [coords.tobytes() for coords in np.asarray(frames.coords, dtype=np.float32) + np.float32(0.0)]
