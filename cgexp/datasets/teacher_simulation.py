"""A teacher's own simulation: batched replicas from given frames, and what they saw as frames, replica by replica."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.models.potential import Potential
from cgexp.progress import Progress
from cgexp.simulation.integrators import Overdamped
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.starts import make_starts
from cgexp.simulation.trajectory import Trajectory
from cgexp.stability import time_step_problem
from cgexp.systems.base import System

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
