"""Replicas: the running state of a simulation: step by step, failed replicas frozen, and to arrays and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from cgexp.errors import InputError
from cgexp.simulation.health import HealthCheck
from cgexp.simulation.integrators import Bath, Evaluate, Integrator, State

# Relative difference of recomputed forces at which a resumed simulation is taken to have another potential.
SAME_FORCES = 1e-3


@dataclass
class Replicas:
    """All replicas at one step. ``healthy`` is the state at the last health check, to which a failed one returns."""

    state: State
    healthy: State
    alive: Tensor  # [n_replicas], bool
    failures: list[dict[str, Any]]
    generator: torch.Generator
    step: int = 0

    def summary(self) -> str:
        """Failures so far, for a progress line."""
        return f"{len(self.failures)} of {len(self.alive)} replicas failed" if self.failures else ""

    @classmethod
    def begin(cls, coords: Tensor, integrator: Integrator, evaluate: Evaluate, bath: Bath, seed: int) -> Replicas:
        """Replicas at step 0 from coords [n_replicas, n_beads, n_dims], with the generator seeded."""
        generator = torch.Generator(device=coords.device)
        generator.manual_seed(seed)
        velocities = integrator.initial_velocities(coords, bath, generator)
        energy, forces = evaluate(coords)
        state = State(coords, velocities, forces, energy)
        alive = torch.ones(len(coords), dtype=torch.bool, device=coords.device)
        return cls(state, state, alive, [], generator)

    @classmethod
    def restore(
        cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], like: Tensor, evaluate: Evaluate
    ) -> Replicas:
        """Replicas as ``arrays()`` left them, on the device of ``like``; InputError if their potential was another."""
        parts = {name: torch.tensor(arrays[f"state_{name}"]).to(like) for name in ("coords", "velocities", "forces")}
        energy = torch.tensor(arrays["state_energy"]).to(like) if "state_energy" in arrays else None
        alive = torch.tensor(arrays["alive"], device=like.device)
        _, forces = evaluate(parts["coords"])
        expected = parts["forces"][alive]
        tolerance = SAME_FORCES * float(expected.norm()) / max(expected.numel(), 1) ** 0.5
        if not torch.allclose(forces[alive], expected, rtol=SAME_FORCES, atol=tolerance):
            raise InputError(
                "the unfinished simulation was made with another potential: delete its folder or run with force=true"
            )
        generator = torch.Generator(device=like.device)
        generator.set_state(torch.tensor(arrays["generator"]))
        state = State(**parts, energy=energy)
        return cls(state, state, alive, list(meta["failures"]), generator, meta["step"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything ``restore`` needs besides step and failures; to be taken right after a check."""
        state = {"coords": self.state.coords, "velocities": self.state.velocities, "forces": self.state.forces}
        if self.state.energy is not None:
            state["energy"] = self.state.energy
        # copies, since a thread writes them while the dynamics goes on
        arrays: dict[str, NDArray[Any]] = {f"state_{name}": _copied(value) for name, value in state.items()}
        return {**arrays, "alive": _copied(self.alive), "generator": self.generator.get_state().numpy()}

    def n_alive(self, every: int = 1) -> int:
        """Replicas that have not failed, of each ``every``-th, told without waiting for the device."""
        return -(-len(self.alive) // every) - sum(failure["replica"] % every == 0 for failure in self.failures)

    def advance(self, integrator: Integrator, evaluate: Evaluate, bath: Bath) -> None:
        """Make one step. A frozen replica stays in the batch, so that no other one's arithmetic or noise changes."""
        before, self.state = self.state, integrator.step(self.state, evaluate, bath, self.generator)
        if self.failures:
            self.state = keep_alive(self.alive, self.state, before)
        self.step += 1

    def check(self, health: HealthCheck, bath: Bath) -> None:
        """Freeze and record the replicas that are unhealthy, at their last healthy state."""
        found = health.failures(self.state, self.healthy.energy, bath.kT)
        new = [replica for replica in found if self.alive[replica]]
        if new:
            self.alive = self.alive.clone()
            self.alive[new] = False
            self.state = keep_alive(self.alive, self.state, self.healthy)
            for replica in new:
                time = round(self.step * bath.dt, 12)
                self.failures.append({"replica": replica, "step": self.step, "time": time, "reason": found[replica]})
        self.healthy = self.state


def _copied(value: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = value.to("cpu", copy=True).numpy()
    return array


def keep_alive(alive: Tensor, new: State, old: State) -> State:
    """``new`` where alive, ``old`` where not."""
    mask = alive[:, None, None]
    energy = None if new.energy is None or old.energy is None else torch.where(alive, new.energy, old.energy)
    return State(
        torch.where(mask, new.coords, old.coords),
        torch.where(mask, new.velocities, old.velocities),
        torch.where(mask, new.forces, old.forces),
        energy,
    )
