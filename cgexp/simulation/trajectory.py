"""Trajectory: what a simulation left in its folder, finished or not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.store import Chunks, read_json

HEADER = "simulation.json"


@dataclass(frozen=True)
class Trajectory:
    """coords: [n_saved, n_replicas, n_beads, n_dims], float32, length unit. time: [n_saved], ps or reduced.

    alive: [n_replicas], bool; a replica that failed stands still from then on. failures: one
    ``{replica, step, time, reason}`` each. settings: of the simulation. replica_steps_per_second: measured.
    """

    coords: NDArray[np.float32]
    time: NDArray[np.float64]
    alive: NDArray[np.bool_]
    failures: list[dict[str, Any]]
    settings: dict[str, Any]
    finished: bool
    replica_steps_per_second: float

    @classmethod
    def load(cls, folder: Path) -> Trajectory:
        """Read the trajectory in ``folder``; InputError if there is none, or nothing was saved in it yet."""
        folder = Path(folder)
        settings = read_json(folder / HEADER)
        chunks = list(Chunks(folder))
        if not chunks:
            raise InputError(f"{folder} holds no frames yet: run the simulation again to go on with it")
        alive, meta = chunks[-1][0]["alive"], chunks[-1][1]
        last = meta["step"]
        wall_s = sum(meta["wall_s"] for _, meta in chunks)
        return cls(
            coords=np.concatenate([arrays["coords"] for arrays, _ in chunks]),
            time=np.concatenate([arrays["step"] for arrays, _ in chunks]) * settings["dt"],
            alive=alive,
            failures=meta["failures"],
            settings=settings,
            finished=last == settings["n_steps"],
            replica_steps_per_second=last * len(alive) / max(wall_s, 1e-9),
        )

    def production(self, burn_in: float) -> NDArray[np.float32]:
        """Frames of the healthy replicas after dropping the first ``burn_in`` (a fraction) of the saved ones.

        Returns [n_frames, n_healthy, n_beads, n_dims].
        """
        return self.coords[int(burn_in * len(self.coords)) :, self.alive]
