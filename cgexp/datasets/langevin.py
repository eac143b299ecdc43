"""Langevin dynamics of many walkers on a surface that is known, cut into blocks: what data sets are made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cgexp.errors import InputError
from cgexp.simulation.integrators import Baoab
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.trajectory import Trajectory


@dataclass(frozen=True)
class Walks:
    """Frames walker by walker: coords [n_frames, n_beads, n_dims], block and time since the start [n_frames]."""

    coords: NDArray[np.float32]
    block: NDArray[np.int64]
    time: NDArray[np.float64]


@dataclass(frozen=True)
class Dynamics:
    """BAOAB dynamics in reduced units. friction: 1/time. dt, save_interval (a multiple of dt), block_length: time."""

    temperature: float
    friction: float
    dt: float
    save_interval: float
    block_length: float

    def walk(
        self,
        surface: nn.Module,
        starts: NDArray[np.floating],
        masses: NDArray[np.floating],
        n: int,
        folder: Path,
        seed: int,
    ) -> Walks:
        """``n`` frames of walkers from ``starts`` [n_walkers, n_beads, n_dims]; goes on with what ``folder`` holds.

        surface: has ``energy_and_forces``. A block is a stretch of one walker of at least ``block_length``. Raises
        InputError if a walker fails.
        """
        n_walkers = len(starts)
        n_saved = -(-n // n_walkers)
        save_every = max(1, round(self.save_interval / self.dt))
        simulation = Simulation(
            integrator=Baoab(self.friction),
            dt=self.dt,
            temperature=self.temperature,
            n_replicas=n_walkers,
            n_steps=n_saved * save_every,
            save_every=save_every,
            chunk_frames=max(1, n_saved // 10),
            precision="float64",
        )
        simulation.run(surface, torch.tensor(starts), masses, "reduced", folder, seed)
        trajectory = Trajectory.load(folder)
        if trajectory.failures:
            raise InputError(f"{len(trajectory.failures)} walkers have failed: lower dataset.dt={self.dt}")
        coords = trajectory.coords.swapaxes(0, 1)  # walker by walker
        block_frames = max(1, int(np.ceil(self.block_length / (save_every * self.dt))))
        n_blocks = max(1, n_saved // block_frames)
        in_walker = np.minimum(np.arange(n_saved) // block_frames, n_blocks - 1)
        block = np.arange(n_walkers)[:, None] * n_blocks + in_walker
        time = np.tile(np.asarray(trajectory.time, dtype=np.float64), n_walkers)
        return Walks(coords.reshape(-1, *coords.shape[2:])[:n], block.ravel()[:n], time[:n])
