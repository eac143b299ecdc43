"""What a replica-exchange run left: walkers, levels, swaps; and how to keep a run small."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.sampling.exchange import acceptance, round_trips
from cgexp.errors import InputError
from cgexp.store import Chunks, read_arrays, read_record, write_record

SETTINGS_FILE = "replica_exchange.json"
PER_CYCLE = ("levels", "energies", "outcomes")
LABELLED = "labelled_"  # arrays of the labelled level: all its atoms
STATE = ("n_cycles", "next_levels")  # of a chunk, beside the arrays state_...: what the next round begins with


@dataclass(frozen=True)
class ExchangeTrajectory:
    """What a replica-exchange run left; a column is a walker, whose trajectory is continuous.

    coords: [n_frames, n_walkers, n_kept, 3], Å. frame_levels, frame_energies (kcal/mol): [n_frames, n_walkers], of the
    saved frames. levels, energies: [n_cycles, n_walkers], of every cycle. outcomes: [n_cycles, n_walkers - 1], see
    ``exchange``. frame_ps, cycle_ps: time between frames and between cycles. temperatures: of the levels, K.
    """

    coords: NDArray[np.float32]
    frame_levels: NDArray[np.int64]
    frame_energies: NDArray[np.float64]
    levels: NDArray[np.int64]
    energies: NDArray[np.float64]
    outcomes: NDArray[np.int64]
    temperatures: NDArray[np.float64]
    frame_ps: float
    cycle_ps: float

    @property
    def aggregate_ns(self) -> float:
        """Simulated time of all walkers together."""
        return self.levels.size * self.cycle_ps / 1000.0

    @property
    def acceptance(self) -> NDArray[np.float64]:
        """Accepted fraction of the swaps tried between neighbouring temperatures, [n_walkers - 1]."""
        return acceptance(self.outcomes)

    @property
    def round_trips(self) -> NDArray[np.int64]:
        """Round trips of each walker through the ladder, [n_walkers]."""
        return round_trips(self.levels)

    def at_level(self, level: int) -> NDArray[np.float32]:
        """Coordinates of the walker at a level, in time: [n_frames, n_kept, 3]."""
        walker = np.argmax(self.frame_levels == level, axis=1)
        return self.coords[np.arange(len(self.coords)), walker]


def load_exchange(folder: Path) -> ExchangeTrajectory:
    """Read a run, finished or not. Raises InputError if it has no round yet."""
    settings = read_record(Path(folder) / SETTINGS_FILE)
    parts = [arrays for arrays, _ in Chunks(folder) if len(arrays["levels"])]
    if not parts:
        raise InputError(f"{folder} holds no round yet: run the sampling first")
    joined = {name: np.concatenate([part[name] for part in parts]) for name in ("coords", *PER_CYCLE)}
    levels, energies = joined["levels"].astype(np.int64), joined["energies"]
    every = settings["cycles_per_save"]
    return ExchangeTrajectory(
        coords=joined["coords"],
        frame_levels=levels[every - 1 :: every],
        frame_energies=energies[every - 1 :: every],
        levels=levels,
        energies=energies,
        outcomes=joined["outcomes"].astype(np.int64),
        temperatures=np.array(settings["temperatures"]),
        frame_ps=every * settings["exchange_ps"],
        cycle_ps=settings["exchange_ps"],
    )


def n_cycles(folder: Path) -> int:
    """Cycles that a run holds so far; 0 if there is none."""
    paths = Chunks(folder).paths
    return int(read_arrays(paths[-1])[0]["n_cycles"]) if paths else 0


def pack_exchange(folder: Path, target: Path) -> None:
    """Join all rounds of a run into one chunk in ``target``: small enough to keep, and a run goes on from it.

    Labelled frames, which hold all atoms, are left out.
    Raises InputError if the run has no round yet, or if ``target`` holds a longer run or one with other settings, which
    would be lost.
    """
    parts = [arrays for arrays, _ in Chunks(folder)]
    rounds = [part for part in parts if len(part["levels"])]
    if not rounds:
        raise InputError(f"{folder} holds no round yet: run the sampling first")
    _check_same_settings(folder, target)
    own, kept = int(rounds[-1]["n_cycles"]), n_cycles(target)
    if own < kept:
        raise InputError(
            f"{folder} holds {own} cycles and {target} already {kept}: go on sampling until it is the longer one, or "
            "pack into another folder"
        )
    last = {name: value for name, value in rounds[-1].items() if name in STATE or name.startswith("state_")}
    names = [name for name in rounds[-1] if name not in last and not name.startswith(LABELLED)]
    joined = {name: np.concatenate([part[name] for part in rounds]) for name in names}
    write_record(Path(target) / SETTINGS_FILE, read_record(Path(folder) / SETTINGS_FILE))
    Chunks(target).replace({**last, **joined})


def take_longer(packed: Path, folder: Path) -> None:
    """Let ``folder``, a working folder, begin with the run in ``packed`` if that is longer than its own.

    Raises InputError if they have other settings.
    """
    if n_cycles(packed) > n_cycles(folder):
        _check_same_settings(packed, folder)
        Chunks(folder).truncate(0)  # last chunk first: a kill leaves a shorter run, which is replaced next time
        pack_exchange(packed, folder)


def _check_same_settings(folder: Path, target: Path) -> None:
    if not (Path(target) / SETTINGS_FILE).exists():
        return
    stored, own = read_record(Path(target) / SETTINGS_FILE), read_record(Path(folder) / SETTINGS_FILE)
    for name in sorted(own.keys() | stored.keys()):
        if own.get(name) != stored.get(name):
            raise InputError(
                f"{target} holds a run with {name}={stored.get(name)} and {folder} one with {own.get(name)}: choose "
                "another folder"
            )
