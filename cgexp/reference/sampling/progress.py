"""Progress of a long sampling: steps done, rate, time left."""

from __future__ import annotations

import threading
import time

from cgexp.progress import Progress, Report

PS_PER_DAY_IN_NS = 86.4  # ns/day for 1 ps/s


class Stopped(Exception):
    """Raised in every walker once one has failed or the run was interrupted."""


class Tally:
    """Counts the steps of all walkers, from several threads, and reports them to ``progress``.

    total: steps in all. time_step: ps.
    """

    def __init__(self, total: int, time_step: float, progress: Report | None = None) -> None:
        self.total, self.time_step = total, time_step
        self.done = self.skipped = 0
        self.progress = progress or Progress("sampling: step")
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self._stopped = False

    def skip(self, n_steps: int) -> None:
        """Count steps that an earlier run has made: done, but not part of the rate."""
        with self._lock:
            self.done += n_steps
            self.skipped += n_steps

    def add(self, n_steps: int) -> None:
        """Count steps just made; raises Stopped after ``stop``."""
        with self._lock:
            if self._stopped:
                raise Stopped
            self.done += n_steps
            self.progress(self.done, self.total, self._text())

    def stop(self) -> None:
        """Make every walker end at its next report."""
        self._stopped = True

    def _text(self) -> str:
        seconds = max(time.monotonic() - self._start, 1e-9)
        rate = max(self.done - self.skipped, 1) / seconds
        return f"{rate * self.time_step * PS_PER_DAY_IN_NS:.0f} ns/day"
