"""Parallel tempering: ladders of temperatures whose neighbouring replicas swap configurations.

A coarse-grained potential is a free energy at the study temperature, so that only the lowest rung has a physical
ensemble, exp(-U/kT). The rungs above it sample exp(-U/kT') with the same U and a higher kT': a device for crossing
barriers, and no model of the system at another temperature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgexp.parts.part import Part
from cgexp.parts.ranges import Positive, PositiveInt
from cgexp.simulation.integrators import Bath, State
from cgexp.simulation.replicas import Replicas

NOT_YET, UPWARDS, DOWNWARDS = 0, 1, 2  # a walker: not yet at the study rung, last there, or at the hottest rung since


@dataclass(kw_only=True)
class Tempering(Part):
    """A geometric ladder of ``n_rungs`` temperatures, from that of the simulation to ``highest`` (K or kT).

    every: steps between attempts to swap neighbours, of rungs (0, 1), (2, 3), ... and (1, 2), (3, 4), ... in turn.
    """

    highest: Positive
    n_rungs: PositiveInt
    every: PositiveInt

    def temperatures(self, lowest: float) -> NDArray[np.float64]:
        """Temperatures of the rungs, ascending from ``lowest``, the study temperature: [n_rungs], K or kT."""
        return np.geomspace(lowest, self.highest, self.n_rungs)


@dataclass
class Ladders:
    """The running state of all ladders: replica ``ladder * n_rungs + rung`` always has the temperature of its rung.

    A walker is what moves: a configuration with its velocities. kT: [n_rungs], energy. walker: [n_ladders, n_rungs],
    which of its ladder is at each rung. way, round_trips: [n_ladders, n_rungs], of each walker, where it is heading
    and how often it went from the study rung to the hottest one and back. tried, accepted: [n_ladders, n_rungs - 1],
    swaps between each rung and the next.
    """

    tempering: Tempering
    kT: Tensor
    walker: Tensor
    way: Tensor
    round_trips: Tensor
    tried: Tensor
    accepted: Tensor

    COUNTS: ClassVar[tuple[str, ...]] = ("walker", "way", "round_trips", "tried", "accepted")

    @classmethod
    def begin(cls, tempering: Tempering, kT: Tensor, n_ladders: int) -> Ladders:
        """Ladders in which nothing has moved."""
        shape = (n_ladders, tempering.n_rungs)

        def zeros(n_columns: int) -> Tensor:
            return torch.zeros(n_ladders, n_columns, dtype=torch.long, device=kT.device)

        walker = torch.arange(tempering.n_rungs, device=kT.device).repeat(n_ladders, 1)
        ladders = cls(tempering, kT, walker, zeros(shape[1]), zeros(shape[1]), zeros(shape[1] - 1), zeros(shape[1] - 1))
        ladders._follow_walkers()
        return ladders

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what ``arrays`` left in a file."""
        for name in self.COUNTS:
            setattr(self, name, torch.tensor(arrays[f"ladders_{name}"], device=self.kT.device))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything ``restore`` needs."""
        return {f"ladders_{name}": getattr(self, name).to("cpu", copy=True).numpy() for name in self.COUNTS}

    def heated(self, bath: Bath) -> Bath:
        """The bath with every replica at its rung's temperature; its kT, the unit of energies, stays that of study."""
        kT = self.kT.to(bath.mobility).repeat(len(self.walker))[:, None, None]
        return replace(bath, thermal_speed=(kT * bath.mobility).sqrt())

    def exchange(self, replicas: Replicas) -> None:
        """Try to swap neighbours and count; to be called right after a health check. Failed replicas take no part.

        All random numbers are drawn whatever is tried, so that a failed replica changes no other ladder's.
        """
        shape, energy = self.walker.shape, replicas.state.energy
        assert energy is not None
        uniforms = torch.rand(self.tried.shape, dtype=torch.float64, device=energy.device, generator=replicas.generator)
        parity = (replicas.step // self.tempering.every + 1) % 2
        alive = replicas.alive.view(shape)
        tried = alive[:, :-1] & alive[:, 1:]
        tried[:, 1 - parity :: 2] = False
        accepted = tried & accept(energy.view(shape), self.kT, uniforms)
        rung = torch.arange(shape[1], device=energy.device)
        came_from = rung.repeat(shape[0], 1)
        came_from[:, :-1] += accepted.long()
        came_from[:, 1:] -= accepted.long()
        self.walker = self.walker.gather(1, came_from)
        self.tried, self.accepted = self.tried + tried, self.accepted + accepted
        self._follow_walkers()
        first = torch.arange(shape[0], device=energy.device)[:, None] * shape[1]
        scale = (self.kT[rung] / self.kT[came_from]).sqrt().flatten()
        replicas.state = replicas.healthy = _moved(replicas.state, (first + came_from).flatten(), scale)

    def _follow_walkers(self) -> None:
        """Turn round the walkers that have reached an end of their ladder, and count round trips."""
        if self.tempering.n_rungs == 1:
            return
        lowest, highest = self.walker[:, :1], self.walker[:, -1:]
        returned = (self.way.gather(1, lowest) == DOWNWARDS).long()
        self.round_trips = self.round_trips.scatter_add(1, lowest, returned)
        way = self.way.scatter(1, lowest, UPWARDS)
        there = way.gather(1, highest)
        self.way = way.scatter(1, highest, torch.where(there == UPWARDS, DOWNWARDS, there))


def accept(energy: Tensor, kT: Tensor, uniforms: Tensor) -> Tensor:
    """Which neighbours may swap, by Metropolis (Sugita and Okamoto 1999, Chem. Phys. Lett. 314, 141, eq. 10).

    energy: [n_ladders, n_rungs] of the configuration at each rung. kT: [n_rungs]. uniforms: [n_ladders, n_rungs - 1],
    in [0, 1). Returns [n_ladders, n_rungs - 1], true with probability min(1, exp((1/kT_i - 1/kT_j)(U_i - U_j))). With
    velocities scaled by the root of the temperatures' ratio, their kinetic energies cancel.
    """
    beta, energy = 1.0 / kT.double(), energy.double()
    exponent = (beta[:-1] - beta[1:]) * (energy[:, :-1] - energy[:, 1:])
    return uniforms < exponent.clamp(max=0.0).exp()


def _moved(state: State, index: Tensor, scale: Tensor) -> State:
    """The replicas at ``index``, with their velocities times ``scale``; both [n_replicas]."""
    velocities = state.velocities[index] * scale.to(state.velocities)[:, None, None]
    energy = None if state.energy is None else state.energy[index]
    return State(state.coords[index], velocities, state.forces[index], energy)
