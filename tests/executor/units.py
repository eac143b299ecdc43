"""Units of work that misbehave; importing them takes a worker no time."""

from __future__ import annotations

import os
import signal
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
