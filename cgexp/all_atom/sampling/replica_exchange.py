"""Replica exchange of all-atom walkers over a ladder of temperatures, resumable.

Every walker runs a segment at its own temperature; then neighbours in temperature may swap. A round of such cycles is
stored whole or not at all. Seeds depend on (seed, walker, cycle) alone, so a run that was killed, moved to another
machine or spread over several processes gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.engine import TIME_STEP, PlatformName, derived_seed, make_context, save_state
from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.sampling.exchange_trajectory import COSTS, PER_CYCLE, SETTINGS_FILE, exchange, n_cycles
from cgexp.all_atom.sampling.progress import Tally
from cgexp.all_atom.sampling.segment import Segment, SegmentResult, Unstable, pack_system, run_segment, unpack_system
from cgexp.all_atom.sampling.walker import WORKER_ENDED
from cgexp.errors import InputError
from cgexp.progress import Report
from cgexp.store import Chunks, claim, read_arrays
from cgexp.units import NM_IN_ANGSTROM

if TYPE_CHECKING:
    import openmm

QUENCH, DYNAMICS, SWAPS = 0, 1, 2  # what a random number is for
QUENCH_TOLERANCE, QUENCH_STEPS = 20.0, 100  # kJ/mol/nm and iterations


@dataclass(frozen=True)
class ReplicaExchange:
    """How replicas are exchanged.

    temperatures: K, ascending; one walker each. exchange_ps: between attempts to swap. cycles_per_save: attempts
    between stored frames. cycles_per_round: attempts in a stored round, the most that a kill loses. friction: 1/ps (low
    friction explores faster; the ensemble does not depend on it). seed: of all randomness. time_step: ps.
    labels_per_cycle: frames of the labelled level that a cycle keeps, evenly spaced; None keeps one a saved frame.
    Raises InputError for a ladder that does not ascend or lengths that do not fit.
    """

    temperatures: Sequence[float]
    exchange_ps: float = 2.0
    cycles_per_save: int = 2
    cycles_per_round: int = 24
    friction: float = 0.2
    seed: int = 0
    time_step: float = TIME_STEP
    labels_per_cycle: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperatures", tuple(float(value) for value in self.temperatures))
        ladder = self.temperatures
        if len(ladder) < 2 or min(ladder) <= 0 or any(a >= b for a, b in pairwise(ladder)):
            raise InputError(f"temperatures={list(ladder)}: expected at least two, positive and ascending, in K")
        if self.cycles_per_save < 1 or self.cycles_per_round < 1 or self.cycles_per_round % self.cycles_per_save:
            raise InputError(
                f"cycles_per_round={self.cycles_per_round} is not a multiple of "
                f"cycles_per_save={self.cycles_per_save}: change one"
            )
        steps = self.exchange_ps / self.time_step
        if steps < 1 or abs(steps - round(steps)) > 1e-6:
            raise InputError(
                f"exchange_ps={self.exchange_ps} is not a whole number of time steps ({self.time_step} ps): change one"
            )
        labels = self.labels_per_cycle
        if labels is not None and (labels < 1 or self.cycle_steps % labels):
            raise InputError(f"labels_per_cycle={labels} does not divide the {self.cycle_steps} steps of a cycle")

    @property
    def n_walkers(self) -> int:
        return len(self.temperatures)

    @property
    def cycle_steps(self) -> int:
        """Steps of one walker in one cycle."""
        return round(self.exchange_ps / self.time_step)

    @property
    def round_ps(self) -> float:
        """Length of a round, one walker's."""
        return self.cycles_per_round * self.exchange_ps


