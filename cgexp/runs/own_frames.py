"""The command that trains on frames of your own: settings that follow from the frames, so that nobody types them."""

from __future__ import annotations

import shlex
from math import floor, log10
from pathlib import Path

import numpy as np

from cgexp.frames import Frames
from cgexp.stability import max_stable_dt
from cgexp.systems.base import System, system_of

LONGEST_DT, N_TYPES, LAG_PS = 0.0075, 20, 4.0  # of the options: simulation.dt, model.n_bead_types, analysis.lag_ps
CLEARLY = 0.8  # of the option's time step, below which another is proposed
LAGS_A_BLOCK = 4  # at least, so that pairs of frames lie in one block


def command_for(frames: Frames, path: Path) -> str:
    """The command line that trains on the frames in the file ``path``, simulates and compares."""
    words = [
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in settings(frames).items()
    ]
    return shlex.join(["cgexp", "run", *words, f"dataset.path={path}"])


def settings(frames: Frames) -> dict[str, str | float]:
    """What differs from the options for such frames: experiment, embedding, time step, lag."""
    system = system_of(frames)
    found: dict[str, str | float] = {"experiment": f"own_{system.analysis}"}
    n_types = int(frames.bead_types.max()) + 1
    if n_types > N_TYPES:
        found["model.n_bead_types"] = n_types
    step = time_step(frames, system)
    if step < CLEARLY * LONGEST_DT:
        found["simulation.dt"] = step
    lag = lag_ps(frames)
    if lag is not None and lag < LAG_PS:
        found["analysis.lag_ps"] = lag
    return found


def time_step(frames: Frames, system: System) -> float:
    """The recommended time step, ps, to one digit: of the stiffest bond, whose variance is kT / k."""
    bonds = system.bonds
    if not len(bonds) or len(frames) < 2:
        return LONGEST_DT
    lengths = np.linalg.norm(frames.coords[:, bonds[:, 0]] - frames.coords[:, bonds[:, 1]], axis=-1)
    stiffness = frames.kT / max(float(lengths.astype(np.float64).var(axis=0).min()), 1e-8)
    lightest = float(system.masses.min())
    longest = max_stable_dt(4.0 * stiffness, lightest, frames.unit_system).recommended
    return min(LONGEST_DT, _one_digit(longest))


def lag_ps(frames: Frames) -> float | None:
    """A lag for the TICA, ps: a multiple of the time between frames, several in a block; None: no times."""
    if frames.time_ps is None or len(frames) < 2:
        return None
    spacing = float(np.median(np.diff(frames.time_ps.astype(np.float64))))
    longest = int(np.unique(frames.block, return_counts=True)[1].max())
    n_steps = min(max(1, longest // LAGS_A_BLOCK), max(1, round(LAG_PS / spacing)))
    return float(f"{n_steps * spacing:.4g}")  # times are in single precision


def _one_digit(value: float) -> float:
    scale = 10.0 ** floor(log10(value))
    return float(f"{floor(value / scale) * scale:.6g}")
