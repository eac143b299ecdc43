"""The protocols, told apart by where their walkers start.

Hot frames seed and are never labels: a run at a higher temperature unfolds the native structure (or begins with the
extended chain, where no native one is known); of its frames those farthest from one another are quenched.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.sampling.protocol import HOT, Origin, Protocol, make_walker
from cgexp.all_atom.sampling.task import Task
from cgexp.all_atom.sampling.walker import Walker
from cgexp.all_atom.structure import NATIVE_TORSIONS
from cgexp.errors import InputError
from cgexp.parts.ranges import NonNegativeInt, Positive, PositiveInt
from cgexp.store import read_arrays
from cgexp.systems.base import farthest_points

Hot = NDArray[np.floating] | None


@dataclass(frozen=True, kw_only=True)
class Native(Protocol):
    """n_native walkers from the native structure, with different velocities."""

    n_native: PositiveInt

    @property
    def n_walkers(self) -> int:
        return self.n_native

    def check(self, task: Task) -> None:
        _check_native(task, self.n_native)

    def origins(self, task: Task, hot: Hot) -> list[Origin]:
        return _native(task, self.n_native)


@dataclass(frozen=True, kw_only=True)
class Extended(Protocol):
    """n_extended walkers from the extended chain, with different velocities."""

    n_extended: PositiveInt

    @property
    def n_walkers(self) -> int:
        return self.n_extended

    def origins(self, task: Task, hot: Hot) -> list[Origin]:
        return _extended(task, self.n_extended)


@dataclass(frozen=True, kw_only=True)
class QuenchedSeeds(Protocol):
    """n_hot walkers from frames of a hot run, chosen farthest apart in C-alpha RMSD.

    hot_temperature (K), hot_ps: of that run. Raises InputError unless hot_ps is a whole number of segment_ps and the
    run has n_hot frames.
    """

    n_hot: NonNegativeInt
    hot_temperature: Positive
    hot_ps: Positive

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_lengths(("hot_ps", "segment_ps"))
        n_frames = round(self.hot_ps / self.save_ps)
        if self.n_hot > n_frames:
            raise InputError(
                f"n_hot={self.n_hot} but a hot run of hot_ps={self.hot_ps} has {n_frames} frames, one each "
                f"save_ps={self.save_ps}: raise hot_ps"
            )

    @property
    def n_walkers(self) -> int:
        return self.n_hot

    def origins(self, task: Task, hot: Hot) -> list[Origin]:
        if hot is None:
            return []
        known = np.stack([task.reference.positions, task.extended.positions])
        return [Origin(f"hot frame {index}", hot[index]) for index in _farthest(task, hot, known, self.n_hot)]

    def hot_walkers(self, task: Task) -> list[Walker]:
        if not self.n_hot:
            return []
        walker = make_walker(
            task,
            task.folder / "hot",
            (self.seed, HOT, 0),
            temperature=self.hot_temperature,
            n_segments=round(self.hot_ps / self.segment_ps),
            segment_ps=self.segment_ps,
            save_ps=self.save_ps,
            drop_ps=0.0,
            forces=False,
        )
        if not walker.begun:
            walker.start = partial(task.start, "the reference structure", task.reference.positions)
        return [walker]


@dataclass(frozen=True, kw_only=True)
class Walkers(QuenchedSeeds):
    """n_native walkers from the native structure, n_extended from the extended chain, n_hot from a hot run."""

    n_native: NonNegativeInt
    n_extended: NonNegativeInt

    @property
    def n_walkers(self) -> int:
        return self.n_native + self.n_extended + self.n_hot

    def check(self, task: Task) -> None:
        _check_native(task, self.n_native)

    def origins(self, task: Task, hot: Hot) -> list[Origin]:
        return _native(task, self.n_native) + _extended(task, self.n_extended) + super().origins(task, hot)


@dataclass(frozen=True, kw_only=True)
class Seeded(Protocol):
    """n_seeds walkers from given all-atom frames, chosen farthest apart in C-alpha RMSD, others from known structures.

    path: a file of ``cgexp.store.write_arrays`` with the array ``positions`` [n_frames, n_atoms, 3], Å, in the atom
    order of ``build_peptide``, and ``sequence`` in its metadata. n_native, n_extended: walkers from the native
    structure and the extended chain; the frames are chosen far from these, too.
    """

    path: Path
    n_seeds: PositiveInt
    n_native: NonNegativeInt = 0
    n_extended: NonNegativeInt = 0

    @property
    def n_walkers(self) -> int:
        return self.n_native + self.n_extended + self.n_seeds

    @property
    def settings(self) -> dict[str, Any]:
        own = {name: value for name, value in super().settings.items() if name != "path"}
        return {**own, "seeds_sha256": file_hash(Path(self.path))}

    def check(self, task: Task) -> None:
        _check_native(task, self.n_native)

    def origins(self, task: Task, hot: Hot) -> list[Origin]:
        frames = read_seeds(Path(self.path), task.sequence, task.n_atoms)
        if len(frames) < self.n_seeds:
            raise InputError(f"{self.path} holds {len(frames)} frames: expected at least n_seeds={self.n_seeds}")
        known = _native(task, self.n_native) + _extended(task, self.n_extended)
        positions = np.array([origin.positions for origin in known]).reshape(-1, task.n_atoms, 3)
        return known + [
            Origin(f"seed {index}", frames[index]) for index in _farthest(task, frames, positions, self.n_seeds)
        ]


def read_seeds(path: Path, sequence: str, n_atoms: int) -> NDArray[np.float64]:
    """All-atom frames of a seeds file, [n_frames, n_atoms, 3], Å. Raises InputError if they are not of this peptide."""
    arrays, meta = read_arrays(path)
    positions, stored = arrays.get("positions"), meta.get("sequence")
    if positions is None or stored is None:
        raise InputError(f"{path} holds no seeds: expected the array positions, and sequence in the metadata")
    if stored != sequence or positions.ndim != 3 or positions.shape[1:] != (n_atoms, 3):
        raise InputError(
            f"{path} holds positions of shape {list(positions.shape)} for '{stored}': expected "
            f"[n_frames, {n_atoms}, 3] for '{sequence}', in the atom order of build_peptide"
        )
    if not np.isfinite(positions).all():
        raise InputError(f"{path} holds positions that are not finite: write the seeds again without those frames")
    return positions.astype(np.float64)


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes. Raises InputError if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"cannot read the seeds file {path}: {error.strerror}; set dataset.protocol.path") from error


def _check_native(task: Task, n_native: int) -> None:
    if n_native and task.sequence not in NATIVE_TORSIONS:
        raise InputError(
            f"no native torsions are known for '{task.sequence}': expected one of {', '.join(NATIVE_TORSIONS)}; "
            "set dataset.protocol.n_native=0 or choose dataset/protocol=extended"
        )


def _native(task: Task, n: int) -> list[Origin]:
    return [Origin("native", task.native.positions)] * n if n else []


def _extended(task: Task, n: int) -> list[Origin]:
    return [Origin("extended", task.extended.positions)] * n if n else []


def _farthest(task: Task, frames: NDArray[np.floating], known: NDArray[np.floating], n: int) -> NDArray[np.int64]:
    ca = task.built.ca
    return farthest_points(task.ca_system, frames[:, ca], known[:, ca], n)
