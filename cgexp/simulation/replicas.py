"""Replicas: where they start, and their running state: step by step, failed ones frozen, to arrays and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.simulation.health import HealthCheck
from cgexp.simulation.integrators import Bath, Evaluate, Integrator, State
from cgexp.systems.base import System, farthest_points

# Relative difference of recomputed forces at which a resumed simulation is taken to have another potential.
SAME_FORCES = 1e-3
PARTS = ("coords", "velocities", "forces")


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
        cls,
        arrays: Mapping[str, NDArray[Any]],
        meta: Mapping[str, Any],
        like: Tensor,
        evaluate: Evaluate,
        generator: torch.Generator | None = None,
    ) -> Replicas:
        """Replicas as ``arrays()`` left them, on the device of ``like``; InputError if their potential was another.

        generator: that goes on from the state in ``arrays``; None: a new one.
        """
        parts = {name: torch.tensor(arrays[f"state_{name}"]).to(like) for name in PARTS}
        energy = torch.tensor(arrays["state_energy"]).to(like) if "state_energy" in arrays else None
        alive = torch.tensor(arrays["alive"], device=like.device)
        _, forces = evaluate(parts["coords"])
        expected = parts["forces"][alive]
        tolerance = SAME_FORCES * float(expected.norm()) / max(expected.numel(), 1) ** 0.5
        if not torch.allclose(forces[alive], expected, rtol=SAME_FORCES, atol=tolerance):
            raise InputError(
                "the unfinished simulation was made with another potential: delete its folder or run with force=true"
            )
        generator = torch.Generator(device=like.device) if generator is None else generator
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

    def take(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Become the replicas that ``arrays()`` left elsewhere, of the same simulation at a later step."""
        parts = {name: torch.tensor(arrays[f"state_{name}"]).to(self.state.coords) for name in PARTS}
        energy = torch.tensor(arrays["state_energy"]).to(self.state.coords) if "state_energy" in arrays else None
        self.state = self.healthy = State(**parts, energy=energy)
        self.alive = torch.tensor(arrays["alive"], device=self.alive.device)
        self.failures, self.step = list(meta["failures"]), meta["step"]
        self.generator.set_state(torch.tensor(arrays["generator"]))

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


SPREAD_CANDIDATES = 10_000  # frames that farthest points are chosen from: 0.03 s a choice, of ten beads


def make_starts(kind: str, frames: Frames, system: System, n_replicas: int, seed: int) -> Tensor:
    """Starts: [n_replicas, n_beads, n_dims] in the precision of the frames.

    kind: 'data' or 'spread', or one of the system's own. Where the system has frames of a kind to start from, they are
    chosen as for 'data'; else all replicas start at one structure, which their velocities and noise tell apart. Raises
    InputError for a kind that this system does not have.
    """
    if kind == "data":
        return choose_starts(frames, n_replicas, seed)
    if kind == "spread":
        return _spread(frames, system, n_replicas, seed)
    start = system.start(kind, frames.coords)
    if start.structure is None:
        return choose_starts(frames.select(start.frames), n_replicas, seed)
    return torch.tensor(np.repeat(start.structure[None].astype(frames.coords.dtype), n_replicas, axis=0))


def choose_starts(frames: Frames, n_replicas: int, seed: int) -> Tensor:
    """One random frame from each of ``n_replicas`` random blocks: [n_replicas, n_beads, n_dims].

    No block serves twice before all have served once, which spreads the starts over the data.
    """
    generator = np.random.default_rng(seed)
    order = np.argsort(frames.block, kind="stable")
    _, first, sizes = np.unique(frames.block[order], return_index=True, return_counts=True)
    rounds = -(-n_replicas // len(first))
    chosen = np.concatenate([generator.permutation(len(first)) for _ in range(rounds)])[:n_replicas]
    index = order[first[chosen] + generator.integers(sizes[chosen])]
    return torch.tensor(frames.coords[index])


def _spread(frames: Frames, system: System, n_replicas: int, seed: int) -> Tensor:
    """Farthest points of the data, the first far from a random frame; none serves twice before all have served."""
    n_candidates = min(len(frames), SPREAD_CANDIDATES)
    candidates = frames.coords[np.arange(n_candidates) * len(frames) // n_candidates]
    anywhere = candidates[[np.random.default_rng(seed).integers(n_candidates)]]
    first = farthest_points(system, candidates, anywhere, 1)
    others = farthest_points(system, candidates, candidates[first], min(n_replicas, n_candidates) - 1)
    return torch.tensor(candidates[np.resize(np.concatenate([first, others]), n_replicas)])
