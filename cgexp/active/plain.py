"""Plain sampling, the control: what the oracle would give if its own sampling simply went on from the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp.frames import Frames
from cgexp.oracles.oracle import Oracle
from cgexp.oracles.teacher import TeacherOracle
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.trajectory import Trajectory


def plain_candidates(
    oracle: Oracle, simulation: Simulation, frames: Frames, n: int, folder: Path, seed: int, kernel: str = "reference"
) -> NDArray[np.float32]:
    """``n`` configurations [n, n_beads, n_dims] that the oracle is asked for instead of proposals of the model.

    A toy: further Boltzmann samples in the range that the initial frames span. A teacher: where its own dynamics (that
    of ``simulation``) takes n frames of the data; it resumes in ``folder``. An all-atom oracle: frames of the data,
    from which ReleaseOracle runs on by itself. All of them are drawn with ``seed``.
    """
    generator = np.random.default_rng(seed)
    further = oracle.further(frames, n, generator)
    if further is not None:
        return further
    starts = frames.coords[np.sort(generator.choice(len(frames), n, replace=len(frames) < n))]
    if not isinstance(oracle, TeacherOracle):
        return starts.astype(np.float32)
    system = oracle.system
    replace(simulation, n_replicas=n, tempering=None).run(
        oracle.potential, torch.tensor(starts), system.masses, system.units, folder, seed, kernel=kernel
    )
    return Trajectory.load(folder).coords[-1]
