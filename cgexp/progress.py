"""Progress on the screen: steps, rate and time left; in place on a terminal, a line now and then in a file."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable
from typing import TextIO

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)  # shown unless the level of this logger is raised (messages.only_from)
KEEP_EVERY_S = 2.0
Report = Callable[[int, int, str], None]  # (done, total, text); called often, so it must be cheap


def silent(done: int, total: int, text: str = "") -> None:
    """Report nothing."""


Keep = Callable[[dict[str, object]], None]


class Progress:
    """A callable ``progress(done, total, text)`` that prints at most every few seconds, and at the end.

    keep: is told the same, as label, done, total, seconds left (None: not known) and text, for others who look at the
    work from elsewhere; also where nothing is shown. of: whose progress it is, where several write side by side.
    """

    def __init__(self, label: str, stream: TextIO | None = None, keep: Keep | None = None, of: str = "") -> None:
        self.label, self.keep, self.of = label, keep, of
        self.stream = stream or sys.stderr
        self.terminal = self.stream.isatty()
        self.interval = 0.5 if self.terminal else 15.0
        self._start: tuple[float, int] | None = None
        self._shown = time.monotonic()
        self._kept = -math.inf

    def __call__(self, done: int, total: int, text: str = "") -> None:
        now = time.monotonic()
        if self._start is None:
            self._start = (now, done)  # a resumed run must not count the work of the run before
        finished = done >= total
        began, first = self._start
        rate = (done - first) / max(now - began, 1e-9)
        if self.keep is not None and (finished or now - self._kept >= KEEP_EVERY_S):
            self._kept = now
            seconds = (total - done) / rate if rate > 0 else None
            self.keep({"label": self.label, "done": done, "total": total, "left_s": seconds, "text": text})
        if not log.isEnabledFor(logging.INFO) or (not finished and now - self._shown < self.interval):
            return
        self._shown = now
        left = f", {duration((total - done) / rate)} left" if rate > 0 and not finished else ""
        speed = f", {rate:.3g}/s" if rate > 0 else ""
        line = (
            f"{self.of + ' ' if self.of else ''}{self.label}: {done}/{total}{speed}{left}{'  ' + text if text else ''}"
        )
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
