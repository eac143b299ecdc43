"""Asking the oracle, one configuration at a time, in processes that can be ended; answers, a file each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.executor.apart import do_apart
from cgexp.executor.workers import Workers
from cgexp.frames import ARRAYS, Frames
from cgexp.oracles.jobs import WorkerDied
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


def ask(oracle: Oracle, configuration: Coords, store: Path, executor: Executor | None = None) -> Answer:
    """Label one configuration [n_beads, n_dims]; whatever the oracle raises becomes an answer, but for InputError.

    store: folder for the oracle's own files. executor: as for ``Oracle.label``.
    """
    began = time.process_time()
    try:
        labels = oracle.label(configuration[None], folder=store, executor=executor)
    except WorkerDied as error:
        return Answer(None, str(error), time.process_time() - began, broken=True)
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


def ask_apart(
    oracle: Oracle, coords: Coords, todo: Iterator[int], store: Path, n_workers: int, timeout_s: float | None
) -> Iterator[tuple[int, Answer]]:
    """Yield (index, answer) for each index in ``todo``, as they arrive from ``n_workers`` processes.

    coords: [n, n_beads, n_dims]. A process that takes longer than timeout_s (seconds) for one configuration, or dies
    of it, is replaced by a fresh one.
    """
    units = ((index, coords[index]) for index in todo)
    for index, outcome in do_apart(partial(_asked, oracle, store), units, n_workers, timeout_s):
        lost = Answer(None, outcome.problem, outcome.cost_s, broken=True)
        yield index, lost if outcome.problem else outcome.value


def ask_elsewhere(
    oracle: Oracle, coords: Coords, todo: Iterator[int], store: Path, workers: Workers
) -> Iterator[tuple[int, Answer]]:
    """As ``ask_apart``, with the oracle's work on ``workers``, as many configurations at a time as they are."""
    with workers.open() as executor, ThreadPoolExecutor(executor.n_workers) as threads:
        asked: dict[Future[Answer], int] = {}
        try:
            while True:
                for index in islice(todo, executor.n_workers - len(asked)):
                    asked[threads.submit(ask, oracle, coords[index], store, executor)] = index
                if not asked:
                    return
                for future in wait(asked, return_when=FIRST_COMPLETED).done:
                    yield asked.pop(future), future.result()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)  # what the threads wait for


def _asked(oracle: Oracle, store: Path, configuration: Coords, _: object) -> Answer:
    return ask(oracle, configuration, store)
