"""A run's simulation in the formats of molecular viewers: a PDB with the topology, and an XTC or DCD a replica.

Coordinates are those of the simulation, not superposed. A frozen replica ends where it failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cgexp.build import build
from cgexp.datasets.recipe import Recipe
from cgexp.errors import InputError
from cgexp.interfaces.viewers import FORMATS, TOPOLOGY, FrameFormat, topology_of, trajectory_name, write_pdb
from cgexp.runs.folder import RunFolder, require_no_links
from cgexp.simulation.trajectory import Trajectory
from cgexp.store import read_json, write_bytes, write_json
from cgexp.systems.base import System

SIDECAR = "export.json"


def export(
    run: Path, to: Path | None = None, format: str = "xtc", every: int = 1, replicas: Sequence[int] | None = None
) -> dict[str, Any]:
    """Write the simulation of the run in folder ``run`` into ``to`` (None: its folder ``export``); return the sidecar.

    format: 'xtc' (compressed, 0.01 Å) or 'dcd' (float32). every: keeps each so many saved frames. replicas: which; None
    takes all. The files are topology.pdb, one trajectory for each replica, and export.json, which says what is in
    them and is written last. Raises InputError if the run is of a toy, has no simulation, or lacks such a replica.
    """
    folder = RunFolder(Path(run))
    require_no_links(folder.path)
    system = build(folder.read_config()["dataset"], Recipe).system
    if not system.bead_atoms:
        raise InputError(f"{run} is a run of {system.name}, {system.kind}: only molecules have a topology to export")
    trajectory = Trajectory.load(folder.trajectory)
    n_replicas = trajectory.coords.shape[1]
    chosen = list(range(n_replicas)) if replicas is None else list(dict.fromkeys(replicas))
    for replica in chosen:
        if not 0 <= replica < n_replicas:
            raise InputError(f"{run} has no replica {replica}: expected 0 to {n_replicas - 1}")
    target = folder.path / "export" if to is None else Path(to)
    _clear(target)
    write_pdb(target / TOPOLOGY, topology_of(system), trajectory.coords[0, chosen[0]])
    dt, between = trajectory.settings["dt"], trajectory.settings["save_every"]
    made = FORMATS[format](system.n_beads, dt, between, between * every, system.symmetry.box)
    files = [_export_replica(trajectory, replica, every, target, made) for replica in chosen]
    sidecar = _sidecar(trajectory, system, every) | {"topology": TOPOLOGY, "trajectories": files}
    write_json(target / SIDECAR, sidecar)
    return sidecar


def _export_replica(
    trajectory: Trajectory, replica: int, every: int, target: Path, format: FrameFormat
) -> dict[str, Any]:
    """Write the file of one replica, unless it failed before its first frame; say what is in it."""
    frames = np.flatnonzero(trajectory.time < _failed_at(trajectory, replica))[::every]
    name = trajectory_name(replica, format) if len(frames) else None
    if name is not None:
        steps = np.rint(trajectory.time[frames] / format.dt).astype(np.int64)
        write_bytes(
            target / name, format.header(len(frames)) + format.frames(trajectory.coords[frames, replica], steps)
        )
    return {
        "file": name,
        "replica": replica,
        "n_frames": len(frames),
        "failed": not trajectory.alive[replica],
        "times_ps": trajectory.time[frames[[0, -1]]].tolist() if len(frames) else [],
    }


def _failed_at(trajectory: Trajectory, replica: int) -> float:
    """Time at which a replica was frozen; of a ladder, its study rung."""
    times = [f["time"] for f in trajectory.failures if f["replica"] == replica and f.get("rung", 0) == 0]
    return float(min(times, default=np.inf))


def _sidecar(trajectory: Trajectory, system: System, every: int) -> dict[str, Any]:
    settings = trajectory.settings
    return {
        "system": system.name,
        "temperature_K": settings["temperature"],
        "frame_interval_ps": settings["dt"] * settings["save_every"] * every,
        "time": "of the coarse-grained dynamics, which is no physical time",
        "simulation_finished": trajectory.finished,
        "continuous": trajectory.continuous,
        "note": (
            "a trajectory is one walker"
            if trajectory.continuous
            else "parallel tempering: a trajectory is the study temperature of a ladder, which walkers visit in turn"
        ),
    }


def _clear(target: Path) -> None:
    """Make the folder, or remove the files of an earlier export, which this one may not overwrite all."""
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot write to {target}: {error.strerror}; choose another folder with to=<folder>"
        ) from error
    if (target / SIDECAR).is_file():
        for entry in read_json(target / SIDECAR)["trajectories"]:
            if entry["file"]:
                (target / Path(entry["file"]).name).unlink(missing_ok=True)
        (target / SIDECAR).unlink()
