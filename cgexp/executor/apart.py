"""do_apart: units of work in processes that can be ended in the middle of one, which no executor can do."""

from __future__ import annotations

import pickle
import resource
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from cgexp.errors import InputError
from cgexp.executor.local import begin_worker, spawning

Ask = Callable[[Any], Any]  # what a unit of work asks the process that began it, and is answered
Work = Callable[[Any, Ask], Any]


@dataclass(frozen=True)
class Outcome:
    """What became of one unit of work. value: what it returned; None where ``problem`` says why there is nothing.

    cost_s: CPU seconds of its process.
    """

    value: Any
    cost_s: float
    problem: str = ""


class _Worker:
    """A process that does units of work, one at a time, and can be ended. It ends with this one, whatever ends this."""

    def __init__(self, work: Work) -> None:
        context = spawning()
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, pickle.dumps(work)), daemon=True)
        self._process.start()
        theirs.close()
        self.name: Any = None
        self._deadline = float("inf")
        try:
            _, self._used_s = self.receive()  # importing takes seconds, which are no unit's
        except EOFError as error:
            self.end()
            raise RuntimeError(f"a worker ended as it began, with exit code {self._process.exitcode}") from error

    def begin(self, name: Any, unit: Any, timeout_s: float | None) -> None:
        """Do a unit of work, which the caller calls ``name``."""
        self.name = name
        self._deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        self.connection.send(unit)

    @property
    def left_s(self) -> float:
        """Seconds left for the present unit."""
        return self._deadline - time.monotonic()

    @property
    def alive(self) -> bool:
        return self._process.is_alive()

    def outcome(self, answer: Callable[[Any, Any], Any] | None) -> Outcome | None:
        """The outcome that has arrived, or that the process has died; None after a question, which is answered."""
        try:
            question, *content = self.receive()
            if question:
                assert answer is not None, "the work asks, and nobody answers"
                self.connection.send(answer(self.name, content[0]))
                return None
        except (EOFError, BrokenPipeError, ConnectionResetError):
            cost_s = self.end() - self._used_s
            return Outcome(None, cost_s, f"its process ended with exit code {self._process.exitcode}")
        value, used_s = content
        cost_s, self._used_s = used_s - self._used_s, used_s
        return Outcome(value, cost_s)

    def give_up(self, timeout_s: float) -> Outcome:
        """End the process in the middle of a unit; the outcome says so."""
        return Outcome(None, self.end() - self._used_s, f"no answer within {timeout_s:g} s")

    def end(self) -> float:
        """End the process; return the CPU seconds of its whole life."""
        before = _children_s()
        self._process.kill()
        self._process.join()
        self.connection.close()
        return _children_s() - before

    def receive(self) -> Any:
        received = self.connection.recv()
        if isinstance(received, InputError):
            raise received
        return received


def do_apart(
    work: Work,
    units: Iterator[tuple[Any, Any]],
    n_workers: int,
    timeout_s: float | None = None,
    answer: Callable[[Any, Any], Any] | None = None,
) -> Iterator[tuple[Any, Outcome]]:
    """Do ``work(unit, ask)`` for each (name, unit) in processes of one thread; yield (name, outcome) as they arrive.

    A process that takes longer than timeout_s (seconds) for one unit, or dies of it, is replaced by a fresh one. While
    a unit is done, ``ask(question)`` returns ``answer(name, question)``, which this process gives between units. The
    next unit is taken when a process is free. Raises an InputError that ``work`` raises; any other error ends its
    process. Left early, all processes are ended.
    """
    idle: list[_Worker] = []
    busy: list[_Worker] = []
    try:
        while True:
            while len(busy) < n_workers and (unit := next(units, None)) is not None:
                worker = idle.pop() if idle else _Worker(work)
                busy.append(worker)
                worker.begin(*unit, timeout_s)
            if not busy:
                return
            left_s = min(worker.left_s for worker in busy)
            ready = wait([worker.connection for worker in busy], None if left_s == float("inf") else max(0.0, left_s))
            for worker in [one for one in busy if one.connection in ready or one.left_s <= 0]:
                outcome = worker.outcome(answer) if worker.connection in ready else worker.give_up(timeout_s or 0.0)
                if outcome is None:
                    continue
                busy.remove(worker)
                if worker.alive:
                    idle.append(worker)
                yield worker.name, outcome
    finally:
        for worker in (*busy, *idle):
            if worker.alive:
                worker.end()


def _serve(connection: Connection, pickled: bytes) -> None:
    """What the process does: say that it is there, then do units of work until the other side is closed.

    It ends with its parent before it has read the work, too, which may import for many seconds.
    """
    begin_worker()
    work: Work = pickle.loads(pickled)
    connection.send((False, time.process_time()))

    def ask(question: Any) -> Any:
        connection.send((True, question))
        return connection.recv()

    while True:
        try:
            value = work(connection.recv(), ask)
        except EOFError:
            return
        except KeyboardInterrupt:  # SIGTERM to all processes of a job, in a training: there is nobody left to tell
            raise SystemExit(128 + signal.SIGTERM) from None
        except InputError as error:
            connection.send(error)
        else:
            connection.send((False, value, time.process_time()))


def _children_s() -> float:
    """CPU seconds of all processes of this one that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