def run_replica_exchange(
    system: openmm.System,
    starts: Sequence[NDArray[np.floating]],
    protocol: ReplicaExchange,
    folder: Path,
    n_rounds: int,
    *,
    atoms: NDArray[np.integer] | None = None,
    labelled_level: int | None = None,
    executor: Executor | None = None,
    platform: PlatformName = "auto",
    progress: Report | None = None,
    force_field: str = "",
) -> Chunks:
    """Go on until ``n_rounds`` rounds are in ``folder``; return its chunks, for ``load_exchange`` to read.

    system: openmm.System, or its text (``pack_system``). starts: positions of all atoms, Å, one a walker; each is
    relaxed first. atoms: indices of the atoms whose positions are stored every save; None stores all. labelled_level:
    the level whose walker has positions and forces of all atoms stored as well, as ``labelled_coords`` and
    ``labelled_forces`` [n_frames, n_atoms, 3], with ``labelled_walker`` [n_frames]; see ``labels_per_cycle``.
    executor: runs the segments; None runs them here. force_field: its name, kept with the settings.
    Raises InputError if the folder holds a run with other settings.
    """
    if len(starts) != protocol.n_walkers:
        raise InputError(f"{len(starts)} starts for {protocol.n_walkers} temperatures: expected one a walker")
    folder = Path(folder)
    _check_settings(folder / SETTINGS_FILE, protocol, force_field)
    chunks, packed = Chunks(folder), system if isinstance(system, str) else pack_system(system)
    done = n_rounds_done(chunks, protocol)
    tally = Tally(
        n_rounds * protocol.cycles_per_round * protocol.cycle_steps * protocol.n_walkers, protocol.time_step, progress
    )
    tally.skip(done * protocol.cycles_per_round * protocol.cycle_steps * protocol.n_walkers)
    if not len(chunks):
        chunks.append(_relaxed(packed, starts, protocol, atoms, platform))
    while done < n_rounds:
        chunks.append(_round(packed, chunks, protocol, atoms, labelled_level, executor, platform, tally))
        done += 1
    return chunks


def n_rounds_done(chunks: Chunks, protocol: ReplicaExchange) -> int:
    """Rounds stored so far."""
    return n_cycles(chunks.folder) // protocol.cycles_per_round


def _check_settings(path: Path, protocol: ReplicaExchange, force_field: str) -> None:
    """Raise InputError if the folder was begun with other settings; record them if it is new."""
    settings = {**asdict(protocol), "temperatures": list(protocol.temperatures)}
    if force_field:
        settings["force_field"] = force_field
    claim(path, settings, later=("force_field",))


def _relaxed(
    packed: str,
    starts: Sequence[NDArray[np.floating]],
    protocol: ReplicaExchange,
    atoms: NDArray[np.integer] | None,
    platform: PlatformName,
) -> dict[str, NDArray[Any]]:
    """The chunk before the first round: walkers relaxed from their starts, each at its own temperature."""
    states = []
    for walker, (start, temperature) in enumerate(zip(starts, protocol.temperatures, strict=True)):
        seed = derived_seed(protocol.seed, QUENCH, walker, 0)
        context = make_context(
            unpack_system(packed), temperature, seed, time_step=protocol.time_step, platform=platform
        )
        context.setPositions(np.asarray(start, dtype=np.float64) / NM_IN_ANGSTROM)
        import_openmm().mm.LocalEnergyMinimizer.minimize(context, QUENCH_TOLERANCE, QUENCH_STEPS)
        context.setVelocitiesToTemperature(temperature, seed)
        states.append(save_state(context))
    n = protocol.n_walkers
    n_kept = len(starts[0]) if atoms is None else len(atoms)
    return {
        "coords": np.zeros((0, n, n_kept, 3), np.float32),
        "levels": np.zeros((0, n), np.int8),
        "energies": np.zeros((0, n)),
        "outcomes": np.zeros((0, n - 1), np.int8),
        "n_cycles": np.array(0),
        "next_levels": np.arange(n),
        **_stack(states),
    }


