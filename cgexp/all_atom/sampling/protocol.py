"""Protocol: how a peptide is sampled by independent walkers, resumable. The kinds of starts are in starts.py.

Walkers run at the study temperature. Each start is quenched: minimised, warmed up, and its first picoseconds discarded.
Repeated after a kill, with other walkers side by side, or on another executor, a run gives the same frames.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.engine import TIME_STEP
from cgexp.all_atom.sampling.progress import Tally
from cgexp.all_atom.sampling.task import Positions, Task
from cgexp.all_atom.sampling.walker import Walker, run_walkers
from cgexp.errors import InputError
from cgexp.executor.local import local_executor
from cgexp.parts.part import Part
from cgexp.parts.ranges import NonNegative, NonNegativeInt, Positive
from cgexp.progress import Report
from cgexp.store import Chunks, claim

HOT, STUDY = 0, 1  # stages, for the seeds
PROTOCOL_FILE = "protocol.json"


class Origin(NamedTuple):
    """Where a walker begins: a name, and positions of the peptide's atoms [n_atoms, 3], Å."""

    name: str
    positions: Positions


@dataclass(frozen=True, kw_only=True)
class Protocol(Part, ABC):
    """How a peptide is sampled; a subclass says where its walkers start.

    ps_per_walker: kept length of a walker. save_ps: between frames. drop_ps: discarded after a start; in explicit
    solvent the box finds its volume meanwhile (NPT, 1 bar), and keeps it from then on (NVT). segment_ps: length of a
    segment, which is stored as a whole. seed: of all randomness.
    Raises InputError unless segment_ps is a whole number of save_ps, ps_per_walker of segment_ps, and save_ps of time
    steps, and there is a walker.
    """

    ps_per_walker: Positive
    save_ps: Positive
    drop_ps: NonNegative
    segment_ps: Positive
    seed: NonNegativeInt = 0
    note: ClassVar[str] = (
        "not an equilibrium ensemble: starts were chosen, so no population or free energy may be read from it"
    )

    def __post_init__(self) -> None:
        self._check_lengths(("save_ps", ""), ("segment_ps", "save_ps"), ("ps_per_walker", "segment_ps"))
        if self.n_walkers < 1:
            raise InputError("the protocol has no walkers: expected at least one")

    @property
    @abstractmethod
    def n_walkers(self) -> int:
        """Walkers at the study temperature."""

    @abstractmethod
    def origins(self, task: Task, hot: NDArray[np.floating] | None) -> list[Origin]:
        """Where the walkers start. hot: the peptide's atoms in the hot run [n_frames, n_atoms, 3], Å, if it has one."""

    @property
    def n_segments(self) -> int:
        """Segments of a walker."""
        return round(self.ps_per_walker / self.segment_ps)

    @property
    def settings(self) -> dict[str, Any]:
        """What determines the frames, for the folder and the data card."""
        return {"protocol": type(self).__name__, **asdict(self)}

    def facts(self, task: Task) -> Sequence[str]:
        """What else the data card should say of a finished run."""
        return ()

    def check(self, task: Task) -> None:
        """Raise InputError if this protocol cannot sample the task; called before anything is written."""

    def hot_walkers(self, task: Task) -> list[Walker]:
        """The run at a higher temperature that starts are taken from; none unless a subclass has one."""
        return []

    def run(self, task: Task, executor: Executor, progress: Report | None = None) -> list[Chunks]:
        """Sample in the task's folder, continuing what is there; return the chunks of every walker (see Walker)."""
        hot = self.hot_walkers(task)
        walkers = [self._walker(task, index) for index in range(self.n_walkers)]
        tally = Tally(sum(walker.n_steps for walker in [*hot, *walkers]), TIME_STEP, progress)
        run_walkers(hot, executor, tally)
        if not all(walker.begun for walker in walkers):
            frames = hot[0].chunks.read("coords") if hot else None
            for walker, origin in zip(walkers, self.origins(task, frames), strict=True):
                walker.start = partial(task.start, *origin)
        run_walkers(walkers, executor, tally)
        return [walker.chunks for walker in walkers]

    def _walker(self, task: Task, index: int) -> Walker:
        return make_walker(
            task,
            task.folder / f"walker-{index:03d}",
            (self.seed, STUDY, index),
            temperature=task.temperature,
            n_segments=self.n_segments,
            segment_ps=self.segment_ps,
            save_ps=self.save_ps,
            drop_ps=self.drop_ps,
        )

    def _check_lengths(self, *pairs: tuple[str, str]) -> None:
        """Raise InputError unless each first length is a whole number of the second (of time steps, if empty)."""
        for name, unit_name in pairs:
            length, unit = getattr(self, name), getattr(self, unit_name) if unit_name else TIME_STEP
            if abs(length / unit - round(length / unit)) > 1e-6:
                raise InputError(
                    f"{name}={length} is not a whole number of {unit_name or 'time steps'} ({unit} ps): change one"
                )


def sample(
    task: Task,
    protocol: Protocol,
    n_parallel: int = 1,
    executor: Executor | None = None,
    progress: Report | None = None,
) -> list[Chunks]:
    """Run the protocol in the task's folder, continuing what is there; return the walkers' chunks (see Walker).

    n_parallel: local processes, one thread each, unless an ``executor`` is given, which is left open. Raises InputError
    if the folder holds another sampling.
    """
    protocol.check(task)
    _check_settings(task, protocol)
    pool: AbstractContextManager[Executor] = nullcontext(executor) if executor else local_executor(n_parallel)
    with pool as opened:
        return protocol.run(task, opened, progress)


def make_walker(
    task: Task,
    folder: Path,
    key: tuple[int, int, int],
    *,
    temperature: float,
    n_segments: int,
    segment_ps: float,
    save_ps: float,
    drop_ps: float,
    forces: bool = True,
) -> Walker:
    """A walker of the task whose lengths are given in ps, still without a start."""
    return Walker(
        chunks=Chunks(folder),
        temperature=temperature,
        key=key,
        n_atoms=task.n_atoms,
        n_segments=n_segments,
        segment_steps=_steps(segment_ps),
        save_steps=_steps(save_ps),
        drop_steps=_steps(drop_ps),
        forces=forces,
        barostat=task.explicit,
        max_iterations=task.quench_steps,
        platform=task.platform,
    )


def _check_settings(task: Task, protocol: Protocol) -> None:
    """Raise InputError if the folder was begun with other settings; record them if it is new."""
    settings = {
        "sequence": task.sequence,
        "force_field": task.force_field.name,
        "temperature": task.temperature,
        **({"caps": True} if task.caps else {}),
        **protocol.settings,
    }
    claim(task.folder / PROTOCOL_FILE, settings)


def _steps(ps: float) -> int:
    return round(ps / TIME_STEP)
