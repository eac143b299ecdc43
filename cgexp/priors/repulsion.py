"""Excluded volume between beads that are several bonds apart."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cgexp.energy import Measured
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.geometry import distances
from cgexp.parts.ranges import Fraction, Positive, PositiveInt
from cgexp.priors.term import INDEX, PriorTerm, quantile, require_chain
from cgexp.systems.base import System
from cgexp.systems.bond_graph import BondGraph


class Repulsion(PriorTerm):
    """(sigma / r)^6 energy units for each pair at least ``min_separation`` bonds apart, one sigma for all.

    sigma: length; None: fitted, so that the energy is kT at the distance below which a share ``closest_share`` of all
    observed distances lies. CGnet 2019 takes 5.5 Å. min_separation: bonds between the two beads of a pair.
    """

    convention = (
        "U = sum over pairs of (sigma / r)^6 in energy units; fit: U = kT at the closest distances observed, those "
        "below which the share closest_share of all pairs and frames lies; no fit where sigma was given"
    )
    label = "distance of non-bonded pairs"
    unit = "{length}"
    buffer_units = {"beads": INDEX, "sigma": "{length}"}
    pooled = True

    beads: Tensor
    sigma: Tensor

    def __init__(
        self, sigma: Positive | None = None, min_separation: PositiveInt = 3, closest_share: Fraction = 0.001
    ) -> None:
        super().__init__()
        self.given_sigma, self.min_separation, self.closest_share = sigma, min_separation, closest_share

    def arguments(self) -> dict[str, Any]:
        return {
            "sigma": self.given_sigma,
            "min_separation": self.min_separation,
            "closest_share": self.closest_share,
        }

    def suits(self, system: System) -> bool:
        return len(BondGraph.of(system).pairs(self.min_separation)) > 0

    def fit(self, frames: Frames, system: System) -> None:
        require_chain(self, frames, self.min_separation + 1)
        beads = self._pairs(frames, system)
        self.beads = beads.to(self.beads)
        sigma = self.given_sigma
        if sigma is None:
            closest = quantile(Measured(frames, lambda coords: distances(coords, beads)), self.closest_share)
            sigma = closest * frames.kT ** (1.0 / 6.0)
        self.sigma = torch.tensor([sigma]).to(self.sigma)

    def _pairs(self, frames: Frames, system: System) -> Tensor:
        pairs = BondGraph.of(system).pairs(self.min_separation)
        if len(pairs) == 0:
            raise InputError(
                f"no two beads of '{frames.system}' are {self.min_separation} bonds apart: lower min_separation of the "
                "prior's Repulsion"
            )
        return pairs

    def internal_coordinates(self, coords: Tensor) -> Tensor:
        return distances(coords, self.beads)

    def energies(self, values: Tensor) -> Tensor:
        return (self.sigma / values).pow(6)
