"""Replica exchange: the rule of its swaps, and what a run left: walkers, levels, folding events.

Walkers keep their coordinates and swap temperatures, so a walker's trajectory is continuous (demultiplexed). A walker's
``level`` is the index of its temperature in the ladder.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.store import Chunks, claim, read_arrays, read_record, write_record
from cgexp.units import BOLTZMANN

Floats = NDArray[np.float64]
Integers = NDArray[np.integer]

log = logging.getLogger(__name__)
NOT_TRIED, REFUSED, ACCEPTED = -1, 0, 1


def exchange(
    energies: Floats, levels: Integers, temperatures: Floats, parity: int, uniforms: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Try to swap neighbouring temperatures (Sugita and Okamoto 1999, eq. 10); return new levels and the outcomes.

    energies: potential energy of each walker, kcal/mol [n]. levels: of each walker [n], a permutation. temperatures:
    of the ladder, K [n]. parity: 0 tries the pairs (0, 1), (2, 3), ...; 1 tries (1, 2), (3, 4), ... uniforms: random
    numbers in [0, 1) [n - 1], one a pair. Outcomes [n - 1]: NOT_TRIED, REFUSED or ACCEPTED for each pair of levels.
    A swap is accepted with probability min(1, exp((beta_i - beta_j)(E_i - E_j))).
    """
    beta = 1.0 / (BOLTZMANN * np.asarray(temperatures))
    walker = np.argsort(levels)  # which walker is at each level
    new = np.array(levels, dtype=np.int64)
    outcomes = np.full(len(beta) - 1, NOT_TRIED, dtype=np.int8)
    for low in range(parity, len(beta) - 1, 2):
        first, second = walker[low], walker[low + 1]
        exponent = (beta[low] - beta[low + 1]) * (energies[first] - energies[second])
        if uniforms[low] < np.exp(min(0.0, exponent)):
            new[first], new[second] = low + 1, low
            outcomes[low] = ACCEPTED
        else:
            outcomes[low] = REFUSED
    return new, outcomes


def acceptance(outcomes: Integers) -> Floats:
    """Fraction of tried swaps accepted between each pair of neighbouring levels: [n_cycles, n - 1] -> [n - 1]."""
    tried = (outcomes != NOT_TRIED).sum(axis=0)
    return np.asarray((outcomes == ACCEPTED).sum(axis=0) / np.maximum(tried, 1), dtype=np.float64)


def round_trips(levels: Integers) -> NDArray[np.int64]:
    """Times each walker went from the lowest level to the highest and back: [n_cycles, n] -> [n]."""
    top = levels.max()
    trips = np.zeros(levels.shape[1], dtype=np.int64)
    for walker, path in enumerate(levels.T):
        ends = path[(path == 0) | (path == top)]
        turns = ends[np.concatenate([[True], ends[1:] != ends[:-1]])] if len(ends) else ends
        # the ends visited now alternate: each return to the bottom after a visit to the top is a trip
        trips[walker] = max(0, int((turns == 0).sum()) - 1)
    return trips


SETTINGS_FILE = "replica_exchange.json"
PER_CYCLE = ("levels", "energies", "outcomes")
COSTS = {"cpu_s": np.nan, "engine": ""}  # per cycle too, not part of the walk; what stands for them where not recorded
LABELLED = "labelled_"  # arrays of the labelled level: all its atoms
STATE = ("n_cycles", "next_levels")  # of a chunk, beside the arrays state_...: what the next round begins with


@dataclass(frozen=True)
class ExchangeTrajectory:
    """What a replica-exchange run left; a column is a walker, whose trajectory is continuous.

    coords: [n_frames, n_walkers, n_kept, 3], Å. frame_levels, frame_energies (kcal/mol): [n_frames, n_walkers], of the
    saved frames. levels, energies: [n_cycles, n_walkers], of every cycle. outcomes: [n_cycles, n_walkers - 1], see
    ``exchange``. cpu_s, engine: [n_cycles], CPU time of all walkers (s) and what computed the forces (see
    ``SegmentResult``); NaN and '' for cycles that were run before these were recorded. frame_ps, cycle_ps: time between
    frames and between cycles. temperatures: of the levels, K.
    """

    coords: NDArray[np.float32]
    frame_levels: NDArray[np.int64]
    frame_energies: NDArray[np.float64]
    levels: NDArray[np.int64]
    energies: NDArray[np.float64]
    outcomes: NDArray[np.int64]
    cpu_s: NDArray[np.float64]
    engine: NDArray[np.str_]
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
    joined = {name: _joined(parts, name) for name in ("coords", *PER_CYCLE, *COSTS)}
    levels, energies = joined["levels"].astype(np.int64), joined["energies"]
    every = settings["cycles_per_save"]
    return ExchangeTrajectory(
        coords=joined["coords"],
        frame_levels=levels[every - 1 :: every],
        frame_energies=energies[every - 1 :: every],
        levels=levels,
        energies=energies,
        outcomes=joined["outcomes"].astype(np.int64),
        cpu_s=joined["cpu_s"],
        engine=joined["engine"],
        temperatures=np.array(settings["temperatures"]),
        frame_ps=every * settings["exchange_ps"],
        cycle_ps=settings["exchange_ps"],
    )


