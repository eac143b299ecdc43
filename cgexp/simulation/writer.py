"""Writing chunks of a trajectory while the dynamics goes on."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from cgexp.store import Arrays, Chunks


class BackgroundWriter:
    """Appends chunks in order, in a thread of its own, at most one at a time: the next one waits for it.

    A context: leaving it waits until everything is on disk. What goes wrong in the thread is raised here, by the next
    ``append`` or on leaving. Arrays and metadata must not change after they are handed over.
    """

    def __init__(self, chunks: Chunks) -> None:
        self.chunks = chunks
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trajectory")
        self._pending: Future[None] | None = None

    def append(self, arrays: Arrays, meta: Mapping[str, Any]) -> None:
        """Hand over the next chunk."""
        self.wait()
        self._pending = self._thread.submit(self.chunks.append, arrays, meta)

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
