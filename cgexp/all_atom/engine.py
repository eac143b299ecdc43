"""Dynamics of an openmm.System: the platform, fresh contexts, and the state that a later segment goes on from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.native_force import replaceable, with_native_force
from cgexp.errors import InputError
from cgexp.kernels.native_library import NoNativeKernel
from cgexp.units import KCAL_IN_KJ, KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM, NM_IN_ANGSTROM

if TYPE_CHECKING:
    import openmm

log = logging.getLogger(__name__)

FRICTION = 1.0  # 1/ps
TIME_STEP = 0.004  # ps
PlatformName = Literal["auto", "CUDA", "OpenCL", "native", "CPU", "Reference"]
# One CPU thread a context: a peptide gains nothing from a second one, so walkers run side by side instead.
PLATFORMS: dict[str, dict[str, str]] = {
    "CUDA": {"Precision": "mixed", "DeterministicForces": "true"},
    "OpenCL": {"Precision": "mixed"},
    "CPU": {"Threads": "1", "DeterministicForces": "true"},
    "Reference": {},
}
NATIVE_HOST: PlatformName = (
    "Reference"  # the platform around the C++ kernel: least overhead, since no threads are woken
)


def make_context(
    system: openmm.System,
    temperature: float,
    seed: int,
    *,
    friction: float = FRICTION,
    time_step: float = TIME_STEP,
    platform: PlatformName = "auto",
) -> openmm.Context:
    """Return a fresh openmm.Context with Langevin dynamics (LangevinMiddle).

    system: openmm.System. temperature: K. seed: positive; the dynamics repeat exactly for the same seed, state and
    machine. friction: 1/ps. time_step: ps. platform: 'auto' takes the fastest that works here; 'native' is the C++
    kernel for implicit solvent (``native_force``); the others are OpenMM's own.
    Raises InputError for a platform that is not there, and for 'native' where the kernel cannot be had.
    """
    mm, _, _ = import_openmm()
    integrator = mm.LangevinMiddleIntegrator(temperature, friction, time_step)
    integrator.setRandomNumberSeed(seed)
    system, name = on_platform(system, platform)
    return mm.Context(system, integrator, _platform(name), PLATFORMS[name])


def on_platform(system: openmm.System, platform: PlatformName) -> tuple[openmm.System, PlatformName]:
    """The system as it is computed on a platform, and the name of OpenMM's platform for it.

    'native' needs a system in implicit solvent, and a compiler.
    """
    if platform == "native" and replaceable(system) is None:
        raise InputError(
            "platform=native computes peptides in OBC2 or GBn2 without cutoff only: choose CPU, CUDA or OpenCL"
        )
    if platform == "native":
        return with_native_force(system), NATIVE_HOST
    if platform != "auto":
        return system, platform
    gpu = fastest_platform()
    return on_cpu(system) if gpu == "CPU" else (system, gpu)


def on_cpu(system: openmm.System) -> tuple[openmm.System, PlatformName]:
    """As ``on_platform`` without a GPU: the kernel, or OpenMM's CPU platform, after a sentence, without a compiler."""
    if replaceable(system) is not None:
        try:
            return with_native_force(system), NATIVE_HOST
        except NoNativeKernel as error:
            _warn_once(f"{error.reason}; OpenMM's own forces are used, which are 5 (OBC2) to 30 (GBn2) times slower")
    elif any(isinstance(force, _born_forces()) for force in system.getForces()):
        _warn_once("the C++ kernel does not know this implicit solvent; OpenMM's own forces are used, which are slower")
    return system, "CPU"


def _born_forces() -> tuple[type, ...]:
    mm, _, _ = import_openmm()
    return mm.CustomGBForce, mm.GBSAOBCForce


@lru_cache(maxsize=None)
def _warn_once(sentence: str) -> None:
    log.warning(sentence)


@lru_cache(maxsize=None)
def fastest_platform() -> Literal["CUDA", "OpenCL", "CPU"]:
    """The first of CUDA, OpenCL and CPU that can run a system here; a GPU platform without a GPU is passed over."""
    mm, _, _ = import_openmm()
    gpus: tuple[Literal["CUDA", "OpenCL"], ...] = ("CUDA", "OpenCL")
    for name in gpus:
        system = mm.System()
        system.addParticle(1.0)
        try:
            mm.Context(system, mm.VerletIntegrator(0.001), _platform(name), PLATFORMS[name])
        except (mm.OpenMMException, InputError):
            continue
        return name
    return "CPU"


def energy_and_forces(context: openmm.Context, positions: NDArray[np.floating]) -> tuple[float, NDArray[np.float64]]:
    """Potential energy (kcal/mol) and forces [n_atoms, 3] (kcal/mol/Å) at ``positions`` [n_atoms, 3] (Å)."""
    context.setPositions(positions.astype(np.float64) / NM_IN_ANGSTROM)
    state = context.getState(energy=True, forces=True)
    forces = state.getForces(asNumpy=True)._value * KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM
    return float(state.getPotentialEnergy()._value) / KCAL_IN_KJ, forces


def save_state(context: openmm.Context) -> dict[str, NDArray[np.float64]]:
    """Positions, velocities and, with periodic boundaries, the box to go on from, exactly as OpenMM holds them."""
    state = context.getState(positions=True, velocities=True)
    saved = {
        "state_positions_nm": state.getPositions(asNumpy=True)._value.astype(np.float64),
        "state_velocities_nm_per_ps": state.getVelocities(asNumpy=True)._value.astype(np.float64),
    }
    if context.getSystem().usesPeriodicBoundaryConditions():
        saved["state_box_nm"] = np.array(state.getPeriodicBoxVectors(asNumpy=True)._value, dtype=np.float64)
    return saved


def restore_state(context: openmm.Context, state: Mapping[str, NDArray[Any]]) -> None:
    """Put the context where ``save_state`` found another."""
    if "state_box_nm" in state:
        context.setPeriodicBoxVectors(*state["state_box_nm"])
    context.setPositions(state["state_positions_nm"])
    context.setVelocities(state["state_velocities_nm_per_ps"])


def derived_seed(*key: int) -> int:
    """A seed that is a function of ``key`` alone: positive, for OpenMM takes 0 as 'any'."""
    return int(np.random.SeedSequence(key).generate_state(1)[0] >> 1) | 1


def _platform(name: str) -> openmm.Platform:
    mm, _, _ = import_openmm()
    try:
        return mm.Platform.getPlatformByName(name)
    except mm.OpenMMException as error:
        known = [mm.Platform.getPlatform(index).getName() for index in range(mm.Platform.getNumPlatforms())]
        raise InputError(
            f"this OpenMM has no platform '{name}': expected one of {', '.join(known)}; set dataset.platform=auto"
        ) from error
