"""Walker: one all-atom trajectory, made in segments of which each is stored whole or not at all.

A segment begins in a fresh context, from the state that ended the last one and with a seed that depends on
(seed, stage, walker, segment) alone, so that a walker killed at any time and continued gives the same frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.reference.all_atom.engine import derived_seed, make_context, restore_state, save_state
from cgexp.reference.all_atom.modules import import_openmm
from cgexp.reference.sampling.progress import Tally
from cgexp.store import Chunks, read_arrays
from cgexp.units import KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM, NM_IN_ANGSTROM

QUENCH_TOLERANCE, QUENCH_STEPS = 20.0, 30  # kJ/mol/nm and iterations: relaxes clashes, keeps the structure


@dataclass(frozen=True)
class Walker:
    """One trajectory: where it is stored, where it starts (all atoms, Å), and how it goes on (lengths in steps)."""

    chunks: Chunks
    start: NDArray[np.floating]
    origin: str
    temperature: float
    key: tuple[int, int, int]  # (seed, stage, walker)
    n_segments: int
    segment_steps: int
    save_steps: int
    drop_steps: int

    @property
    def n_steps(self) -> int:
        return self.drop_steps + self.n_segments * self.segment_steps

    @property
    def n_steps_done(self) -> int:
        n_chunks = len(self.chunks)
        return self.drop_steps + (n_chunks - 1) * self.segment_steps if n_chunks else 0

    def segment_seed(self, segment: int) -> int:
        """Seed of a segment."""
        return derived_seed(*self.key, segment)


def run_walkers(walkers: Sequence[Walker], system: Any, n_parallel: int, tally: Tally) -> None:
    """Make what the walkers lack, ``n_parallel`` of them side by side. system: openmm.System.

    Chunk 0 of a walker holds the state after the start and no frames; chunk k > 0 holds segment k: ``coords`` (Å) and
    ``forces`` (kcal/mol/Å) of all atoms [n_frames, n_atoms, 3], float32. The first failure ends all walkers.
    """
    for walker in walkers:
        tally.skip(walker.n_steps_done)
    with ThreadPoolExecutor(n_parallel) as pool:  # OpenMM releases the interpreter while it steps
        futures = [pool.submit(_run, walker, system, tally) for walker in walkers]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            tally.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _run(walker: Walker, system: Any, tally: Tally) -> None:
    """Make the segments that a walker lacks."""
    if not len(walker.chunks):
        walker.chunks.append(_quench(walker, system, tally), {"origin": walker.origin})
    for segment in range(len(walker.chunks), walker.n_segments + 1):
        walker.chunks.append(_segment(walker, segment, system, tally))


def _quench(walker: Walker, system: Any, tally: Tally) -> dict[str, NDArray[Any]]:
    """Relax the start at the walker's temperature; return a chunk without frames."""
    seed = walker.segment_seed(0)
    context = make_context(system, walker.temperature, seed)
    context.setPositions(walker.start.astype(np.float64) / NM_IN_ANGSTROM)
    import_openmm().mm.LocalEnergyMinimizer.minimize(context, QUENCH_TOLERANCE, QUENCH_STEPS)
    context.setVelocitiesToTemperature(walker.temperature, seed)
    if walker.drop_steps:
        _step(context, walker.drop_steps, tally)
    nothing = np.zeros((0, *walker.start.shape), dtype=np.float32)
    return {"coords": nothing, "forces": nothing, **save_state(context)}


def _segment(walker: Walker, segment: int, system: Any, tally: Tally) -> dict[str, NDArray[Any]]:
    """Go on from the last chunk's state; return the chunk of this segment."""
    last, _ = read_arrays(walker.chunks.paths[-1])
    context = make_context(system, walker.temperature, walker.segment_seed(segment))
    restore_state(context, last)
    coords, forces = [], []
    for _ in range(walker.segment_steps // walker.save_steps):
        _step(context, walker.save_steps, tally)
        state = context.getState(positions=True, forces=True)
        coords.append(state.getPositions(asNumpy=True)._value * NM_IN_ANGSTROM)
        forces.append(state.getForces(asNumpy=True)._value * KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM)
    return {"coords": np.array(coords, np.float32), "forces": np.array(forces, np.float32), **save_state(context)}


def _step(context: Any, n_steps: int, tally: Tally) -> None:
    context.getIntegrator().step(n_steps)
    tally.add(n_steps)
