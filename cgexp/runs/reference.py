"""The equilibrium ensemble that a run's analysis compares with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cgexp.analysis.equilibrium import Equilibrium
from cgexp.config.compose import Config
from cgexp.config.identity import teacher_id
from cgexp.datasets.equilibrium import find_equilibria, load_equilibrium
from cgexp.datasets.teacher_data import TeacherData
from cgexp.datasets.teacher_equilibrium import make_equilibrium
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.runs.experiment import Experiment
from cgexp.runs.lock import lock

AUTO, TEACHER = "auto", "teacher"


def equilibrium_of(experiment: Experiment, frames: Frames) -> dict[str, Any]:
    """What ``analysis.evaluate`` takes beside the run: ``equilibrium``, or nothing for the frames of the data set.

    ``analysis.reference`` names a shipped ensemble, or 'teacher': that of the teacher whose frames the data set holds,
    made once and kept beside the data. 'auto': the teacher's if there is one, else the shipped one of the frames'
    system and temperature, if any. Raises InputError if the one it names is none, or of another system or temperature
    than ``frames``.
    """
    name, recipe = getattr(experiment.analysis, "reference", None), experiment.dataset
    if isinstance(recipe, TeacherData) and name in (AUTO, TEACHER):
        return {"equilibrium": teacher_equilibrium(recipe, experiment.config)}
    if name == TEACHER:
        raise InputError(
            f"analysis.reference={TEACHER} but the data set '{recipe.name}' is not of a teacher: "
            f"use dataset=teacher, or set it to {AUTO} or null"
        )
    if name == AUTO:
        found = find_equilibria(system=frames.system, temperature_K=frames.temperature)
        name = found[0] if found else None
    if name is None:
        return {}
    equilibrium = load_equilibrium(name)
    for fact in ("system", "temperature"):
        of_reference, of_data = getattr(equilibrium.frames, fact), getattr(frames, fact)
        if of_reference != of_data:
            raise InputError(
                f"analysis.reference={name} is of {fact} {of_reference}, but the data set of {of_data}: "
                f"set it to {AUTO} or null"
            )
    return {"equilibrium": equilibrium}


def teacher_equilibrium(recipe: TeacherData, config: Config) -> Equilibrium:
    """The ensemble of a data set's teacher, made under a lock by the first run that asks for it."""
    folder = Path(config["outputs"]) / "data" / f"{recipe.name}-ensemble-{teacher_id(config)}"
    with lock(folder, wait=True):
        return make_equilibrium(recipe, folder)