def _round(
    packed: str,
    chunks: Chunks,
    protocol: ReplicaExchange,
    atoms: NDArray[np.integer] | None,
    labelled_level: int | None,
    executor: Executor | None,
    platform: PlatformName,
    tally: Tally,
) -> dict[str, NDArray[Any]]:
    """Go on from the last chunk by one round; return its chunk."""
    last, _ = read_arrays(chunks.paths[-1])
    states, levels, first = _unstack(last), last["next_levels"].astype(np.int64), int(last["n_cycles"])
    end = first + protocol.cycles_per_round
    temperatures = np.array(protocol.temperatures)
    template = Segment(
        system=packed,
        state={},
        temperature=float(temperatures[0]),
        seed=1,
        n_steps=protocol.cycle_steps,
        save_steps=protocol.cycle_steps // (protocol.labels_per_cycle or 1),
        friction=protocol.friction,
        time_step=protocol.time_step,
        platform=platform,
    )
    record: dict[str, list[Any]] = {name: [] for name in ("coords", *PER_CYCLE, *COSTS)}
    labelled: dict[str, list[Any]] = {"labelled_coords": [], "labelled_forces": [], "labelled_walker": []}
    kept = slice(None) if atoms is None else atoms
    for cycle in range(first, end):
        seeds = [derived_seed(protocol.seed, DYNAMICS, walker, cycle) for walker in range(protocol.n_walkers)]
        segments = [
            replace(
                template, state=state, temperature=float(temperatures[level]), seed=seed, forces=level == labelled_level
            )
            for state, level, seed in zip(states, levels, seeds, strict=True)
        ]
        results = _run(segments, executor, tally)
        energies = np.array([result.energy for result in results])
        uniforms = np.random.default_rng([protocol.seed, SWAPS, cycle]).random(protocol.n_walkers - 1)
        new, outcomes = exchange(energies, levels, temperatures, cycle % 2, uniforms)
        is_saved = (cycle + 1) % protocol.cycles_per_save == 0
        if is_saved:
            record["coords"].append(np.stack([result.coords[-1][kept] for result in results]))
        if labelled_level is not None and (is_saved or protocol.labels_per_cycle):
            walker = int(np.argmax(levels == labelled_level))
            result, n_labels = results[walker], protocol.labels_per_cycle or 1
            assert result.forces is not None
            labelled["labelled_coords"].extend(result.coords[-n_labels:])
            labelled["labelled_forces"].extend(result.forces[-n_labels:])
            labelled["labelled_walker"].extend([walker] * n_labels)
        for name, value in zip(PER_CYCLE, (levels.astype(np.int8), energies, outcomes), strict=True):
            record[name].append(value)
        record["cpu_s"].append(sum(result.cpu_s for result in results))
        record["engine"].append(results[0].engine)
        ratios = temperatures[new] / temperatures[levels]
        states = [_rescaled(result.state, ratio) for result, ratio in zip(results, ratios, strict=True)]
        levels = new
    arrays = {name: np.array(values) for name, values in {**record, **labelled}.items() if values}
    return {**arrays, "n_cycles": np.array(end), "next_levels": levels, **_stack(states)}


def _run(segments: Sequence[Segment], executor: Executor | None, tally: Tally) -> list[SegmentResult]:
    """Run one segment a walker. Raises InputError naming the walker that blew up, or if a worker process ended."""
    results: list[SegmentResult] = []
    outcomes = map(run_segment, segments) if executor is None else executor.map(run_segment, segments)
    try:
        for result in outcomes:
            results.append(result)
            tally.add(segments[0].n_steps)
    except Unstable as error:
        walker = len(results)
        raise InputError(
            f"walker {walker} of the replica exchange blew up at {segments[walker].temperature:g} K: lower the highest "
            "temperature or the time step"
        ) from error
    except BrokenExecutor as error:
        raise InputError(WORKER_ENDED) from error
    return results


def _rescaled(state: dict[str, NDArray[np.float64]], ratio: float) -> dict[str, NDArray[np.float64]]:
    """The state at ``ratio`` times its temperature: velocities scaled, positions kept."""
    return {**state, "state_velocities_nm_per_ps": state["state_velocities_nm_per_ps"] * np.sqrt(ratio)}


def _stack(states: Sequence[dict[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    return {name: np.stack([state[name] for state in states]) for name in states[0]}


def _unstack(chunk: dict[str, NDArray[Any]]) -> list[dict[str, NDArray[np.float64]]]:
    stacked = {name: value for name, value in chunk.items() if name.startswith("state_")}
    n_walkers = len(next(iter(stacked.values())))
    return [{name: value[walker] for name, value in stacked.items()} for walker in range(n_walkers)]
