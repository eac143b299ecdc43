"""Progress on the screen: steps, rate and time left; in place on a terminal, a line now and then in a file."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import TextIO

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)  # shown unless the level of this logger is raised (messages.only_from)
Report = Callable[[int, int, str], None]  # (done, total, text); called often, so it must be cheap


def silent(done: int, total: int, text: str = "") -> None:
    """Report nothing."""


class Progress:
    """A callable ``progress(done, total, text)`` that prints at most every few seconds, and at the end."""

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self.label = label
        self.stream = stream or sys.stderr
        self.terminal = self.stream.isatty()
        self.interval = 0.5 if self.terminal else 15.0
        self._start: tuple[float, int] | None = None
        self._shown = time.monotonic()

    def __call__(self, done: int, total: int, text: str = "") -> None:
        if not log.isEnabledFor(logging.INFO):
            return
        now = time.monotonic()
        if self._start is None:
            self._start = (now, done)  # a resumed run must not count the work of the run before
        finished = done >= total
        if not finished and now - self._shown < self.interval:
            return
        self._shown = now
        began, first = self._start
        rate = (done - first) / max(now - began, 1e-9)
        left = f", {duration((total - done) / rate)} left" if rate > 0 and not finished else ""
        speed = f", {rate:.3g}/s" if rate > 0 else ""
        line = f"{self.label}: {done}/{total}{speed}{left}{'  ' + text if text else ''}"
        if self.terminal:
            self.stream.write(f"\r\x1b[K{line}" + ("\n" if finished else ""))
        else:
            self.stream.write(line + "\n")
        self.stream.flush()


def duration(seconds: float) -> str:
    """Seconds as 12s, 3m20s or 2h05m."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
