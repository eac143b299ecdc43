"""Harmonic bonds and angles by Boltzmann inversion."""

from __future__ import annotations

import torch
from torch import Tensor

from cgexp.energy import Measured
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.geometry import angles, distances
from cgexp.priors.term import INDEX, PriorTerm, require_chain
from cgexp.systems.base import System
from cgexp.systems.bond_graph import BondGraph

FIT = (
    "fit: x0 = mean, k = kT / variance over the frames, each with its weight; no Jacobian correction (the r^2 of a "
    "bond and the sine of an angle are left to the network, as in CGnet 2019)"
)


class HarmonicTerm(PriorTerm):
    """1/2 k (x - x0)^2 for each internal coordinate; x0 is its mean in the frames, k = kT / variance."""

    beads: Tensor
    center: Tensor
    force_constant: Tensor

    def index(self, graph: BondGraph) -> Tensor:
        """Beads of each internal coordinate: [n_coordinates, beads_per_coordinate]."""
        raise NotImplementedError

    def measure(self, coords: Tensor, beads: Tensor) -> Tensor:
        """Internal coordinates [n_frames, n_coordinates] over the given beads."""
        raise NotImplementedError

    def internal_coordinates(self, coords: Tensor) -> Tensor:
        return self.measure(coords, self.beads)

    def suits(self, system: System) -> bool:
        return len(self.index(BondGraph.of(system))) > 0

    def fit(self, frames: Frames, system: System) -> None:
        beads = self.index(BondGraph.of(system))
        require_chain(self, frames, beads.shape[1])
        mean, variance = Measured(frames, lambda coords: self.measure(coords, beads)).mean_and_variance()
        if (variance <= (1e-6 * mean) ** 2).any():
            raise InputError(
                f"{self.label} {variance.argmin()} is the same in all {len(frames)} frames, so that its force "
                "constant would be infinite: fit the prior on more frames"
            )
        self.beads = beads.to(self.beads)
        self.center = mean.to(self.center)
        self.force_constant = (frames.kT / variance).to(self.force_constant)

    def energies(self, values: Tensor) -> Tensor:
        return 0.5 * self.force_constant * (values - self.center).square()


class HarmonicBonds(HarmonicTerm):
    """Bonds: of C-alpha beads, between neighbours along the chain."""

    convention = f"U = sum over bonds of 1/2 k (r - r0)^2; {FIT}"
    label = "bond"
    unit = "{length}"
    buffer_units = {"beads": INDEX, "center": "{length}", "force_constant": "{energy}/{length}^2"}

    def index(self, graph: BondGraph) -> Tensor:
        return graph.bonds()

    def measure(self, coords: Tensor, beads: Tensor) -> Tensor:
        return distances(coords, beads)

    def stiffness(self) -> float | None:
        return float(self.force_constant.max()) if self.force_constant.numel() else None


class HarmonicAngles(HarmonicTerm):
    """Angles between bonds that share a bead: of C-alpha beads, at each inner bead of the chain."""

    convention = f"U = sum over angles of 1/2 k (theta - theta0)^2; {FIT}"
    label = "angle"
    unit = "rad"
    buffer_units = {"beads": INDEX, "center": "rad", "force_constant": "{energy}/rad^2"}

    def index(self, graph: BondGraph) -> Tensor:
        return graph.angles()

    def measure(self, coords: Tensor, beads: Tensor) -> Tensor:
        return angles(coords, beads)


def stiffness_of(frames: Frames, system: System) -> float:
    """How stiff a model of the frames is at least, energy/length^2: kT / variance of what varies least in them.

    That is a bond, or the coordinate of a single bead; 0 where there is neither, or none varies. Two beads that are not
    bonded say nothing of a time step.
    """
    bonds = torch.from_numpy(system.bonds)
    if len(bonds):
        measured = Measured(frames, lambda coords: distances(coords, bonds))
    elif system.n_beads == 1:
        measured = Measured(frames, lambda coords: coords.flatten(1))
    else:
        return 0.0
    mean, variance = measured.mean_and_variance()
    varying = variance[variance > (1e-6 * mean) ** 2]
    return float(frames.kT / varying.min()) if len(varying) else 0.0
