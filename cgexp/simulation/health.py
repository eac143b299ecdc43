"""Replica health: which replicas have become unphysical, and why."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cgexp.parts.part import Part
from cgexp.parts.ranges import Positive, PositiveInt
from cgexp.simulation.integrators import State


@dataclass(kw_only=True)
class HealthCheck(Part):
    """Limits of one replica; None switches a limit off. What is not finite always fails.

    every: steps between checks (each saved frame is checked too). max_bond: largest distance of consecutive beads,
    length. max_energy_jump: largest change of the energy from one check to the next, kT. max_abs_coord: largest
    absolute coordinate, length (the toys).
    """

    every: PositiveInt = 100
    max_bond: Positive | None = None
    max_energy_jump: Positive | None = None
    max_abs_coord: Positive | None = None

    def failures(self, state: State, energy_before: Tensor | None, kT: float) -> dict[int, str]:
        """Reason for each unhealthy replica; ``energy_before`` [n_replicas] is the energy at the last check."""
        found: dict[int, str] = {}
        for worst, limit, text in reversed(self._measures(state, energy_before, kT)):
            # Written so that NaN fails.
            bad = ~(worst <= limit)
            if bool(bad.any()):
                for replica in bad.nonzero()[:, 0].tolist():
                    found[replica] = text.format(value=worst[replica].item(), limit=limit)
        return dict(sorted(found.items()))

    def _measures(self, state: State, energy_before: Tensor | None, kT: float) -> list[tuple[Tensor, float, str]]:
        """Measured value [n_replicas], its limit and the text for it; an earlier entry takes precedence."""
        largest = torch.finfo(state.coords.dtype).max
        parts = {"coordinates": state.coords, "velocities": state.velocities, "forces": state.forces}
        if state.energy is not None:
            parts["energy"] = state.energy
        measures = [
            (part.flatten(1).abs().amax(dim=1) if part.ndim > 1 else part.abs(), largest, f"{name} not finite")
            for name, part in parts.items()
        ]
        if self.max_abs_coord is not None:
            value = measures[0][0]
            measures.append((value, self.max_abs_coord, "coordinate {value:.4g} beyond max_abs_coord={limit:g}"))
        if self.max_bond is not None and state.coords.shape[1] > 1:
            bonds = (state.coords[:, 1:] - state.coords[:, :-1]).norm(dim=-1).amax(dim=1)
            measures.append((bonds, self.max_bond, "bond stretched to {value:.4g}, beyond max_bond={limit:g}"))
        if self.max_energy_jump is not None and state.energy is not None and energy_before is not None:
            jump = (state.energy - energy_before).abs() / kT
            measures.append(
                (jump, self.max_energy_jump, "energy jump of {value:.4g} kT beyond max_energy_jump={limit:g}")
            )
        return measures
