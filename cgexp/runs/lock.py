"""A lock file keeps two processes out of one run or one data cache; the system frees it when a process dies."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cgexp.errors import InputError


@contextmanager
def lock(folder: Path, wait: bool = False) -> Iterator[None]:
    """Hold ``folder/.lock``. Another holder is waited for (``wait``) or reported in an InputError."""
    require_writable(folder)
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _acquire(handle, folder, wait)
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        yield
    finally:
        os.close(handle)


def require_writable(folder: Path) -> None:
    """Make ``folder``; InputError if it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / ".lock", "ab"):
            pass
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror}; choose a writable directory with outputs=<directory>"
        ) from error


def _acquire(handle: int, folder: Path, wait: bool) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    except OSError:
        holder = os.pread(handle, 32, 0).decode(errors="replace") or "unknown"
    if not wait:
        raise InputError(
            f"another process (pid {holder}) works in {folder}: wait until it has finished, or stop it and run again"
        )
    print(f"waiting for process {holder}, which works in {folder}", file=sys.stderr)
    fcntl.flock(handle, fcntl.LOCK_EX)
