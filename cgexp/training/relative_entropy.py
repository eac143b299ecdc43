"""RelativeEntropy: the ensemble of the model against that of the data, by simulating the model as it is trained."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.kernels.evaluator import Evaluate, make_evaluator
from cgexp.models.potential import Potential
from cgexp.parts.ranges import NonNegativeInt, Positive, PositiveInt, Weight
from cgexp.simulation.health import HealthCheck
from cgexp.simulation.integrators import Bath, Integrator, State
from cgexp.simulation.replicas import Replicas, choose_starts, keep_alive
from cgexp.systems.base import system_of
from cgexp.training.losses import Batch, EnsembleTerm
from cgexp.units import unit_system

log = logging.getLogger(__name__)


class RelativeEntropy(EnsembleTerm):
    """Relative entropy S = <ln p_data - ln p_model>_data (Shell 2008, J. Chem. Phys. 129, 144108, Eq. 4).

    Its gradient in the parameters is (<dU/dtheta>_data - <dU/dtheta>_model) / kT (Eq. 8 of Chaimovich and Shell 2011,
    J. Chem. Phys. 134, 094112): energy goes down where the data are and up where the model is. The data are the batch,
    the model's ensemble replicas that take ``n_steps`` of dynamics between two steps of the training and are never
    begun anew (persistent contrastive divergence, Tieleman 2008), so that they follow a model that changes slowly. The
    frames must be an equilibrium sample, with weights or without, at their temperature.

    Force matching finds the mean force where there are data; how much is folded depends on its integral, to which
    small errors add up. This term sees populations. It needs a small learning rate, an average over weights
    (trainer.callbacks.ema), and ``trainer.use_weights=last``, as the validation loss judges forces only; a training
    begins best from weights that force matching has found (trainer.start_from).

    weight: of the relative entropy, force^2, since the loss beside it is a squared force. integrator, dt (time unit),
    n_replicas: of the dynamics, which starts from frames of the data. n_equilibration: steps before the first step of
    the training, so that the replicas have the populations of the model they start under: as many as it takes to forget
    a start. Without them a model that is wrong by a slow process, as folding, looks right. health: limits of a replica;
    one beyond them begins anew from a frame of the data.
    The value that is logged is the gap between the network's mean energies, in kT times the weight, whose gradient is
    that of S; it is not S itself, which would need the partition function.
    """

    def __init__(
        self,
        integrator: Integrator,
        dt: Positive,
        weight: Weight = 1.0,
        n_replicas: PositiveInt = 256,
        n_steps: PositiveInt = 100,
        n_equilibration: NonNegativeInt = 0,
        health: HealthCheck | None = None,
    ) -> None:
        super().__init__(weight)
        self.integrator, self.dt, self.n_replicas, self.n_steps = integrator, dt, n_replicas, n_steps
        self.n_equilibration = n_equilibration
        self.health = HealthCheck() if health is None else health
        self.n_restarts = 0  # replicas that have left the limits
        self._replicas: Replicas | None = None
        self._kept: Mapping[str, Any] | None = None  # of a checkpoint, until the first step

    def begin(self, potential: Potential, frames: Frames, seed: int, kernel: str) -> None:
        if frames.temperature is None:
            raise InputError("relative entropy needs frames at one temperature, and these state none")
        self._potential, self._frames, self._seed, self._kernel = potential, frames, seed, kernel
        self._masses = np.asarray(system_of(frames).masses, dtype=np.float64)
        self._replicas = None

    def __call__(self, batch: Batch) -> Tensor:
        samples = self._sampled(batch.coords)
        network = self._potential.network
        assert network is not None
        return self.weight * energy_gap(network, batch.coords, samples, batch.weights) / self._frames.kT

    def _sampled(self, like: Tensor) -> Tensor:
        """Coordinates of the replicas, [n_replicas, n_beads, n_dims], after another ``n_steps`` under today's model."""
        evaluate = make_evaluator(self._kernel, self._potential, like)
        first = self._replicas is None and not self._kept
        replicas, bath = self._present(evaluate, like), self._bath(like)
        n_steps = self.n_steps + (self.n_equilibration if first else 0)
        for step in range(1, n_steps + 1):
            replicas.advance(self.integrator, evaluate, bath)
            if step % self.health.every == 0 or step == n_steps:
                self._restart_failed(replicas, evaluate, bath)
        return replicas.state.coords

    def _present(self, evaluate: Evaluate, like: Tensor) -> Replicas:
        """The replicas with the forces of today's model; begun, or taken from a checkpoint, at the first step."""
        if self._replicas is None:
            starts = choose_starts(self._frames, self.n_replicas, self._seed).to(like)
            self._replicas = Replicas.begin(starts, self.integrator, evaluate, self._bath(like), self._seed)
            if self._kept:
                _take(self._kept, self._replicas, like)
        replicas = self._replicas
        energy, forces = evaluate(replicas.state.coords)
        replicas.state = State(replicas.state.coords, replicas.state.velocities, forces, energy)
        replicas.healthy = replicas.state
        return replicas

    def _restart_failed(self, replicas: Replicas, evaluate: Evaluate, bath: Bath) -> None:
        replicas.check(self.health, bath)
        if not replicas.failures:
            return
        if self.n_restarts == 0:
            log.warning("a replica of the model failed (%s): such replicas begin anew", replicas.failures[0]["reason"])
        self.n_restarts += len(replicas.failures)
        shares = self._frames.weights
        chances = torch.ones(len(self._frames)) if shares is None else torch.as_tensor(np.array(shares))
        index = torch.multinomial(
            chances.to(replicas.generator.device), self.n_replicas, replacement=True, generator=replicas.generator
        )
        coords = torch.tensor(self._frames.coords[index.cpu().numpy()]).to(replicas.state.coords)
        velocities = self.integrator.initial_velocities(coords, bath, replicas.generator)
        energy, forces = evaluate(coords)
        replicas.state = keep_alive(replicas.alive, replicas.state, State(coords, velocities, forces, energy))
        replicas.alive, replicas.failures = torch.ones_like(replicas.alive), []

    def _bath(self, like: Tensor) -> Bath:
        masses, units = torch.as_tensor(self._masses).to(like), unit_system(self._frames.units)
        return Bath.at(self.dt, float(self._frames.temperature or 0.0), masses, units)

    def state(self) -> dict[str, Any]:
        if self._replicas is None:
            return dict(self._kept or {})
        state = self._replicas.state
        return {
            "coords": state.coords.clone(),
            "velocities": state.velocities.clone(),
            "generator": self._replicas.generator.get_state(),
            "n_restarts": self.n_restarts,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._kept, self._replicas = state, None
        self.n_restarts = int(state.get("n_restarts", 0))


def energy_gap(network: EnergyTerm, data: Tensor, model: Tensor, weights: Tensor) -> Tensor:
    """Mean energy of a network over the data, weighted, minus that over the model's samples: a scalar, energy unit.

    data: [n_frames, n_beads, n_dims]. weights: [n_frames]. model: [n_samples, n_beads, n_dims]. A constant added to
    the energy changes nothing.
    """
    energy = network.energy(torch.cat([data, model]))
    of_data, of_model = energy[: len(data)], energy[len(data) :]
    return (weights * of_data).sum() / weights.sum() - of_model.mean()


def _take(kept: Mapping[str, Any], replicas: Replicas, like: Tensor) -> None:
    coords, velocities = kept["coords"].to(like), kept["velocities"].to(like)
    replicas.state = State(coords, velocities, replicas.state.forces, replicas.state.energy)
    replicas.generator.set_state(kept["generator"])
