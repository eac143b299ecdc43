"""What the oracle is asked for in a round: of the pool of candidates, or plain sampling as the control."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp.active.rounds import RoundFolder
from cgexp.active.workers import Answers
from cgexp.frames import Frames
from cgexp.oracles.oracle import Oracle
from cgexp.oracles.teacher import TeacherOracle
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.trajectory import Trajectory
from cgexp.store import read_arrays, write_arrays


@dataclass(frozen=True)
class Candidates:
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
    def of_coords(cls, coords: NDArray[np.floating]) -> Candidates:
        """A pool that no simulation of the model made."""
        n = len(coords)
        return cls(
            np.asarray(coords, dtype=np.float32), np.full(n, -1, dtype=np.int64), np.zeros(n), np.zeros(n, dtype=bool)
        )

    @classmethod
    def of_trajectory(cls, trajectory: Trajectory, stride: int = 1, size: int | None = None) -> Candidates:
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


@dataclass(frozen=True)
class Search:
    """How the configurations were looked for, as a round's numbers have it: see active.round.Round."""

    stop: str | None
    coverage_max: float
    n_candidates: int
    model: str | None
    n_short: int = 0


@dataclass(frozen=True)
class Selection:
    """coords: [n, n_beads, n_dims], length unit. replica, time, failed: of the pool they are from, [n].

    distance: [n], to the nearest configuration that was known or asked for before. parent: [n], the frame of the data
    set at which the replica began, -1 where it is none of them.
    """

    coords: NDArray[np.float32]
    replica: NDArray[np.int64]
    time: NDArray[np.float64]
    failed: NDArray[np.bool_]
    distance: NDArray[np.float64]
    parent: NDArray[np.int64]
    search: Search

    @classmethod
    def of(
        cls,
        pool: Candidates,
        chosen: NDArray[np.int64],
        distance: NDArray[np.float64],
        parents: NDArray[np.int64],
        search: Search,
    ) -> Selection:
        """``chosen`` candidates of a pool, with their distances; parents: [n_replicas], of ``parents_of``."""
        replica = pool.replica[chosen]
        parent = np.where(replica >= 0, parents[replica], -1)
        return cls(pool.coords[chosen], replica, pool.time[chosen], pool.failed[chosen], distance, parent, search)

    def write(self, path: Path) -> None:
        """Write it to one file."""
        names = ("coords", "replica", "time", "failed", "distance", "parent")
        write_arrays(path, {name: getattr(self, name) for name in names}, asdict(self.search))

    @classmethod
    def read(cls, path: Path) -> Selection:
        """The inverse of ``write``."""
        arrays, meta = read_arrays(path)
        return cls(**arrays, search=Search(**meta))

    def __len__(self) -> int:
        return len(self.coords)


def parents_of(starts: NDArray[np.floating] | None, n_replicas: int, frames: Frames) -> NDArray[np.int64]:
    """The frame of the data set that each start [n_replicas, n_beads, n_dims] is, -1 where it is none: [n_replicas]."""
    if starts is None:
        return np.full(n_replicas, -1, dtype=np.int64)
    known = {row.tobytes(): index for index, row in enumerate(frames.coords.astype(np.float32))}
    return np.array([known.get(row.tobytes(), -1) for row in starts.astype(np.float32)], dtype=np.int64)


def rejected_before(folder: Path, number: int) -> list[NDArray[np.float32]]:
    """The configurations that rounds before ``number`` asked for and got no frames of.

    They count as known when the next ones are chosen: the oracle is not asked again for what it has rejected.
    """
    found = []
    for place in (RoundFolder(folder, earlier) for earlier in range(number)):
        selection = Selection.read(place.selection)
        answers = Answers(place.labels).read(len(selection))
        found.append(selection.coords[[index for index, answer in answers.items() if answer.frames is None]])
    return found
