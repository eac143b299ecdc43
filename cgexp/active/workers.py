"""Processes that ask the oracle, one configuration at a time, and can be ended; answers, a file each."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.executor import begin_worker
from cgexp.frames import ARRAYS, Frames
from cgexp.oracles.oracle import Coords, Oracle
from cgexp.store import read_arrays, write_arrays


@dataclass(frozen=True)
class Answer:
    """What became of one configuration. frames: its labelled frames, None if it was rejected or given up.

    reason: why there are none. broken: the oracle did not answer, but failed, hung or died. cost_s: CPU seconds, in any
    case. extra: further numbers of each frame.
    """

    frames: Frames | None
    reason: str
    cost_s: float
    broken: bool = False
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def ask(oracle: Oracle, configuration: Coords, store: Path) -> Answer:
    """Label one configuration [n_beads, n_dims]; whatever the oracle raises becomes an answer, but for InputError.

    store: folder for the oracle's own files.
    """
    began = time.process_time()
    try:
        labels = oracle.label(configuration[None], folder=store)
    except InputError:
        raise
    except Exception as error:
        text = " ".join(str(error).split()) or "no message"
        return Answer(None, f"{type(error).__name__}: {text}", time.process_time() - began, broken=True)
    if labels.rejected:
        return Answer(None, labels.rejected[0][1], labels.cost_s)
    return Answer(labels.frames, "", labels.cost_s, extra=labels.extra)


class Answers:
    """The answers to the configurations of one round, in a folder: index -> file."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def path(self, index: int) -> Path:
        return self.folder / f"{index:04d}.npz"

    def write(self, index: int, answer: Answer) -> None:
        """Keep an answer; there must be none yet."""
        if self.path(index).exists():
            raise ValueError(f"configuration {index} was labelled twice: {self.path(index)}")
        arrays = {} if answer.frames is None else dict(answer.frames.arrays)
        meta = {
            "metadata": None if answer.frames is None else answer.frames.metadata,
            "reason": answer.reason,
            "cost_s": answer.cost_s,
            "broken": answer.broken,
        }
        write_arrays(self.path(index), {**arrays, **{f"extra_{name}": v for name, v in answer.extra.items()}}, meta)

    def read(self, n: int) -> dict[int, Answer]:
        """The answers there are to configurations 0 to n - 1, in their order."""
        return {index: _read(self.path(index)) for index in range(n) if self.path(index).is_file()}

    def unanswered(self, n: int) -> list[int]:
        """The configurations 0 to n - 1 without an answer."""
        return [index for index in range(n) if not self.path(index).is_file()]


def _read(path: Path) -> Answer:
    arrays, meta = read_arrays(path)
    extra = {name.removeprefix("extra_"): value for name, value in arrays.items() if name.startswith("extra_")}
    known: dict[str, Any] = {name: value for name, value in arrays.items() if name in ARRAYS}
    frames = None if meta["metadata"] is None else Frames(**known, **meta["metadata"])
    return Answer(frames, meta["reason"], meta["cost_s"], meta["broken"], extra)


class Worker:
    """A process with the oracle in it. It ends with this one, whatever ends this one."""

    def __init__(self, oracle: Oracle, store: Path) -> None:
        context = multiprocessing.get_context("spawn")  # OpenMM and its threads do not survive a fork
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, oracle, store), daemon=True)
        self._process.start()
        theirs.close()
        self.index = -1
        self._deadline = float("inf")
        try:
            self._used_s = float(self._receive())  # importing takes seconds, which are no configuration's
        except EOFError as error:
            self.end()
            raise RuntimeError(
                f"the oracle's process ended as it began, with exit code {self._process.exitcode}"
            ) from error

    def begin(self, index: int, configuration: Coords, timeout_s: float | None) -> None:
        """Ask for a configuration [n_beads, n_dims]."""
        self.index = index
        self._deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        self.connection.send(configuration)

    @property
    def left_s(self) -> float:
        """Seconds left for the present configuration."""
        return self._deadline - time.monotonic()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def answer(self) -> Answer:
        """The answer that has arrived; one that says so if the process has died instead. Raises InputError."""
        try:
            answer, self._used_s = self._receive()
        except EOFError:
            cost_s = self.end() - self._used_s
            return Answer(None, f"its process ended with exit code {self._process.exitcode}", cost_s, broken=True)
        return answer  # type: ignore[no-any-return]

    def give_up(self, timeout_s: float) -> Answer:
        """End the process in the middle of a configuration; the answer says so."""
        return Answer(None, f"no answer within {timeout_s:g} s", self.end() - self._used_s, broken=True)

    def end(self) -> float:
        """End the process; return the CPU seconds of its whole life."""
        before = _children_s()
        self._process.kill()
        self._process.join()
        self.connection.close()
        return _children_s() - before

    def _receive(self) -> Any:
        received = self.connection.recv()
        if isinstance(received, InputError):
            raise received
        return received


def ask_apart(
    oracle: Oracle, coords: Coords, todo: Iterator[int], store: Path, n_workers: int, timeout_s: float | None
) -> Iterator[tuple[int, Answer]]:
    """Yield (index, answer) for each index in ``todo``, as they arrive from ``n_workers`` processes.

    coords: [n, n_beads, n_dims]. A process that takes longer than timeout_s (seconds) for one configuration, or dies
    of it, is replaced by a fresh one.
    """
    idle: list[Worker] = []
    busy: list[Worker] = []
    try:
        while True:
            while len(busy) < n_workers and (index := next(todo, None)) is not None:
                worker = idle.pop() if idle else Worker(oracle, store)
                busy.append(worker)
                worker.begin(index, coords[index], timeout_s)
            if not busy:
                return
            left_s = min(worker.left_s for worker in busy)
            ready = wait([worker.connection for worker in busy], None if left_s == float("inf") else max(0.0, left_s))
            for worker in [one for one in busy if one.connection in ready or one.left_s <= 0]:
                answer = worker.answer() if worker.connection in ready else worker.give_up(timeout_s or 0.0)
                busy.remove(worker)
                if worker.alive:
                    idle.append(worker)
                yield worker.index, answer
    finally:
        for worker in (*busy, *idle):
            if worker.alive:
                worker.end()


def _serve(connection: Connection, oracle: Oracle, store: Path) -> None:
    """What the process does: say that it is there, then answer until the other side is closed."""
    begin_worker()
    connection.send(time.process_time())
    while True:
        try:
            answer = ask(oracle, connection.recv(), store)
        except EOFError:
            return
        except InputError as error:
            connection.send(error)
        else:
            connection.send((answer, time.process_time()))


def _children_s() -> float:
    """CPU seconds of all processes of this one that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
