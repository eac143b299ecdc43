"""Units of work that misbehave; importing them takes a worker no time."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path


def dies_once(marker: Path) -> int:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def dies(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def marks(marker: Path, seconds: float) -> None:
    time.sleep(seconds)
    marker.touch()


def sleeps(marker: Path) -> None:
    """Sleep for long, after having said in which process."""
    unfinished = marker.with_suffix(".part")
    unfinished.write_text(str(os.getpid()))
    unfinished.replace(marker)
    time.sleep(600)


def tells() -> tuple[str, str | None, int, bool]:
    """Directory, a variable, process, and whether this is its main thread."""
    is_main = threading.current_thread() is threading.main_thread()
    return os.getcwd(), os.environ.get("CGEXP_TEST"), os.getpid(), is_main


def sleeps_once(marker: Path) -> int:
    """Sleep for long at the first time, return 2 at the second."""
    if marker.exists():
        return 2
    sleeps(marker)
    return 1
