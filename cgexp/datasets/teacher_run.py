"""What a teacher left behind: its potential, the frames that it was trained on, and simulations of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import is_zipfile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cgexp.build import build
from cgexp.config.recorded import parse_recorded
from cgexp.datasets.recipe import Recipe
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.models.potential import POTENTIAL_FILE, Potential, load_potential
from cgexp.progress import Progress
from cgexp.simulation.integrators import Overdamped
from cgexp.simulation.replicas import make_starts
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.trajectory import Trajectory
from cgexp.stability import time_step_problem
from cgexp.store import read_frames, read_record, read_sealed_text
from cgexp.systems.base import System

BATCH = 1000  # configurations at once


def potential_file(path: str, group: str) -> Path:
    """The file of the potential that ``<group>.path`` names: a run's folder, or a file. InputError if there is none."""
    file = Path(path) / POTENTIAL_FILE if Path(path).is_dir() else Path(path)
    if not file.is_file() or not is_zipfile(file):
        raise InputError(
            f"{group}.path={path} holds no potential: give a finished run's folder or its {POTENTIAL_FILE}"
        )
    return file


def potential_hash(path: str, group: str) -> str:
    """SHA-256 of that file, by which data made with the potential are told apart."""
    return hashlib.sha256(potential_file(path, group).read_bytes()).hexdigest()


def load_teacher(path: str, system: System, temperature: float, group: str) -> Potential:
    """The potential that ``<group>.path`` names, in the precision it was saved in.

    Raises InputError if there is none, or it is one of another number of beads or dimensions, or temperature.
    """
    potential = load_potential(potential_file(path, group))
    for part in (potential.network, potential.prior):
        for fact in ("n_beads", "n_dims"):
            found, expected = getattr(part, fact, None), getattr(system, fact)
            if found is not None and found != expected:
                raise InputError(
                    f"{group}.path={path} holds a potential with {fact}={found} but system '{system.name}' has "
                    f"{expected}: give a potential of this system"
                )
    of = getattr(potential.prior, "temperature", temperature)
    if of != temperature:
        raise InputError(
            f"{group}.temperature={temperature} but the potential in {group}.path={path} is of {of}: "
            f"set {group}.temperature={of}"
        )
    return potential


def teacher_forces(potential: Potential, coords: NDArray[np.floating]) -> NDArray[np.float64]:
    """Forces at coords [n, n_beads, n_dims] in float64, a batch at a time; not finite where the potential's are not."""
    batches = torch.tensor(coords, dtype=torch.float64).split(BATCH)
    return torch.cat([potential.forces(batch) for batch in batches]).numpy()


def training_frames(folder: Path, config: Mapping[str, Any], data: Mapping[str, Any]) -> Frames:
    """The frames that the run in ``folder`` was trained on: a file below the outputs folder, or its recipe again.

    config: of the run. data: what its provenance says of its data, ``path`` and ``content_hash``. Raises InputError if
    they have changed since.
    """
    if data["path"] is None:
        with TemporaryDirectory() as scratch:
            frames: Frames = build(config["dataset"], Recipe).make(Path(scratch))
    else:
        file = data_file(folder, data["path"])
        if not file.is_file():
            raise InputError(
                f"the data of {folder} are not at {file}: move them there with the run, or `cgexp data run={folder}` "
                "makes them again"
            )
        frames = read_frames(file)
    if frames.content_hash != data["content_hash"]:
        raise InputError(f"the data set of {folder} has changed since the run: make the data again")
    return frames


def data_file(folder: Path, path: str) -> Path:
    """The frames that a run's provenance names, by their path below the outputs folder. InputError if it leads out."""
    outputs = folder.resolve().parents[1]
    if not Path(os.path.normpath(outputs / path)).is_relative_to(outputs):
        raise InputError(f"the provenance of {folder} names data outside {outputs}: delete it and run again")
    return outputs / path


def starting_frames(path: str, starts: str | None) -> Frames:
    """Frames to start a teacher's simulations from: those in the file ``starts``, or those it was trained on.

    path: folder of the teacher's run. Raises InputError if there are neither.
    """
    if starts is not None:
        return read_frames(Path(starts))
    folder = Path(path)
    if not (folder / "config.yaml").is_file() or not (folder / "provenance.json").is_file():
        raise InputError(
            f"dataset.path={path} is no finished run's folder, so that there are no frames to start from: "
            "set dataset.starts=<file written by cgexp.store.write_frames>"
        )
    config = parse_recorded(read_sealed_text(folder / "config.yaml"), folder / "config.yaml")
    return training_frames(folder, config, read_record(folder / "provenance.json", "data")["data"])


KERNEL = "auto"  # the fastest here; data sets are kept, and another kernel would sample the same ensemble


def simulate_teacher(
    potential: nn.Module, system: System, simulation: Simulation, starts: Frames, folder: Path, seed: int, label: str
) -> Trajectory:
    """Simulate into ``folder``, or go on with what is there.

    starts: frames that replicas start from, as ``simulation.starts`` says. label: for the progress on the screen.
    Raises InputError if all replicas fail.
    """
    first = make_starts(simulation.starts, starts, system, simulation.n_walkers, seed)
    simulation.run(potential, first, system.masses, system.units, folder, seed, Progress(f"{label}: step"), KERNEL)
    return Trajectory.load(folder)


def production_frames(
    trajectory: Trajectory, burn_in: float, system: System, temperature: float, source: str, force_map: str
) -> Frames:
    """What the healthy replicas saw after ``burn_in`` (a fraction of the saved frames): frames without forces.

    Replica after replica, each a block of its own, with the time since its start where it is one walker in time.
    """
    coords = trajectory.production(burn_in)
    n_saved, n_replicas = coords.shape[:2]
    time: NDArray[np.float64] = trajectory.time[len(trajectory.time) - n_saved :]
    return Frames(
        coords=np.moveaxis(coords, 1, 0).reshape(-1, *coords.shape[2:]),
        bead_types=system.bead_types,
        block=np.repeat(np.arange(n_replicas), n_saved),
        time_ps=np.tile(time, n_replicas).astype(np.float32) if trajectory.continuous else None,
        units=system.units,
        temperature=temperature,
        system=system.name,
        source=source,
        force_map=force_map,
    )


def check_time_step(potential: Potential, system: System, simulation: Simulation) -> None:
    """Raise InputError if the prior's stiffest term forbids the time step of ``dataset.simulation``."""
    stiffness = getattr(potential.prior, "stiffness", lambda: None)()
    if stiffness is None:
        return
    dynamics = simulation.integrator
    friction = dynamics.friction if isinstance(dynamics, Overdamped) else None
    mass = float(system.masses.min())
    problem = time_step_problem(simulation.dt, stiffness, mass, system.units, system.n_beads, friction)
    if problem:
        raise InputError(f"dataset.simulation.dt={simulation.dt} {problem}")
