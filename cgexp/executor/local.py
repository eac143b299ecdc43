"""Local executors: this process, or processes of one thread each, of which none is left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_all_start_methods, get_context, get_start_method, parent_process, set_start_method
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from types import TracebackType
from typing import Any, TypeVar

Result = TypeVar("Result")


def local_executor(n_parallel: int) -> Executor:
    """An executor with ``n_parallel`` processes of one thread each; with one, work runs in this process instead.

    Used as a context manager. Left by an exception, Ctrl-C included, it ends its processes at once, whatever they do;
    they also end when this process dies.
    """
    return InlineExecutor() if n_parallel == 1 else ProcessPool(n_parallel)


class InlineExecutor(Executor):
    """Runs what is submitted before ``submit`` returns, in this process."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        future: Future[Result] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def spawning() -> SpawnContext:
    """multiprocessing's context of fresh processes, since OpenMM and its threads do not survive a fork.

    A new process takes over its parent's default start method. In a job of joblib this is joblib's own, which the new
    process does not know and would die of; it is set to spawn there.
    """
    if get_start_method(allow_none=True) not in (None, *get_all_start_methods()):
        set_start_method("spawn", force=True)
    return get_context("spawn")


class ProcessPool(ProcessPoolExecutor):
    """Fresh processes (``spawning``), tied to the life of this one.

    A script that uses it must do so under ``if __name__ == "__main__":``, as with all of multiprocessing.
    """

    def __init__(self, n_processes: int) -> None:
        context = spawning()
        # Workers watch one end of a pipe whose other end only this process holds: it closes when the process dies.
        self._watched, self._held = context.Pipe(duplex=False)
        super().__init__(n_processes, mp_context=context, initializer=begin_worker, initargs=(self._watched,))

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        # Processes begin here and inherit what is blocked: Ctrl-C is for the main process, which ends them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._held.close()
        self.shutdown(wait=True, cancel_futures=kind is not None)
        self._held.close()
        self._watched.close()


def begin_worker(watched: Connection | None = None) -> None:
    """Set this process up as a worker: one thread, deaf to Ctrl-C, which is for its parent; it ends with its parent.

    watched: one end of a pipe on which nothing is sent; the worker also ends when the other end is closed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    use_one_thread()
    parent = parent_process()
    assert parent is not None
    ends = [parent.sentinel, *([] if watched is None else [watched])]
    threading.Thread(target=_end_with, args=(ends,), daemon=True).start()


def use_one_thread() -> None:
    """Have this process compute on one thread."""
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENMM_CPU_THREADS": "1"}
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _end_with(ends: list[Any]) -> None:
    wait(ends)
    os._exit(1)
