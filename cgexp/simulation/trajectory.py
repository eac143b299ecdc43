"""Trajectory: what a simulation left in its folder, finished or not; and writing it chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.store import Arrays, Chunks, read_header, read_record

HEADER = "simulation.json"


@dataclass(frozen=True)
class Exchange:
    """What the ladders of a parallel tempering did; a walker is a configuration on its way through a ladder.

    temperatures: [n_rungs], K or kT, the first that of the study. tried, accepted: [n_ladders, n_rungs - 1], swaps
    between each rung and the next. round_trips: [n_ladders, n_rungs], of each walker, from the study rung to the
    hottest one and back. alive: [n_ladders, n_rungs], bool; a failed replica takes no part in swaps.
    """

    temperatures: NDArray[np.float64]
    tried: NDArray[np.int64]
    accepted: NDArray[np.int64]
    round_trips: NDArray[np.int64]
    alive: NDArray[np.bool_]

    @property
    def acceptance(self) -> NDArray[np.float64]:
        """Accepted fraction of the swaps of each rung with the next, [n_rungs - 1]; NaN where none was tried."""
        tried = self.tried.sum(axis=0)
        return np.where(tried > 0, self.accepted.sum(axis=0) / np.maximum(tried, 1), np.nan)

    def summary(self) -> dict[str, Any]:
        """Numbers for a JSON file."""
        acceptance = [None if np.isnan(share) else round(float(share), 6) for share in self.acceptance]
        return {
            "temperatures": self.temperatures.tolist(),
            "acceptance": acceptance,
            "round_trips": int(self.round_trips.sum()),
        }


@dataclass(frozen=True, repr=False)
class Trajectory:
    """coords: [n_saved, n_replicas, n_beads, n_dims], float32, length unit. time: [n_saved], ps or reduced.

    alive: [n_replicas], bool; a replica that failed stands still from then on. failures: one
    ``{replica, step, time, reason}`` each. settings: of the simulation. replica_steps_per_second: measured, of all
    temperatures. exchange: of a parallel tempering, else None; a replica is then the study rung of a ladder, alive says
    whether that rung is, and a failure has its ``rung`` and ``temperature`` as well.
    """

    coords: NDArray[np.float32]
    time: NDArray[np.float64]
    alive: NDArray[np.bool_]
    failures: list[dict[str, Any]]
    settings: dict[str, Any]
    finished: bool
    replica_steps_per_second: float
    exchange: Exchange | None = None

    @classmethod
    def load(cls, folder: Path) -> Trajectory:
        """Read the trajectory in ``folder``; InputError if there is none, or nothing was saved in it yet."""
        folder = Path(folder)
        settings = read_record(folder / HEADER, "dt", "n_steps")
        chunks = list(Chunks(folder))
        if not chunks:
            raise InputError(f"{folder} holds no frames yet: run the simulation again to go on with it")
        last_arrays, meta = chunks[-1]
        alive, failures, last = last_arrays["alive"], meta["failures"], meta["step"]
        wall_s = sum(meta["wall_s"] for _, meta in chunks)
        exchange = _exchange(settings["tempering"], last_arrays) if "tempering" in settings else None
        return cls(
            coords=np.concatenate([arrays["coords"] for arrays, _ in chunks]),
            time=np.concatenate([arrays["step"] for arrays, _ in chunks]) * settings["dt"],
            alive=alive if exchange is None else exchange.alive[:, 0],
            failures=failures if exchange is None else [_of_rung(failure, exchange) for failure in failures],
            settings=settings,
            finished=last == settings["n_steps"],
            replica_steps_per_second=last * len(alive) / max(wall_s, 1e-9),
            exchange=exchange,
        )

    def __repr__(self) -> str:
        state = "finished" if self.finished else "not finished"
        return f"<Trajectory: coords {list(self.coords.shape)}, {int(self.alive.sum())} replicas alive, {state}>"

    @property
    def continuous(self) -> bool:
        """Whether a replica is one walker in time; the study rung of a ladder is visited by all of its walkers."""
        return self.exchange is None or len(self.exchange.temperatures) == 1

    def production(self, burn_in: float) -> NDArray[np.float32]:
        """Frames of the healthy replicas after dropping the first ``burn_in`` (a fraction) of the saved ones.

        All of them are at the temperature of the simulation, with tempering too. Returns [n_frames, n_healthy, n_beads,
        n_dims].
        """
        return self.coords[int(burn_in * len(self.coords)) :, self.alive]


def is_finished(folder: Path) -> bool:
    """Whether a simulation has reached its end: its last chunk says so. Raises InputError if that cannot be read."""
    paths = Chunks(folder).paths
    if not paths:
        return False
    return bool(read_header(paths[-1])["step"] == read_record(Path(folder) / HEADER, "n_steps")["n_steps"])


def _exchange(tempering: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Exchange:
    counts = {name: arrays[f"ladders_{name}"] for name in ("tried", "accepted", "round_trips")}
    alive = arrays["alive"].reshape(counts["round_trips"].shape)
    return Exchange(np.array(tempering["temperatures"]), alive=alive, **counts)


def _of_rung(failure: Mapping[str, Any], exchange: Exchange) -> dict[str, Any]:
    ladder, rung = divmod(failure["replica"], len(exchange.temperatures))
    return {**failure, "replica": ladder, "rung": rung, "temperature": float(exchange.temperatures[rung])}


class Store(Protocol):
    """Where the chunks of a simulation go, one after the other; it goes on from the last of them."""

    def latest(self) -> tuple[Arrays, Mapping[str, Any]] | None:
        """Arrays and metadata of the last chunk; None: there is none yet."""

    def append(self, arrays: Arrays, meta: Mapping[str, Any]) -> None:
        """Take the next chunk: it is kept whole or not at all."""


class BackgroundWriter:
    """Appends chunks in order, in a thread of its own, at most one at a time: the next one waits for it.

    A context: leaving it waits until everything is on disk. What goes wrong in the thread is raised here, by the next
    ``append`` or on leaving. Arrays and metadata must not change after they are handed over.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trajectory")
        self._pending: Future[None] | None = None

    def append(self, arrays: Arrays, meta: Mapping[str, Any]) -> None:
        """Hand over the next chunk."""
        self.wait()
        self._pending = self._thread.submit(self.store.append, arrays, meta)

    def wait(self) -> None:
        """Wait for the chunk that is being written, and raise what went wrong with it."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def __enter__(self) -> BackgroundWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.wait()
        except Exception as writing:
            if error is None:
                raise
            error.add_note(f"and the trajectory could not be written: {writing}")  # the first error is the one to mend
        finally:
            self._thread.shutdown()
