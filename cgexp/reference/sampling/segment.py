"""Segment: a stretch of all-atom dynamics from a stored state, the unit of work of every sampling.

A segment holds everything that determines its result and nothing else, and it can be pickled: any executor of
``concurrent.futures`` may run it, in this process or on another machine, and a repeated segment gives the same frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.reference.all_atom.engine import (
    FRICTION,
    TIME_STEP,
    PlatformName,
    make_context,
    restore_state,
    save_state,
)
from cgexp.reference.all_atom.modules import import_openmm
from cgexp.units import KCAL_IN_KJ, KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM, NM_IN_ANGSTROM

Indices = NDArray[np.integer]


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
    """What a segment left: frames after every ``save_steps`` steps, and the state to go on from.

    coords: [n_frames, n_kept, 3], Å, float32. forces: the same shape, kcal/mol/Å, or None. energy: potential energy of
    the whole system at the end, kcal/mol.
    """

    coords: NDArray[np.float32]
    forces: NDArray[np.float32] | None
    energy: float
    state: dict[str, NDArray[np.float64]]


def run_segment(segment: Segment) -> SegmentResult:
    """Run a segment. The same segment gives the same result on the same kind of machine."""
    context = make_context(
        unpack_system(segment.system),
        segment.temperature,
        segment.seed,
        friction=segment.friction,
        time_step=segment.time_step,
        platform=segment.platform,
    )
    restore_state(context, segment.state)
    atoms = slice(None) if segment.atoms is None else segment.atoms
    coords, forces = [], []
    for _ in range(segment.n_steps // segment.save_steps):
        context.getIntegrator().step(segment.save_steps)
        state = context.getState(positions=True, forces=segment.forces)
        coords.append(state.getPositions(asNumpy=True)._value[atoms] * NM_IN_ANGSTROM)
        if segment.forces:
            forces.append(state.getForces(asNumpy=True)._value[atoms] * KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM)
    energy = context.getState(energy=True).getPotentialEnergy()._value / KCAL_IN_KJ
    return SegmentResult(
        coords=np.array(coords, np.float32),
        forces=np.array(forces, np.float32) if segment.forces else None,
        energy=float(energy),
        state=save_state(context),
    )


def pack_system(system: Any) -> str:
    """An openmm.System as text that can be sent to another process."""
    return str(import_openmm().mm.XmlSerializer.serialize(system))


@lru_cache(maxsize=8)
def unpack_system(text: str) -> Any:
    """The openmm.System of ``pack_system``; not to be changed, for it is kept."""
    return import_openmm().mm.XmlSerializer.deserialize(text)
