"""Dihedral energies as short Fourier series."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cgexp.energy import Measured
from cgexp.frames import Frames
from cgexp.geometry import dihedrals
from cgexp.parts.ranges import OpenFraction, PositiveInt
from cgexp.priors.term import INDEX, N_BINS, PriorTerm, histograms, require_chain
from cgexp.systems.base import System
from cgexp.systems.bond_graph import BondGraph


class FourierDihedrals(PriorTerm):
    """sum over m = 1..n_terms of a_m cos(m phi) + b_m sin(m phi) for each dihedral of the bond graph.

    The only term that tells a structure from its mirror image. n_terms: of the series. uniform_share: the share of the
    probability that is spread evenly over the circle before the logarithm is taken: it caps the energy of bins that no
    frame visits.
    """

    convention = (
        "U = sum over dihedrals and m of a_m cos(m phi) + b_m sin(m phi), phi with IUPAC sign; fit: Fourier "
        "coefficients of -kT ln((1 - s) p(phi) + s / 2 pi) on 60 bins, s = uniform_share, constant dropped"
    )
    label = "dihedral"
    unit = "rad"
    buffer_units = {"beads": INDEX, "cosine": "{energy}", "sine": "{energy}"}

    beads: Tensor
    cosine: Tensor
    sine: Tensor

    def __init__(self, n_terms: PositiveInt = 3, uniform_share: OpenFraction = 0.01) -> None:
        super().__init__()
        self.n_terms, self.uniform_share = n_terms, uniform_share

    def arguments(self) -> dict[str, Any]:
        return {"n_terms": self.n_terms, "uniform_share": self.uniform_share}

    def suits(self, system: System) -> bool:
        return len(BondGraph.of(system).dihedrals()) > 0

    def fit(self, frames: Frames, system: System) -> None:
        require_chain(self, frames, 4)
        beads = BondGraph.of(system).dihedrals()
        self.beads = beads.to(self.beads)
        edges = np.linspace(-np.pi, np.pi, N_BINS + 1)
        density = histograms(Measured(frames, lambda coords: dihedrals(coords, beads)), -np.pi, np.pi)
        regular = (1.0 - self.uniform_share) * density + self.uniform_share / (2.0 * np.pi)
        potential = -frames.kT * np.log(regular)
        # On an even grid of the circle the least-squares fit is the projection, one multiplicity at a time.
        phase = np.arange(1, self.n_terms + 1)[:, None] * (0.5 * (edges[1:] + edges[:-1]))
        self.cosine = torch.from_numpy(2.0 / N_BINS * np.cos(phase) @ potential).to(self.cosine)
        self.sine = torch.from_numpy(2.0 / N_BINS * np.sin(phase) @ potential).to(self.sine)

    def internal_coordinates(self, coords: Tensor) -> Tensor:
        return dihedrals(coords, self.beads)

    def energies(self, values: Tensor) -> Tensor:
        multiplicity = torch.arange(1, len(self.cosine) + 1, device=values.device, dtype=values.dtype)
        phase = multiplicity[:, None] * values[:, None, :]
        return (self.cosine * phase.cos() + self.sine * phase.sin()).sum(1)
