"""Langevin and overdamped dynamics of many replicas at once, in plain torch with an explicit generator."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from cgexp.errors import InputError
from cgexp.kernels.evaluator import Evaluate
from cgexp.parts.part import Part
from cgexp.parts.ranges import NonNegative, Positive
from cgexp.units import UnitSystem


@dataclass
class State:
    """Where the replicas are: coords, velocities, forces [n_replicas, n_beads, n_dims]; energy [n_replicas] or None."""

    coords: Tensor
    velocities: Tensor
    forces: Tensor
    energy: Tensor | None


@dataclass(frozen=True)
class Bath:
    """What a step needs besides the state: dt; kT; mobility [n_beads, 1], the acceleration of a bead by unit force."""

    dt: float
    kT: float
    mobility: Tensor
    thermal_speed: Tensor  # standard deviation of one velocity component: [n_beads, 1], or [n_replicas, n_beads, 1]

    @classmethod
    def at(cls, dt: float, temperature: float, masses: Tensor, units: UnitSystem) -> Bath:
        """The bath at ``temperature`` (K or kT) for beads of ``masses`` [n_beads] (amu or reduced)."""
        mobility = units.acceleration / masses[:, None]
        kT = units.kT(temperature)
        return cls(dt, kT, mobility, (kT * mobility).sqrt())

    def on(self, device: torch.device | str) -> Bath:
        """The same bath on a device."""
        return replace(self, mobility=self.mobility.to(device), thermal_speed=self.thermal_speed.to(device))


class RowsGenerator(torch.Generator):
    """A generator whose noise is that of ``n_replicas`` replicas, of which the caller has ``rows`` (first, end)."""

    def __new__(cls, device: torch.device | str, n_replicas: int, rows: tuple[int, int]) -> RowsGenerator:
        made = torch.Generator.__new__(cls, device)  # type: ignore[call-arg]
        made.n_replicas, made.rows = n_replicas, slice(*rows)
        return made

    n_replicas: int
    rows: slice


class Integrator(Part, ABC):
    """One step of dynamics. All noise of a step is drawn for all replicas, so a replica's noise is its own.

    overdamped: whether there is no inertia, so that ``friction`` (1/time) limits the time step.
    """

    overdamped: ClassVar[bool] = False
    friction: float

    @property
    def overdamped_friction(self) -> float | None:
        """The friction if there is no inertia, else None; as ``time_step_problem`` takes it."""
        return self.friction if self.overdamped else None

    @abstractmethod
    def initial_velocities(self, coords: Tensor, bath: Bath, generator: torch.Generator) -> Tensor:
        """Velocities to start with, [n_replicas, n_beads, n_dims], length/time."""

    @abstractmethod
    def step(self, state: State, evaluate: Evaluate, bath: Bath, generator: torch.Generator) -> State:
        """The state one time step later; ``state`` is left as it is."""


@dataclass
class Baoab(Integrator):
    """Underdamped Langevin dynamics, BAOAB splitting (Leimkuhler and Matthews 2013, J. Chem. Phys. 138, 174102).

    Half kick, half drift, exact Ornstein-Uhlenbeck velocities, half drift, half kick. Configurations of a harmonic
    coordinate are sampled exactly at any stable dt; others to dt^2, to dt^4 at high friction; velocities to dt^2.
    friction: 1/time. Zero friction is velocity Verlet.
    """

    friction: NonNegative

    def __post_init__(self) -> None:
        if not self.friction >= 0:
            raise InputError(f"integrator.friction={self.friction} is not valid: expected a number >= 0")

    def initial_velocities(self, coords: Tensor, bath: Bath, generator: torch.Generator) -> Tensor:
        """Maxwell-Boltzmann velocities."""
        return bath.thermal_speed * _noise(coords, generator)

    def step(self, state: State, evaluate: Evaluate, bath: Bath, generator: torch.Generator) -> State:
        half = 0.5 * bath.dt
        keep = math.exp(-self.friction * bath.dt)
        # Few calls: with few replicas a call takes longer than its arithmetic. In place only on tensors made here.
        velocities = torch.addcmul(state.velocities, bath.mobility, state.forces, value=half)
        coords = torch.add(state.coords, velocities, alpha=half)
        noise = _noise(coords, generator)
        velocities.mul_(keep).addcmul_(bath.thermal_speed, noise, value=math.sqrt(1.0 - keep * keep))
        coords.add_(velocities, alpha=half)
        energy, forces = evaluate(coords)
        velocities.addcmul_(bath.mobility, forces, value=half)
        return State(coords, velocities, forces, energy)


@dataclass
class Overdamped(Integrator):
    """Brownian dynamics, Euler-Maruyama: dx = F/(m friction) dt + sqrt(2 kT/(m friction) dt) noise.

    Exact in the limit of small dt only: the variance of a harmonic coordinate is too large by a factor
    1 / (1 - dt k / (2 m friction)). friction: 1/time. Velocities are zero.
    """

    overdamped: ClassVar[bool] = True
    friction: Positive

    def __post_init__(self) -> None:
        if not self.friction > 0:
            raise InputError(f"integrator.friction={self.friction} is not valid: expected a positive number")

    def initial_velocities(self, coords: Tensor, bath: Bath, generator: torch.Generator) -> Tensor:
        """Zeros: overdamped motion has no velocity."""
        return torch.zeros_like(coords)

    def step(self, state: State, evaluate: Evaluate, bath: Bath, generator: torch.Generator) -> State:
        coords = torch.addcmul(state.coords, bath.mobility, state.forces, value=bath.dt / self.friction)
        spread = math.sqrt(2.0 * bath.dt / self.friction)
        coords.addcmul_(bath.thermal_speed, _noise(coords, generator), value=spread)
        energy, forces = evaluate(coords)
        return State(coords, state.velocities, forces, energy)


def _noise(like: Tensor, generator: torch.Generator) -> Tensor:
    if not isinstance(generator, RowsGenerator):
        return torch.randn(like.shape, dtype=like.dtype, device=like.device, generator=generator)
    shape = (generator.n_replicas, *like.shape[1:])
    return torch.randn(shape, dtype=like.dtype, device=like.device, generator=generator)[generator.rows]
