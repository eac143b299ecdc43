"""MeanForceOracle: the mean force at the very configurations that are given, with its standard error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.force_field import make_system
from cgexp.errors import InputError
from cgexp.oracles.averaging import Averaging, force_series, mean_force
from cgexp.oracles.openmm_oracle import OpenMMOracle, PeptideJob
from cgexp.parts.ranges import NonNegative, Positive, PositiveInt


@dataclass(frozen=True, kw_only=True)
class MeanForceJob(PeptideJob):
    """Averages the mapped force with the CA atoms frozen at the configuration, over every start."""

    averaging: Averaging

    def label(self) -> dict[str, NDArray[Any]]:
        starts, n_attempts = self.starts()
        system, beads = make_system(self.peptide.topology, self.force_field, constrained=False), self.force_map.beads
        series = []
        for number, start in enumerate(starts):
            start = start.copy()
            start[beads] = self.configuration  # a back-mapped CA is near its bead, not on it
            seed = self.seed_of(self.n_attempts + number)
            series.append(force_series(system, beads, start, self.force_map.matrix, self.averaging, seed))
        found = mean_force(np.array(series))
        return {
            "coords": self.configuration[None],
            "forces": found.mean[None].astype(np.float32),
            "force_sem": found.sem[None].astype(np.float32),
            "sem_between": found.between[None].astype(np.float32),
            "sem_within": found.within[None].astype(np.float32),
            "n_attempts": np.array([n_attempts]),
        }


@dataclass(kw_only=True)
class MeanForceOracle(OpenMMOracle):
    """Mean forces (kcal/mol/Å) at the given C-alpha configurations, by all-atom dynamics with the C-alpha frozen.

    Bonds to hydrogen are flexible here (2 fs), while training sets are sampled with rigid ones (4 fs): the two
    potentials of mean force are not exactly the same. Any force map gives the same mean; the optimal one has the least
    noise. Each start is annealed (anneal_ps, at hot_temperature in K and then down), equilibrated (equilibrate_ps), and
    averaged over ps_per_start; save_ps: between forces; all ps.
    Labels.extra holds sem_between and sem_within, the errors from the spread of the starts and from blocks within them.
    """

    n_starts: PositiveInt = 8
    n_attempts: PositiveInt = 16
    force_map: str = "optimal"
    anneal_ps: NonNegative = 5.0
    hot_temperature: Positive = 700.0
    equilibrate_ps: NonNegative = 2.0
    ps_per_start: Positive = 6.0
    save_ps: Positive = 0.1

    name: ClassVar[str] = "openmm_mean_force"
    constrained: ClassVar[bool] = False
    recorded_map: ClassVar[str] = "mean_force"  # which does not depend on the map

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_starts < 2:
            raise InputError(f"oracle.n_starts={self.n_starts}: expected at least 2, whose spread is the error")
        self._averaging = Averaging(
            temperature=self.temperature,
            anneal_ps=self.anneal_ps,
            hot_temperature=self.hot_temperature,
            equilibrate_ps=self.equilibrate_ps,
            average_ps=self.ps_per_start,
            save_ps=self.save_ps,
            platform=self.platform,
        )

    @property
    def notes(self) -> str:
        return (
            f"mean force on frozen C-alpha atoms, {self.n_starts} starts of {self.ps_per_start:g} ps, flexible bonds "
            "to hydrogen; selected configurations, not an equilibrium ensemble"
        )

    def _job(self, **shared: Any) -> MeanForceJob:
        return MeanForceJob(averaging=self._averaging, **shared)
