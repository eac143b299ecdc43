"""Temporary folders for Hydra's own files of a sweep."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from cgexp.errors import InputError
from cgexp.runs.lock import lock

FOLDER = ".sweeps"
KEPT_DAYS = 30  # logs of jobs on a cluster


@contextmanager
def sweep_folder(outputs: Path) -> Iterator[Path]:
    """A folder of this sweep alone, removed at its end; those that killed sweeps have left are removed, too.

    One that holds submitit's logs of jobs on a cluster is kept for 30 days.
    """
    folder = outputs / FOLDER / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{os.getpid()}"
    for other in (outputs / FOLDER).glob("*/"):
        _remove(other)
    with lock(folder):
        yield folder
    _remove(folder)


def _remove(folder: Path) -> None:
    """Remove the folder of a sweep that has ended, unless its logs may still be wanted."""
    logs = folder / ".submitit"
    if logs.is_dir() and time.time() - logs.stat().st_mtime < KEPT_DAYS * 86400:
        return
    try:
        with lock(folder):
            shutil.rmtree(folder, ignore_errors=True)
    except InputError:  # a sweep that is running, or a folder of someone else
        return
