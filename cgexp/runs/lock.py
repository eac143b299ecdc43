"""A lock file keeps two processes out of one run or one data cache; the system frees it when a process dies."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cgexp.errors import InputError, not_written
from cgexp.store import UNFINISHED

LOCK, HOLDER = ".lock", ".lock.holder"
log = logging.getLogger(__name__)


@contextmanager
def lock(folder: Path, wait: bool = False) -> Iterator[None]:
    """Hold ``folder/.lock``. Another holder is waited for (``wait``) or reported in an InputError.

    Who holds it is written beside it, and means something only as long as the lock is held. Files that a killed holder
    had not written to their end are removed.
    """
    require_writable(folder)
    if (folder / HOLDER).is_symlink():
        raise InputError(f"{folder / HOLDER} is a link, which is not followed: delete it")
    held, holder = FileLock(folder / LOCK), folder / HOLDER
    try:
        held.acquire(blocking=False)
    except Timeout:
        who = _read(holder)
        if not wait:
            raise InputError(
                f"another process ({who}) works in {folder}: wait until it has finished, or stop it and run again"
            ) from None
        log.info("waiting for another process (%s), which works in %s", who, folder)
        held.acquire()
    try:
        _remove_unfinished(folder)
        holder.write_text(f"pid {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        holder.unlink(missing_ok=True)
        held.release()


def require_writable(folder: Path) -> None:
    """Make ``folder``; InputError if it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / LOCK).is_symlink():
            raise InputError(f"{folder / LOCK} is a link, which is not followed: delete it")
        with open(folder / LOCK, "ab"):
            pass
    except OSError as error:
        raise not_written(error, folder) from error


def held_by(folder: Path) -> str | None:
    """Who holds the lock of ``folder``, as far as can be known; None if nobody does. Writes nothing."""
    if not (folder / HOLDER).is_file():
        return None
    probe = FileLock(folder / LOCK)
    try:
        probe.acquire(blocking=False)
    except Timeout:
        return _read(folder / HOLDER)
    except OSError:  # somebody else's folder
        return None
    probe.release()
    return None  # a process that was killed has left its name


def _remove_unfinished(folder: Path) -> None:
    """Remove what ``store.write_bytes`` had begun below a folder, but for folders with locks of their own."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not os.path.lexists(os.path.join(place, name, LOCK))]
        for name in files:
            if name.startswith(".") and name.endswith(UNFINISHED):
                Path(place, name).unlink(missing_ok=True)


def _read(holder: Path) -> str:
    try:
        return holder.read_text(errors="replace")[:200] or "unknown"
    except OSError:
        return "unknown"
