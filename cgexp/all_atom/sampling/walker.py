"""Walker: one all-atom trajectory, made in segments of which each is stored whole or not at all.

A segment begins in a fresh context, from the state that ended the last one and with a seed that depends on
(seed, stage, walker, segment) alone, so that a walker killed at any time and continued gives the same frames.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.engine import PlatformName, derived_seed
from cgexp.all_atom.sampling.progress import Tally
from cgexp.all_atom.sampling.segment import QUENCH_STEPS, Quench, Segment, SegmentResult, Unstable, run
from cgexp.errors import InputError
from cgexp.store import Chunks, read_arrays

WORKER_ENDED = (
    "a worker process ended before its work was done (killed, out of memory, or started by a script that lacks "
    'if __name__ == "__main__"): run again to go on, with a smaller dataset.n_parallel if memory is short'
)
SYSTEM = "system_xml_zlib"  # of chunk 0: what a walker goes on with, so that nothing need be built again


class Start(NamedTuple):
    """Where a walker begins: a name, an openmm.System (see ``pack_system``) and positions of its atoms, Å."""

    origin: str
    system: str
    positions: NDArray[np.floating]


@dataclass
class Walker:
    """One trajectory: where it is stored, where it starts, and how it goes on (lengths in steps).

    temperature: K. key: (seed, stage, walker). n_atoms: how many of the first atoms are stored. forces: whether their
    forces are stored. barostat: whether the box finds its volume in the dropped steps. max_iterations: of the
    minimiser. start: makes the start, needed unless the walker has begun.
    Chunk 0 holds the system and the state after the start, and no frames; chunk k > 0 holds segment k: ``coords`` (Å)
    and ``forces`` (kcal/mol/Å) of the stored atoms [n_frames, n_atoms, 3], float32.
    """

    chunks: Chunks
    temperature: float
    key: tuple[int, int, int]
    n_atoms: int
    n_segments: int
    segment_steps: int
    save_steps: int
    drop_steps: int
    forces: bool = True
    barostat: bool = False
    max_iterations: int = QUENCH_STEPS
    platform: PlatformName = "auto"
    start: Callable[[], Start] | None = field(default=None, repr=False)
    _origin: str = field(default="", init=False)
    _system: str = field(default="", init=False, repr=False)
    _state: dict[str, NDArray[np.float64]] = field(default_factory=dict, init=False, repr=False)
    _n_chunks: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._n_chunks = len(self.chunks)

    @property
    def n_steps(self) -> int:
        return self.drop_steps + self.n_segments * self.segment_steps

    @property
    def n_steps_done(self) -> int:
        return self.drop_steps + (self._n_chunks - 1) * self.segment_steps if self._n_chunks else 0

    @property
    def begun(self) -> bool:
        return self._n_chunks > 0

    @property
    def finished(self) -> bool:
        return self._n_chunks > self.n_segments

    def segment_seed(self, segment: int) -> int:
        """Seed of a segment."""
        return derived_seed(*self.key, segment)

    def next_work(self) -> Quench | Segment:
        """What the walker lacks next."""
        if not self.begun:
            return self._quench()
        if not self._state:
            self._recall()
        return Segment(
            system=self._system,
            state=self._state,
            temperature=self.temperature,
            seed=self.segment_seed(self._n_chunks),
            n_steps=self.segment_steps,
            save_steps=self.save_steps,
            atoms=np.arange(self.n_atoms),
            forces=self.forces,
            platform=self.platform,
        )

    def store(self, result: SegmentResult) -> int:
        """Store what ``next_work`` gave; return its number of steps."""
        coords = result.coords[:, : self.n_atoms]
        arrays: dict[str, NDArray[Any]] = {"coords": coords, **result.state}
        if self.forces:
            arrays["forces"] = np.zeros_like(coords) if result.forces is None else result.forces
        meta = {}
        if not self.begun:
            arrays[SYSTEM] = np.frombuffer(zlib.compress(self._system.encode()), dtype=np.uint8)
            meta = {"origin": self._origin}
        self.chunks.append(arrays, meta)
        before, self._state = self.n_steps_done, result.state
        self._n_chunks += 1
        return self.n_steps_done - before

    def explain(self, error: Unstable) -> InputError:
        """The sentence for a walker that blew up."""
        name = self.chunks.folder.name
        if not self.begun:
            return InputError(
                f"{self._origin}, the start of {name}, cannot be relaxed at {self.temperature} K: {error}; "
                "set another dataset.protocol.seed or take fewer walkers from such starts"
            )
        return InputError(
            f"{name} blew up in segment {self._n_chunks} at {self.temperature} K: {error}; "
            "lower the temperature or set another dataset.protocol.seed"
        )

    def _quench(self) -> Quench:
        assert self.start is not None
        self._origin, self._system, positions = self.start()
        return Quench(
            system=self._system,
            positions=positions,
            temperature=self.temperature,
            seed=self.segment_seed(0),
            n_steps=self.drop_steps,
            barostat=self.barostat,
            max_iterations=self.max_iterations,
            platform=self.platform,
        )

    def _recall(self) -> None:
        """Read what an earlier run left."""
        first, meta = read_arrays(self.chunks.paths[0])
        self._origin, self._system = meta["origin"], zlib.decompress(first[SYSTEM].tobytes()).decode()
        last, _ = read_arrays(self.chunks.paths[-1])
        self._state = {name: values for name, values in last.items() if name.startswith("state_")}


def run_walkers(walkers: Sequence[Walker], executor: Executor, tally: Tally) -> None:
    """Make what the walkers lack, each one segment at a time, side by side as far as ``executor`` goes.

    A segment is stored as soon as it is back. The first failure or Ctrl-C ends all walkers; what was finished by then
    is stored. Raises InputError if a walker blows up or a worker process dies.
    """
    for walker in walkers:
        tally.skip(walker.n_steps_done)
    ready = deque(walker for walker in walkers if not walker.finished)
    running: dict[Future[SegmentResult], Walker] = {}
    try:
        while ready or running:
            # An executor that runs work at once would otherwise hold back the results of all walkers.
            while ready and not any(future.done() for future in running):
                walker = ready.popleft()
                running[executor.submit(run, walker.next_work())] = walker
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                walker = running.pop(future)
                tally.add(walker.store(_result(future, walker)))
                if not walker.finished:
                    ready.append(walker)
    except BaseException:
        _save_finished(running)
        raise


def _result(future: Future[SegmentResult], walker: Walker) -> SegmentResult:
    try:
        return future.result()
    except Unstable as error:
        raise walker.explain(error) from error
    except BrokenExecutor as error:
        raise InputError(WORKER_ENDED) from error


def _save_finished(running: dict[Future[SegmentResult], Walker]) -> None:
    for future, walker in running.items():
        if not future.cancel() and future.done() and future.exception() is None:
            walker.store(future.result())
