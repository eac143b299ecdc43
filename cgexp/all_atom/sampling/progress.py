"""Progress of a long sampling: steps done, rate, time left."""

from __future__ import annotations

import time

from cgexp.progress import Progress, Report

PS_PER_DAY_IN_NS = 86.4  # ns/day for 1 ps/s


class Tally:
    """Counts the steps of all walkers, a finished segment at a time, and reports them to ``progress``.

    total: steps in all. time_step: ps.
    """

    def __init__(self, total: int, time_step: float, progress: Report | None = None) -> None:
        self.total, self.time_step = total, time_step
        self.done = self.skipped = 0
        self.progress = progress or Progress("sampling: step")
        self._start = time.monotonic()

    def skip(self, n_steps: int) -> None:
        """Count steps that an earlier run has made: done, but not part of the rate."""
        self.done += n_steps
        self.skipped += n_steps

    def add(self, n_steps: int) -> None:
        """Count steps just made."""
        self.done += n_steps
        self.progress(self.done, self.total, self._text())

    def _text(self) -> str:
        made = self.done - self.skipped
        if not made:
            return ""
        rate = made / max(time.monotonic() - self._start, 1e-9)
        return f"{rate * self.time_step * PS_PER_DAY_IN_NS:.3g} ns/day"
