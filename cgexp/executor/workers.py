"""Workers elsewhere: what executors of Dask and of SLURM have in common, behind the face of ``concurrent.futures``."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures import wait as wait_for
from contextlib import AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from cgexp.executor.local import use_one_thread
from cgexp.parts.part import Part

Result = TypeVar("Result")


class Workers(Part, ABC):
    """Where units of work run: the config group ``executor``."""

    @abstractmethod
    def open(self) -> AbstractContextManager[RemoteExecutor]:
        """The executor, within. Raises InputError where there are no workers."""


class RemoteExecutor(Executor, ABC):
    """An executor whose workers are elsewhere.

    A worker that dies costs a retry of its unit; a unit that several die of ends with BrokenExecutor. Left by an
    exception, Ctrl-C included, what has not begun is taken back, and what comes of the rest is not waited for.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[Future[Any]] = set()

    @property
    @abstractmethod
    def n_workers(self) -> int:
        """How many units are done at a time."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        future: Future[Result] = Future()
        with self._lock:
            self._open.add(future)
        future.add_done_callback(self._forget)
        self.begin(future, partial(fn, *args, **kwargs))
        return future

    @abstractmethod
    def begin(self, future: Future[Any], work: Callable[[], Any]) -> None:
        """Have a worker do the work, and see to it that the future is given what comes of it, or cancels it."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        with self._lock:
            left = list(self._open)
        if cancel_futures:
            for future in left:
                future.cancel()
        if wait:
            wait_for(left)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            self._open.discard(future)


def on_worker(work: Callable[[], Result]) -> Result:
    """Do a unit of work in the process of a worker, with one thread."""
    use_one_thread()
    return work()