def _joined(parts: list[dict[str, NDArray[Any]]], name: str) -> NDArray[Any]:
    """An array of all rounds; a cost that a round has not recorded is filled in."""
    if name not in COSTS:
        return np.concatenate([part[name] for part in parts])
    return np.concatenate([part.get(name, np.full(len(part["levels"]), COSTS[name])) for part in parts])


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
    claim(Path(target) / SETTINGS_FILE, read_record(Path(folder) / SETTINGS_FILE))
    own, kept = int(rounds[-1]["n_cycles"]), n_cycles(target)
    if own < kept:
        raise InputError(
            f"{folder} holds {own} cycles and {target} already {kept}: go on sampling until it is the longer one, or "
            "pack into another folder"
        )
    last = {name: value for name, value in rounds[-1].items() if name in STATE or name.startswith("state_")}
    names = [name for name in rounds[-1] if name not in last and not name.startswith(LABELLED)]
    joined = {name: _joined(rounds, name) for name in names}
    write_record(Path(target) / SETTINGS_FILE, read_record(Path(folder) / SETTINGS_FILE))
    Chunks(target).replace({**last, **joined})


def take_longer(packed: Path, folder: Path) -> None:
    """Let ``folder``, a working folder, begin with the run in ``packed`` if that is longer than its own.

    Raises InputError if they have other settings.
    """
    if n_cycles(packed) > n_cycles(folder):
        claim(Path(folder) / SETTINGS_FILE, read_record(Path(packed) / SETTINGS_FILE))
        if n_cycles(folder):
            log.warning(
                "%s is shorter than %s and begins with it: its own frames, all atoms too, are left", folder, packed
            )
        Chunks(folder).truncate(0)  # last chunk first: a kill leaves a shorter run, which is replaced next time
        pack_exchange(packed, folder)


FOLDED, UNFOLDED = 2.0, 4.0  # Å of C-alpha RMSD to the native structure: below, above
LEAST_PS = 100.0  # a visit to the folded state that lasts this long is an event


@dataclass(frozen=True)
class Visits:
    """Long visits of walkers to the folded state, one an entry; where the run begins or ends is no event.

    walker: [n]. begin, end: frames, the last one not included, [n]. folds, unfolds: whether the visit begins after the
    first frame, and ends before the last, [n]. n_brief, n_loose: visits of each walker that are too short, and that are
    long but with RMSD above FOLDED for half of the time (misfolded), [n_walkers]. n_frames: of a walker.
    """

    walker: NDArray[np.int64]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    n_brief: NDArray[np.int64]
    n_loose: NDArray[np.int64]
    n_frames: int

    @property
    def folds(self) -> NDArray[np.bool_]:
        return np.asarray(self.begin > 0)

    @property
    def unfolds(self) -> NDArray[np.bool_]:
        return np.asarray(self.end < self.n_frames)

    def counts(self, frame_levels: NDArray[np.integer], of_walkers: bool) -> dict[str, list[int]]:
        """Foldings and unfoldings by walker, or by the level at which they happened: frame_levels as of the run."""
        n = frame_levels.shape[1]
        found = {}
        for name, chosen, frame in (("folding", self.folds, self.begin), ("unfolding", self.unfolds, self.end)):
            walker = self.walker[chosen]
            key = walker if of_walkers else frame_levels[frame[chosen], walker]
            found[name] = np.bincount(key, minlength=n).tolist()
        return found


def long_visits(rmsd: Floats, frame_ps: float, least_ps: float = LEAST_PS) -> Visits:
    """Visits of walkers to the folded state: rmsd [n_frames, n_walkers], Å.

    A walker visits the folded state from RMSD < FOLDED on until RMSD > UNFOLDED. A visit shorter than ``least_ps``, or
    with RMSD above FOLDED for half of it, is not counted as one.
    """
    rows: list[tuple[int, int, int]] = []
    n_brief, n_loose = np.zeros((2, rmsd.shape[1]), dtype=np.int64)
    for number, path in enumerate(rmsd.T):
        known = np.where(path < FOLDED, 1, np.where(path > UNFOLDED, 0, -1))
        known[0] = max(known[0], 0)
        state = known[np.maximum.accumulate(np.where(known >= 0, np.arange(len(known)), 0))]
        edges = np.flatnonzero(np.diff(np.concatenate([[0], state, [0]])))
        for first, last in edges.reshape(-1, 2):
            if (last - first) * frame_ps < least_ps:
                n_brief[number] += 1
            elif np.median(path[first:last]) >= FOLDED:
                n_loose[number] += 1
            else:
                rows.append((number, first, last))
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    walker, begin, end = table.T
    return Visits(walker, begin, end, n_brief, n_loose, len(rmsd))
