"""Stream: a long simulation's frames go into viewers' files as they are made; a checkpoint says from where it goes on.

The folder holds topology.pdb, a trajectory for each replica, observables.csv with a row for each saved frame, and
checkpoint.npz: the state of all replicas and the sizes of those files. A chunk's frames are added and synced first, and
the checkpoint replaces the one before then. What a kill left beyond its sizes is cut off when the simulation goes on,
so that the files are those of a simulation that ran through, byte for byte.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.observables import end_to_end, radius_of_gyration
from cgexp.errors import InputError, not_written
from cgexp.interfaces.viewers import FrameFormat, trajectory_name
from cgexp.store import Arrays, read_arrays, write_arrays
from cgexp.systems.base import System
from cgexp.systems.metric import superposed_rmsd

CHECKPOINT, OBSERVABLES = "checkpoint.npz", "observables.csv"
FRAMES = ("coords", "step", "energy")  # arrays of a chunk that no simulation needs to go on


@dataclass
class Stream:
    """Takes the chunks of a simulation (``trajectory.Store``).

    format: of the trajectories. n_rungs: temperatures of a ladder, 1 without tempering. A replica's file ends where the
    replica failed. describe: writes the files beside them that do not grow, with the first frames.
    """

    folder: Path
    system: System
    format: FrameFormat
    n_replicas: int
    n_rungs: int = 1
    describe: Callable[[], None] = lambda: None

    @property
    def names(self) -> list[str]:
        """The files that grow."""
        return [OBSERVABLES, *(trajectory_name(replica, self.format) for replica in range(self.n_replicas))]

    def latest(self) -> tuple[Arrays, Mapping[str, Any]] | None:
        """State and metadata of the checkpoint; the files are cut to the sizes it names.

        Raises InputError if one of them is shorter, or missing, or the checkpoint is of something else.
        """
        checkpoint = self.folder / CHECKPOINT
        arrays, meta = read_arrays(checkpoint) if checkpoint.is_file() else ({}, {"sizes": {}})
        if "sizes" not in meta:
            raise InputError(
                f"{checkpoint} is no checkpoint of a long simulation: bring its own back, or begin again in another "
                "folder"
            )
        for name in self.names:
            self._cut(self.folder / name, meta["sizes"].get(name))
        return (arrays, meta) if arrays else None

    def append(self, arrays: Arrays, meta: Mapping[str, Any]) -> None:
        """Add the frames to the files, then write the checkpoint."""
        coords, steps = arrays["coords"], arrays["step"]
        if not (self.folder / CHECKPOINT).is_file():
            self.describe()
        failed = {
            failure["replica"] // self.n_rungs: failure["step"]
            for failure in reversed(meta["failures"])
            if failure["replica"] % self.n_rungs == 0
        }
        alive = np.array([[step < failed.get(r, np.inf) for r in range(self.n_replicas)] for step in steps])
        alive = alive.reshape(len(steps), self.n_replicas)
        rows = "".join(self._rows(coords, steps, alive, arrays.get("energy")))
        sizes = {OBSERVABLES: self._add(OBSERVABLES, ",".join(self.columns) + "\n", rows)}
        for replica in range(self.n_replicas):
            kept = alive[:, replica]
            name = trajectory_name(replica, self.format)
            frames = self.format.frames(coords[kept, replica], steps[kept]) if kept.any() else b""
            sizes[name] = self._add(name, self.format.header(), frames)
        state = {name: array for name, array in arrays.items() if name not in FRAMES}
        write_arrays(self.folder / CHECKPOINT, state, {**meta, "sizes": sizes})

    @property
    def columns(self) -> list[str]:
        """Of observables.csv; mean and standard deviation are over the replicas that have not failed."""
        both = [column for name in self._measured_names for column in (name, f"{name}_std")]
        return ["step", "time_ps", "n_replicas", *both, *(f"share_{basin}" for basin in self.system.basins)]

    @property
    def _measured_names(self) -> list[str]:
        rmsd = [] if self.system.native_structure is None else ["rmsd_angstrom"]
        return ["energy_kcal_mol", "rg_angstrom", "end_to_end_angstrom", *rmsd]

    def _rows(
        self, coords: NDArray[np.floating], steps: NDArray[np.int64], alive: NDArray[np.bool_],
        energy: NDArray[np.float64] | None,
    ) -> Iterator[str]:  # fmt: skip
        for frame, step in enumerate(steps):
            kept = alive[frame]
            if kept.any():
                now = coords[frame, kept]
                measured = self._measured(now, None if energy is None else energy[frame, kept])
                basins = self.system.basin_of(now) if self.system.basins else np.array([])
                numbers = [number for values in measured for number in (values.mean(), values.std())]
                numbers += [np.mean(basins == basin) for basin in self.system.basins]
            else:
                numbers = [np.nan] * (len(self.columns) - 3)
            texts = [str(step), f"{step * self.format.dt:.10g}", str(kept.sum())]
            yield ",".join(texts + [f"{number:.6g}" for number in numbers]) + "\n"

    def _measured(
        self, coords: NDArray[np.floating], energy: NDArray[np.float64] | None
    ) -> Sequence[NDArray[np.float64]]:
        """Each quantity of the replicas [n, n_beads, 3] at one step: [n]; the energy of a model without is NaN."""
        trace = coords[:, self.system.trace]
        found = [np.full(len(coords), np.nan) if energy is None else energy]
        found += [radius_of_gyration(trace)[:, 0], end_to_end(trace)[:, 0]]
        if self.system.native_structure is not None:
            found.append(superposed_rmsd(trace, self.system.native()[None])[:, 0])
        return found

    def _add(self, name: str, header: str | bytes, content: str | bytes) -> int:
        """Add to a file, which begins with ``header``, and sync it; return its size in bytes."""
        path = self.folder / name
        try:
            with open(path, "ab") as file:
                for part in (header if not file.tell() else b"", content):
                    file.write(part.encode() if isinstance(part, str) else part)
            if path.suffix == f".{self.format.suffix}":
                self.format.settle(path)
            with open(path, "rb") as file:
                os.fsync(file.fileno())
            return path.stat().st_size
        except OSError as error:
            raise not_written(error, path) from error

    def _cut(self, path: Path, size: int | None) -> None:
        """Make a file as long as the checkpoint says; None: it was not there."""
        found = path.stat().st_size if path.is_file() else 0
        if size is None:
            path.unlink(missing_ok=True)
        elif found < size:
            raise InputError(
                f"{path} has {found:,} bytes, less than the {size:,} of {CHECKPOINT}: bring the file back, or begin "
                "again in another folder"
            )
        elif found > size:
            with open(path, "r+b") as file:
                file.truncate(size)
            if path.suffix == f".{self.format.suffix}":
                self.format.settle(path)
