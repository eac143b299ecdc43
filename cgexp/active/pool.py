"""The pool of candidates: what the replicas of a simulation visited, those that failed up to the moment they did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgexp.simulation.trajectory import Trajectory


@dataclass(frozen=True)
class Pool:
    """coords: [n, n_beads, n_dims], length unit. replica: [n], -1 where there was none. time: [n], ps or reduced.

    failed: [n], bool: the last healthy configuration of a replica that failed right after.
    """

    coords: NDArray[np.float32]
    replica: NDArray[np.int64]
    time: NDArray[np.float64]
    failed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.coords)

    @classmethod
    def of_coords(cls, coords: NDArray[np.floating]) -> Pool:
        """A pool that no simulation of the model made."""
        n = len(coords)
        return cls(
            np.asarray(coords, dtype=np.float32), np.full(n, -1, dtype=np.int64), np.zeros(n), np.zeros(n, dtype=bool)
        )

    @classmethod
    def of_trajectory(cls, trajectory: Trajectory, stride: int = 1, size: int | None = None) -> Pool:
        """Every ``stride``-th saved frame, at most ``size`` of them drawn evenly, and where replicas failed."""
        time, coords = trajectory.time, trajectory.coords
        # of a ladder of temperatures only the study rung is saved
        failed = {one["replica"]: one["time"] for one in trajectory.failures if one.get("rung", 0) == 0}
        last = np.array(sorted(failed), dtype=np.int64)
        until = np.full(coords.shape[1], np.inf)
        until[last] = [failed[replica] for replica in last]
        # a failed replica stands still from the check that found it on, in its state at the check before
        moving = time[:, None] < until - 0.5 * trajectory.settings["dt"]
        moving[np.arange(len(time)) % stride != 0] = False
        step, replica = np.nonzero(moving)
        if size is not None and len(step) > size:
            # drawn, since every so many would favour some replicas
            kept = np.sort(np.random.default_rng(0).permutation(len(step))[:size])
            step, replica = step[kept], replica[kept]
        stopped, visited = coords[-1, last], coords[step, replica]
        twins = {row.tobytes() for row in stopped}  # where the state was saved as it was checked
        new = np.array([not twins or row.tobytes() not in twins for row in visited], dtype=bool)
        return cls(
            np.concatenate([visited[new], stopped]),
            np.concatenate([replica[new], last]),
            np.concatenate([time[step[new]], until[last]]),
            np.concatenate([np.zeros(int(new.sum()), dtype=bool), np.ones(len(last), dtype=bool)]),
        )
