"""What is measured of every frame of a molecule, and replicas of a simulation as such ensembles; their health."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import independent_units
from cgexp.analysis.divergences import Weights
from cgexp.analysis.observables import Values, contacts, observables_of
from cgexp.analysis.result import Simulated
from cgexp.analysis.tica import Tica
from cgexp.systems.base import System
from cgexp.systems.metric import superposed_rmsd
from cgexp.units import UnitSystem, unit_system

MIRROR = (1.0, 1.0, -1.0)


@dataclass(frozen=True)
class Ensemble:
    """Frames of a molecule, measured.

    observables: name -> [n_frames, n_coordinates]. tica: the first two ICs, [n_frames, 2]. contacts: which pairs of
    observables.contact_pairs touch, [n_frames, n_pairs]. mirror_rmsd: to the mirror image of the native structure,
    [n_frames]; None without one. block: the independent unit of each frame, [n_frames]. weights: [n_frames], None for
    all alike. run: which independent run of a reference each frame is of, [n_frames]; None where there is one or none
    is known. units: of the system.
    """

    observables: dict[str, Values]
    tica: Values
    contacts: NDArray[np.bool_]
    mirror_rmsd: Values | None
    block: NDArray[np.integer]
    weights: Weights = None
    run: NDArray[np.integer] | None = None
    units: str = "molecular"

    @property
    def unit_system(self) -> UnitSystem:
        return unit_system(self.units)

    @property
    def has_native(self) -> bool:
        """Whether there is a native structure to compare with."""
        return "rmsd" in self.observables

    @classmethod
    def of(
        cls,
        coords: NDArray[np.floating],
        system: System,
        tica: Tica,
        cutoff: float,
        block: NDArray[np.integer],
        weights: Weights = None,
    ) -> Ensemble:
        """Measure coords [n_frames, n_beads, 3]; cutoff: of a contact, length."""
        trace, mirrored = coords[:, system.trace], None
        if system.native_structure is not None:
            mirrored = superposed_rmsd(trace, (system.native() * MIRROR)[None])[:, 0]
        observables, ics = observables_of(coords, system), tica.transform(coords)
        return cls(observables, ics, contacts(trace, cutoff), mirrored, block, weights, units=system.units)

    def __len__(self) -> int:
        return len(self.tica)

    def select(self, index: NDArray[np.intp]) -> Ensemble:
        """The frames at ``index``."""
        return Ensemble(
            {name: values[index] for name, values in self.observables.items()},
            self.tica[index],
            self.contacts[index],
            None if self.mirror_rmsd is None else self.mirror_rmsd[index],
            self.block[index],
            None if self.weights is None else self.weights[index],
            None if self.run is None else self.run[index],
            self.units,
        )

    def runs(self) -> list[Ensemble]:
        """The independent runs, if there are several whose frames have any weight; else none."""
        if self.run is None:
            return []
        found = [self.select(np.flatnonzero(self.run == name)) for name in np.unique(self.run)]
        found = [run for run in found if run.weights is None or run.weights.any()]
        return found if len(found) > 1 else []


@dataclass(frozen=True)
class ReplicaEnsemble:
    """The healthy replicas of a simulation from its first saved frame on.

    frames: replica after replica, each in the order of time, [n_replicas * n_saved]. time: of the saved frames, ps,
    [n_saved]. n_dropped: saved frames before production. continuous: whether a replica is one trajectory at one
    temperature; it is not where replicas swap temperatures.
    """

    frames: Ensemble
    time: NDArray[np.float64]
    n_dropped: int
    continuous: bool

    @classmethod
    def of(
        cls,
        trajectory: Simulated,
        burn_in: float,
        measure: Callable[[NDArray[np.floating], NDArray[np.integer]], Ensemble],
    ) -> ReplicaEnsemble | None:
        """Measure a simulation.Trajectory by ``measure(coords, block)``; None if it has no frame of a healthy one."""
        coords = trajectory.production(0.0)
        if not coords.size:
            return None
        n_saved, n_replicas = coords.shape[:2]
        flat = np.moveaxis(coords, 1, 0).reshape(-1, *coords.shape[2:])
        frames = measure(flat, np.repeat(np.arange(n_replicas), n_saved))
        n_dropped = n_saved - len(trajectory.production(burn_in))
        time = np.asarray(trajectory.time, dtype=np.float64)[-n_saved:]
        return cls(frames, time, n_dropped, trajectory.continuous)

    @property
    def n_replicas(self) -> int:
        return len(self.frames) // len(self.time)

    def window(self, start: int, stop: int | None = None) -> Ensemble:
        """Saved frames from ``start`` to before ``stop`` of all replicas; a block is a unit of independent_units."""
        grid = np.arange(len(self.frames)).reshape(self.n_replicas, -1).T[start:stop]
        units = independent_units(grid)
        chosen = self.frames.select(units.T.ravel())
        block = np.repeat(np.arange(units.shape[1]), units.shape[0])
        return Ensemble(**{**vars(chosen), "block": block})

    def trajectories(self) -> Ensemble:
        """The frames after the burn-in, replica after replica, each in the order of time; a block is a replica."""
        grid = np.arange(len(self.frames)).reshape(self.n_replicas, -1)[:, self.n_dropped :]
        return self.frames.select(grid.ravel())

    def production(self) -> Ensemble:
        """The frames after the burn-in."""
        return self.window(self.n_dropped)


def replica_metrics(trajectory: Simulated) -> dict[str, float]:
    """How many replicas failed, and their fraction: of a trajectory whose ``alive`` is [n_replicas] bool.

    With tempering (``exchange``) replicas of all temperatures count, and there are the accepted fractions of swaps,
    the smallest and the mean over pairs of rungs, and the round trips of all walkers.
    """
    exchange = trajectory.exchange
    alive = np.asarray(trajectory.alive if exchange is None else exchange.alive)
    metrics = {
        "replicas_failed": float(np.count_nonzero(~alive)),
        "replicas_failed_fraction": float(np.mean(~alive)) if alive.size else 0.0,
    }
    if exchange is not None and exchange.tried.any():
        metrics["exchange_acceptance_min"] = float(np.nanmin(exchange.acceptance))
        metrics["exchange_acceptance_mean"] = float(np.nanmean(exchange.acceptance))
        metrics["round_trips"] = float(exchange.round_trips.sum())
    return metrics
