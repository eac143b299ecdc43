"""Quench and Segment: the units of work of every sampling, a relaxed start and a stretch of all-atom dynamics.

A unit holds everything that determines its result and nothing else, and it can be pickled: any executor of
``concurrent.futures`` may run it, in this process or on another machine, and a repeated unit gives the same frames.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.engine import (
    FRICTION,
    TIME_STEP,
    PlatformName,
    make_context,
    on_platform,
    restore_state,
    save_state,
)
from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.structure import with_barostat
from cgexp.errors import InputError
from cgexp.units import KCAL_IN_KJ, KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM, NM_IN_ANGSTROM

if TYPE_CHECKING:
    import openmm

Indices = NDArray[np.integer]
QUENCH_TOLERANCE, QUENCH_STEPS = 20.0, 30  # kJ/mol/nm and iterations: relaxes clashes, keeps the structure


class Unstable(InputError):
    """The dynamics blew up."""


@dataclass(frozen=True)
class Quench:
    """A start made ready: minimised, given velocities, and run for ``n_steps`` steps of which nothing is kept.

    system: from ``pack_system``. positions: of all atoms, [n_atoms, 3], Å. temperature: K. seed: of the velocities, the
    thermostat and the barostat. barostat: lets the box find its volume at 1 bar meanwhile. max_iterations: of the
    minimiser.
    """

    system: str
    positions: NDArray[np.floating]
    temperature: float
    seed: int
    n_steps: int
    barostat: bool = False
    max_iterations: int = QUENCH_STEPS
    friction: float = FRICTION
    time_step: float = TIME_STEP
    platform: PlatformName = "auto"


@dataclass(frozen=True)
class Segment:
    """Langevin dynamics of ``n_steps`` steps in a fresh context.

    system: from ``pack_system``. state: where it begins, see ``save_state``. temperature: K. seed: of the thermostat.
    save_steps: between stored frames. atoms: indices of the atoms whose positions are stored; None stores all.
    forces: whether their forces are stored too. friction: 1/ps. time_step: ps.
    """

    system: str
    state: Mapping[str, NDArray[np.float64]]
    temperature: float
    seed: int
    n_steps: int
    save_steps: int
    atoms: Indices | None = None
    forces: bool = True
    friction: float = FRICTION
    time_step: float = TIME_STEP
    platform: PlatformName = "auto"


@dataclass(frozen=True)
class SegmentResult:
    """What a unit of work left: frames after every ``save_steps`` steps (none of a quench), and the state after it.

    coords: [n_frames, n_kept, 3], Å, float32. forces: the same shape, kcal/mol/Å, or None. energy: potential energy of
    the whole system at the end, kcal/mol. cpu_s: CPU time it took, all threads of the process,
    s. engine: what computed the forces, 'native' (the C++ kernel) or the name of OpenMM's platform.
    """

    coords: NDArray[np.float32]
    forces: NDArray[np.float32] | None
    energy: float
    state: dict[str, NDArray[np.float64]]
    cpu_s: float
    engine: str


def run(work: Quench | Segment) -> SegmentResult:
    """Run a unit of work. The same unit gives the same result on the same kind of machine; raises Unstable."""
    return run_quench(work) if isinstance(work, Quench) else run_segment(work)


def run_quench(quench: Quench) -> SegmentResult:
    """Make a start ready. Raises Unstable if it blows up."""
    begin = time.process_time()
    context = _context(quench, barostat=quench.barostat)
    with _blow_ups():
        context.setPositions(quench.positions.astype(np.float64) / NM_IN_ANGSTROM)
        import_openmm().mm.LocalEnergyMinimizer.minimize(context, QUENCH_TOLERANCE, quench.max_iterations)
        context.setVelocitiesToTemperature(quench.temperature, quench.seed)
        context.getIntegrator().step(quench.n_steps)
        return _result(context, np.zeros((0, *quench.positions.shape), np.float32), None, quench, begin)


def run_segment(segment: Segment) -> SegmentResult:
    """Run a segment. Raises Unstable if it blows up."""
    begin = time.process_time()
    context = _context(segment)
    atoms = slice(None) if segment.atoms is None else segment.atoms
    coords, forces = [], []
    with _blow_ups():
        restore_state(context, segment.state)
        for _ in range(segment.n_steps // segment.save_steps):
            context.getIntegrator().step(segment.save_steps)
            state = context.getState(positions=True, forces=segment.forces)
            coords.append(state.getPositions(asNumpy=True)._value[atoms] * NM_IN_ANGSTROM)
            if segment.forces:
                forces.append(state.getForces(asNumpy=True)._value[atoms] * KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM)
        kept_forces = np.array(forces, np.float32) if segment.forces else None
        return _result(context, np.array(coords, np.float32), kept_forces, segment, begin)


def pack_system(system: openmm.System) -> str:
    """An openmm.System as text that can be sent to another process."""
    return str(import_openmm().mm.XmlSerializer.serialize(system))


@lru_cache(maxsize=8)
def unpack_system(text: str) -> openmm.System:
    """The openmm.System of ``pack_system``; not to be changed, for it is kept."""
    return import_openmm().mm.XmlSerializer.deserialize(text)


@lru_cache(maxsize=8)
def _unpacked_on(text: str, platform: PlatformName) -> tuple[openmm.System, PlatformName, str]:
    """The system of ``pack_system`` as a platform computes it, that platform and the engine.

    It is kept: making the C++ kernel's takes a while.
    """
    original = unpack_system(text)
    system, host = on_platform(original, platform)
    return system, host, str(host) if system is original else "native"


def _context(work: Quench | Segment, *, barostat: bool = False) -> openmm.Context:
    system, platform, _ = _unpacked_on(work.system, work.platform)
    if barostat:
        system = with_barostat(system, work.temperature, work.seed)
    return make_context(
        system,
        work.temperature,
        work.seed,
        friction=work.friction,
        time_step=work.time_step,
        platform=platform,
    )


def _result(
    context: openmm.Context,
    coords: NDArray[np.float32],
    forces: NDArray[np.float32] | None,
    work: Quench | Segment,
    begin: float,
) -> SegmentResult:
    """begin: CPU time of the process when the work began, s."""
    energy = context.getState(energy=True).getPotentialEnergy()._value / KCAL_IN_KJ
    state = save_state(context)
    if not (np.isfinite(energy) and all(np.isfinite(values).all() for values in state.values())):
        raise Unstable("its coordinates are no longer finite")
    return SegmentResult(
        coords=coords,
        forces=forces,
        energy=float(energy),
        state=state,
        cpu_s=time.process_time() - begin,
        engine=_unpacked_on(work.system, work.platform)[2],
    )


@contextmanager
def _blow_ups() -> Iterator[None]:
    """Turn OpenMM's complaint about NaN into Unstable."""
    try:
        yield
    except import_openmm().mm.OpenMMException as error:
        if "nan" not in str(error).lower():
            raise
        raise Unstable("its coordinates are no longer finite") from error
