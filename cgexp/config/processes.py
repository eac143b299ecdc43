"""The processes of a sweep: they end with the one that began them, and use one thread unless told otherwise."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from cgexp.executor.process import end_with

THREADS = "OMP_NUM_THREADS"
LOOK_AGAIN_S = 0.5  # how soon an interruption that was thrown away is raised again


def is_told_threads() -> bool:
    """Whether the user has said how many threads to use."""
    return THREADS in os.environ


def serve(parent: int, told_threads: bool) -> None:
    """Set up a process that does jobs for ``parent``: it ends with it, and has one thread unless told otherwise.

    A job that a cluster runs elsewhere is not a child of the parent, and keeps its life and its threads.
    """
    name = f"ends-with-{parent}"
    if os.getppid() != parent or any(thread.name == name for thread in threading.enumerate()):
        return
    threading.Thread(target=end_with, args=(parent,), name=name, daemon=True).start()
    if not told_threads:
        os.environ[THREADS] = "1"
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)


def begin_worker(parent: int, told_threads: bool) -> None:
    """As ``serve``, the first thing that a worker process does; it ends at once if ``parent`` has died meanwhile."""
    if os.getppid() != parent:
        os._exit(1)
    serve(parent, told_threads)


@contextmanager
def joblib_workers_begin_so() -> Iterator[None]:
    """Processes that joblib starts, within, end with this one from their beginning on, not from their first job on."""
    try:
        from joblib.parallel import LokyBackend, register_parallel_backend
    except ImportError:  # of the extra 'cluster'
        yield
        return

    class EndingWithParent(LokyBackend):  # type: ignore[misc]
        def configure(self, *args: Any, **settings: Any) -> int:
            begin = {"initializer": begin_worker, "initargs": (os.getpid(), is_told_threads())}
            return int(super().configure(*args, **settings, **begin))

    register_parallel_backend("loky", EndingWithParent)
    try:
        yield
    finally:
        register_parallel_backend("loky", LokyBackend)


def may_fork() -> bool:
    """Whether a fork of this process is safe: on Linux, before torch and threads, which a fork would have halves of."""
    return sys.platform == "linux" and "torch" not in sys.modules and threading.active_count() == 1


def forked(work: Callable[[], None]) -> None:
    """Do ``work`` in a fork of this process, which ends with it; what takes a fresh process a second is there at once.

    Raises BrokenExecutor if the fork dies.
    """
    parent, told = os.getpid(), is_told_threads()

    def begun() -> None:
        begin_worker(parent, told)
        with suppress(KeyboardInterrupt):  # which this process is told of, too
            work()

    process = multiprocessing.get_context("fork").Process(target=begun)
    with ends_on_terminate():
        process.start()
        try:
            process.join()
        finally:
            if process.is_alive():
                process.kill()
                process.join()
    if process.exitcode:
        raise BrokenExecutor(f"its process ended with exit code {process.exitcode}")


@contextmanager
def slurm_jobs_end_together() -> Iterator[None]:
    """Jobs of submitit, within: those that are lost (scancel, a dead node) are told of when the others have ended.

    Left by an exception, Ctrl-C included, all are cancelled. Raises BrokenExecutor where one is lost.
    """
    try:
        import submitit
        from submitit.core.utils import FailedJobError, UncompletedJobError
    except ImportError:  # of the extra 'cluster'
        yield
        return

    class Patient(submitit.AutoExecutor):  # type: ignore[misc]
        def map_array(self, *args: Any, **settings: Any) -> Any:
            jobs = super().map_array(*args, **settings)
            try:
                for job in jobs:
                    job.wait()
            except BaseException:
                for job in jobs:
                    job.cancel()
                raise
            return jobs

    before, submitit.AutoExecutor = submitit.AutoExecutor, Patient
    try:
        yield
    except FailedJobError:
        raise
    except UncompletedJobError as error:
        raise BrokenExecutor(str(error)) from error
    finally:
        submitit.AutoExecutor = before


@contextmanager
def threads_for(n_beads: int) -> Iterator[None]:
    """One thread for a toy, within, unless the user has said how many: more are slower, above all beside other work."""
    if n_beads > 1 or is_told_threads():
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def ends_on_terminate() -> Iterator[None]:
    """SIGTERM is as Ctrl-C, within: launchers then end the processes that they have begun.

    What it raises leaves this context for sure: where it is thrown away on its way (Python ignores what is raised in a
    ``__del__`` or a callback of C), it is raised again within a second, and at the end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    termination = _Termination()
    before = signal.signal(signal.SIGTERM, termination)
    try:
        yield
        termination.raise_what_was_kept()
    finally:
        termination.is_over.set()
        signal.signal(signal.SIGTERM, before)


class _Terminated(KeyboardInterrupt):
    """What SIGTERM raises: a class of our own, since only such can be referred to weakly."""


class _Termination:
    """A handler of SIGTERM that raises, and looks whether what it has raised is still on its way."""

    def __init__(self) -> None:
        self.is_over = threading.Event()
        self._main = threading.get_ident()
        self._raised: weakref.ref[_Terminated] | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        raise self._new()  # no name for it here: the traceback holds this frame, which would then hold it

    def _new(self) -> _Terminated:
        terminated, is_first = _Terminated(), self._raised is None
        self._raised = weakref.ref(terminated)
        if is_first:
            threading.Thread(target=self._look_again, name="looks-after-sigterm", daemon=True).start()
        return terminated

    def _look_again(self) -> None:
        while not self.is_over.wait(LOOK_AGAIN_S):
            if self._raised is not None and self._raised() is None:
                signal.pthread_kill(self._main, signal.SIGTERM)  # which ends a system call that waits, too

    def raise_what_was_kept(self) -> None:
        """Raise KeyboardInterrupt if SIGTERM has come: somebody holds what was raised, but does not pass it on."""
        if self._raised is not None:
            raise KeyboardInterrupt
