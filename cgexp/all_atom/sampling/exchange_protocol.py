"""The protocol of replica exchange: labelled frames are those of the study temperature, blocks are walkers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.engine import derived_seed
from cgexp.all_atom.sampling.exchange_trajectory import load_exchange
from cgexp.all_atom.sampling.protocol import STUDY, Origin, Protocol
from cgexp.all_atom.sampling.replica_exchange import ReplicaExchange, run_replica_exchange
from cgexp.all_atom.sampling.task import Task
from cgexp.all_atom.structure import NATIVE_TORSIONS
from cgexp.errors import InputError
from cgexp.parts.ranges import NonNegativeInt, Positive, PositiveInt
from cgexp.progress import Report
from cgexp.store import Chunks


@dataclass(frozen=True, kw_only=True)
class ExchangeWalkers(Protocol):
    """Replica exchange over a ladder of temperatures (K, ascending), one walker each; ps_per_walker includes drop_ps.

    The study temperature must be on the ladder: its frames are kept with forces, from drop_ps on; all walkers' C-alpha
    coordinates, temperatures and energies stay in the folder (``load_exchange``). n_native: walkers that start from the
    native structure, the coldest first; the others start from the extended chain. exchange_steps: attempts to swap
    between two saved frames. friction: 1/ps. segment_ps: of one walker, the most that a kill loses.
    """

    temperatures: Sequence[float]
    n_native: NonNegativeInt
    exchange_steps: PositiveInt = 1
    friction: Positive = 0.2
    note: ClassVar[str] = "equilibrium only if the exchange has converged: compare runs from opposite starts"

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperatures", tuple(float(value) for value in self.temperatures))
        super().__post_init__()
        if self.n_native > self.n_walkers:
            raise InputError(f"n_native={self.n_native} but there are {self.n_walkers} temperatures: lower n_native")
        if self.drop_ps >= self.ps_per_walker:
            raise InputError(f"drop_ps={self.drop_ps} leaves nothing of ps_per_walker={self.ps_per_walker}: lower it")
        self.exchange  # noqa: B018 - checks the ladder and the lengths

    @property
    def n_walkers(self) -> int:
        return len(self.temperatures)

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "temperatures": list(self.temperatures)}

    @property
    def exchange(self) -> ReplicaExchange:
        """How replicas are exchanged."""
        return ReplicaExchange(
            temperatures=self.temperatures,
            exchange_ps=self.save_ps / self.exchange_steps,
            cycles_per_save=self.exchange_steps,
            cycles_per_round=round(self.segment_ps / self.save_ps) * self.exchange_steps,
            friction=self.friction,
            seed=derived_seed(self.seed, STUDY),
        )

    def origins(self, task: Task, hot: NDArray[np.floating] | None) -> list[Origin]:
        native = [Origin("native", task.native.positions)] * self.n_native if self.n_native else []
        return native + [Origin("extended", task.extended.positions)] * (self.n_walkers - self.n_native)

    def check(self, task: Task) -> None:
        if task.temperature not in self.temperatures:
            raise InputError(
                f"dataset.temperature={task.temperature:g} is not on the ladder {list(self.temperatures)}: add it to "
                "dataset.protocol.temperatures"
            )
        if task.explicit:
            raise InputError("replica exchange with solvent=tip3p is not supported: choose another protocol, or gbn2")
        if self.n_native and task.sequence not in NATIVE_TORSIONS:
            raise InputError(f"no native torsions are known for '{task.sequence}': set dataset.protocol.n_native=0")

    def run(self, task: Task, executor: Executor, progress: Report | None = None) -> list[Chunks]:
        """Sample in the task's folder, continuing what is there; return the labelled frames of every walker."""
        starts = [task.start(*origin) for origin in self.origins(task, None)]
        run_replica_exchange(
            starts[0].system,
            [start.positions for start in starts],
            self.exchange,
            task.folder,
            self.n_segments,
            atoms=task.built.ca,
            labelled_level=self.temperatures.index(task.temperature),
            executor=executor,
            platform=task.platform,
            progress=progress,
        )
        frames = [LabelledFrames(task.folder, walker, self.drop_ps, self.save_ps) for walker in range(self.n_walkers)]
        return [part for part in frames if any(len(arrays["coords"]) for arrays, _ in part)]

    def facts(self, task: Task) -> list[str]:
        """How well the walkers mixed."""
        trajectory = load_exchange(task.folder)
        return [
            f"acceptance of swaps {trajectory.acceptance.round(2).tolist()}, round trips of the walkers "
            f"{trajectory.round_trips.tolist()}"
        ]


class LabelledFrames(Chunks):
    """The labelled frames of one walker of a replica exchange, read as chunks of coords, forces and time_ps."""

    def __init__(self, folder: Path, walker: int, drop_ps: float, save_ps: float) -> None:
        super().__init__(folder)
        self.walker, self.drop_ps, self.save_ps = walker, drop_ps, save_ps

    def __iter__(self) -> Iterator[tuple[dict[str, NDArray[Any]], dict[str, Any]]]:
        n_before = 0
        for arrays, _ in super().__iter__():
            if "labelled_walker" not in arrays:  # before the first round, or packed
                continue
            n_frames = len(arrays["labelled_walker"])
            time = self.save_ps * np.arange(n_before + 1, n_before + n_frames + 1)
            n_before += n_frames
            chosen = (arrays["labelled_walker"] == self.walker) & (time > self.drop_ps)
            coords, forces = arrays["labelled_coords"][chosen], arrays["labelled_forces"][chosen]
            yield {"coords": coords, "forces": forces, "time_ps": time[chosen]}, {"origin": "replica exchange"}
