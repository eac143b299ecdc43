"""Whose simulation lies in a trajectory's folder, which may be a link, as to scratch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cgexp.errors import InputError
from cgexp.simulation.trajectory import HEADER
from cgexp.store import read_record, write_record

MARK = "of_run.json"  # in the folder of a trajectory: of which run's folder it is, as a hash of its path


def require_own(trajectory: Path) -> None:
    """Raise InputError if a trajectory is a link to no folder, or to one that holds, or may hold, another simulation.

    The folder that it leads to says whose it is, since the run with the link may be somebody else's.
    """
    if not trajectory.is_symlink():
        return
    if not trajectory.is_dir():
        raise InputError(f"{trajectory} is a link to a folder that is not there: make that folder, or remove the link")
    if not _holds_something(trajectory):
        return
    try:
        own = read_record(trajectory / MARK).get("folder") == _name(trajectory)
    except InputError:
        own = False
    if not own:
        raise InputError(
            f"{trajectory} is a link to {trajectory.resolve()}, which holds a simulation that is not known to be of "
            "this run, and is not deleted or written to: put the folder itself in the link's place, or remove the link"
        )


def claim_folder(trajectory: Path) -> None:
    """Write down, in a trajectory's folder, whose it is. Raises InputError as ``require_own``."""
    require_own(trajectory)
    write_record(trajectory / MARK, {"folder": _name(trajectory)})


def _holds_something(trajectory: Path) -> bool:
    return (trajectory / HEADER).exists() or any(trajectory.glob("chunk-*.npz"))


def _name(trajectory: Path) -> str:
    path = trajectory.parent.resolve() / trajectory.name
    return hashlib.sha256(str(path).encode()).hexdigest()
