"""Warnings and remarks, beside results and progress: by ``logging``, on stderr where the command line runs."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

PACKAGE = "cgexp"
PREFIXES = {logging.WARNING: "cgexp: warning: ", logging.ERROR: "cgexp: "}


class Screen(logging.Handler):
    """Prints messages on stderr, a line each; a warning only once."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = PREFIXES.get(record.levelno, "") + " ".join(record.getMessage().split())
        if record.levelno == logging.WARNING:
            if text in self._shown:
                return
            self._shown.add(text)
        print(text, file=sys.stderr, flush=True)


@contextmanager
def on_screen() -> Iterator[None]:
    """Show the package's messages, and Python's warnings, on stderr within; without it, logging's own rules hold."""
    log, screen = logging.getLogger(PACKAGE), Screen()
    level, before = log.level, warnings.showwarning
    log.addHandler(screen)
    log.setLevel(logging.INFO)
    warnings.showwarning = _as_message
    try:
        yield
    finally:
        warnings.showwarning = before
        log.setLevel(level)
        log.removeHandler(screen)


def is_on_screen() -> bool:
    """Whether the package's messages are shown, so that a process begun by this one shows its own, too."""
    return any(isinstance(handler, Screen) for handler in logging.getLogger(PACKAGE).handlers)


@contextmanager
def only_from(level: int) -> Iterator[None]:
    """Hide progress and what is told below a level of ``logging``, within."""
    logs = [logging.getLogger(name) for name in (PACKAGE, f"{PACKAGE}.progress")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(level)
    try:
        yield
    finally:
        for log, before in zip(logs, levels, strict=True):
            log.setLevel(before)


def _as_message(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    logging.getLogger(PACKAGE).warning("%s", message)
