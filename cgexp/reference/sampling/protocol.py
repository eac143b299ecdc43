"""All-atom sampling of a peptide from many starts, resumable.

A hot run unfolds the native structure (or begins with the extended chain, where no native one is known). Then walkers
run at the study temperature: from the native structure, from the extended chain, and from hot frames chosen farthest
from one another. Each start is quenched: minimised, warmed up, and its first picoseconds discarded. Hot frames seed;
they are never labels. Repeated after a kill, or with other walkers side by side, a run gives the same frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.progress import Report
from cgexp.reference.all_atom.engine import TIME_STEP
from cgexp.reference.all_atom.force_field import make_system
from cgexp.reference.all_atom.structure import NATIVE_TORSIONS, AllAtom, build_extended, build_native
from cgexp.reference.sampling.progress import Tally
from cgexp.reference.sampling.walker import Walker, run_walkers
from cgexp.store import Chunks, read_json, write_json
from cgexp.systems.base import System

HOT, STUDY = 0, 1  # stages, for the seeds
PROTOCOL_FILE = "protocol.json"


@dataclass(frozen=True)
class Protocol:
    """How a peptide is sampled.

    temperature: K. n_native, n_extended, n_hot: walkers from each kind of start. ps_per_walker: kept length of a
    walker. save_ps: between frames. drop_ps: discarded after a start. segment_ps: length of a segment, which is stored
    as a whole. hot_temperature (K), hot_ps: the run that hot starts come from. seed: of all randomness.
    Raises InputError unless segment_ps is a whole number of save_ps, ps_per_walker and hot_ps of segment_ps, and
    save_ps of time steps, and the hot run has n_hot frames.
    """

    temperature: float
    n_native: int
    n_extended: int
    n_hot: int
    ps_per_walker: float
    save_ps: float
    drop_ps: float
    segment_ps: float
    hot_temperature: float
    hot_ps: float
    seed: int

    def __post_init__(self) -> None:
        if self.n_walkers < 1:
            raise InputError("n_native, n_extended and n_hot are all 0: expected at least one walker")
        for name, unit_name in (
            ("save_ps", ""),
            ("segment_ps", "save_ps"),
            ("ps_per_walker", "segment_ps"),
            ("hot_ps", "segment_ps"),
        ):
            length, unit = getattr(self, name), getattr(self, unit_name) if unit_name else TIME_STEP
            if abs(length / unit - round(length / unit)) > 1e-6:
                raise InputError(
                    f"{name}={length} is not a whole number of {unit_name or 'time steps'} ({unit} ps): change one"
                )

        n_hot_frames = round(self.hot_ps / self.save_ps)
        if self.n_hot > n_hot_frames:
            raise InputError(
                f"n_hot={self.n_hot} but a hot run of {self.hot_ps} ps has {n_hot_frames} frames: raise hot_ps"
            )

    @property
    def n_walkers(self) -> int:
        return self.n_native + self.n_extended + self.n_hot

    @property
    def n_segments(self) -> int:
        """Segments of a walker."""
        return round(self.ps_per_walker / self.segment_ps)


def sample(
    system: System,
    sequence: str,
    protocol: Protocol,
    folder: Path,
    n_parallel: int = 1,
    progress: Report | None = None,
) -> list[Chunks]:
    """Run the protocol in ``folder``, continuing what is there; return the walkers' chunks.

    system: of the C-alpha beads, for the distance between starts. n_parallel: walkers side by side, one thread each.
    What the chunks hold: see run_walkers. Raises InputError if the folder holds another protocol.
    """
    folder = Path(folder)
    _check_protocol(folder / PROTOCOL_FILE, {"sequence": sequence, **asdict(protocol)})
    extended = build_extended(sequence)
    native = build_native(sequence) if protocol.n_native or sequence in NATIVE_TORSIONS else extended
    openmm_system = make_system(native.topology)
    hot = _hot_walkers(protocol, native, folder)
    n_study = protocol.n_walkers * (_steps(protocol.drop_ps) + protocol.n_segments * _steps(protocol.segment_ps))
    tally = Tally(n_study + sum(walker.n_steps for walker in hot), TIME_STEP, progress)
    run_walkers(hot, openmm_system, 1, tally)
    walkers = _study_walkers(protocol, _starts(system, protocol, native, extended, hot), folder)
    run_walkers(walkers, openmm_system, n_parallel, tally)
    return [walker.chunks for walker in walkers]


def farthest_points(system: System, candidates: NDArray[Any], known: NDArray[Any], n: int) -> NDArray[np.int64]:
    """Indices [n] of candidates [k, n_beads, 3], each the farthest from ``known`` [m, n_beads, 3] and those before."""
    nearest = system.distance(candidates, known).min(axis=1)
    chosen: list[int] = []
    for _ in range(n):
        best = int(np.argmax(nearest))
        chosen.append(best)
        nearest = np.minimum(nearest, system.distance(candidates, candidates[[best]])[:, 0])
        nearest[chosen] = -1.0
    return np.array(chosen, dtype=np.int64)


def _check_protocol(path: Path, protocol: dict[str, Any]) -> None:
    if not path.exists():
        write_json(path, protocol)
        return
    stored = read_json(path)
    for name, value in protocol.items():
        if stored.get(name) != value:
            raise InputError(
                f"{path.parent} was begun with {name}={stored.get(name)}, not {value}: "
                f"choose another folder or delete this one"
            )


def _steps(ps: float) -> int:
    return round(ps / TIME_STEP)


def _hot_walkers(protocol: Protocol, native: AllAtom, folder: Path) -> list[Walker]:
    """The hot run, or nothing if no walker starts from it."""
    if not protocol.n_hot:
        return []
    hot = Walker(
        chunks=Chunks(folder / "hot"),
        start=native.positions,
        origin="native",
        temperature=protocol.hot_temperature,
        key=(protocol.seed, HOT, 0),
        n_segments=round(protocol.hot_ps / protocol.segment_ps),
        segment_steps=_steps(protocol.segment_ps),
        save_steps=_steps(protocol.save_ps),
        drop_steps=0,
    )
    return [hot]


def _starts(
    system: System, protocol: Protocol, native: AllAtom, extended: AllAtom, hot: Sequence[Walker]
) -> list[tuple[str, NDArray[np.floating]]]:
    """Name and all-atom coordinates of every walker's start."""
    starts: list[tuple[str, NDArray[np.floating]]] = [("native", native.positions)] * protocol.n_native
    starts += [("extended", extended.positions)] * protocol.n_extended
    for walker in hot:
        frames = walker.chunks.read("coords")
        known = np.stack([native.positions[native.ca], extended.positions[native.ca]])
        chosen = farthest_points(system, frames[:, native.ca], known, protocol.n_hot)
        starts += [(f"hot frame {index}", frames[index]) for index in chosen]
    return starts


def _study_walkers(
    protocol: Protocol, starts: Sequence[tuple[str, NDArray[np.floating]]], folder: Path
) -> list[Walker]:
    return [
        Walker(
            chunks=Chunks(folder / f"walker-{index:03d}"),
            start=start,
            origin=origin,
            temperature=protocol.temperature,
            key=(protocol.seed, STUDY, index),
            n_segments=protocol.n_segments,
            segment_steps=_steps(protocol.segment_ps),
            save_steps=_steps(protocol.save_ps),
            drop_steps=_steps(protocol.drop_ps),
        )
        for index, (origin, start) in enumerate(starts)
    ]
