"""Small synthetic ensembles and stand-ins that the tests of this folder share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.ensemble import Ensemble, ReplicaEnsemble
from cgexp.frames import Frames
from cgexp.systems.peptide import Peptide


@dataclass
class FakeTrajectory:
    """The part of simulation.Trajectory that an analysis uses."""

    coords: NDArray[np.floating]
    alive: NDArray[np.bool_]
    continuous: bool = True
    failures: tuple = ()
    exchange: None = None

    @property
    def time(self) -> NDArray[np.float64]:
        """Frames are saved every half ps."""
        return 0.5 * (1.0 + np.arange(len(self.coords)))

    def production(self, burn_in: float) -> NDArray[np.floating]:
        return self.coords[int(burn_in * len(self.coords)) :, self.alive]


def walkers(n_frames: int, n_walkers: int, rng: np.random.Generator, swelling: float = 0.1) -> NDArray[np.float64]:
    """The native structure that swells slowly and jitters fast: [n_frames, n_walkers, 10, 3], Å."""
    native = Peptide().native()
    slow = rng.normal(size=n_walkers)
    bend = np.linspace(-1.0, 1.0, 10)[:, None] * np.array([0.0, 0.0, 1.0])
    second = rng.normal(size=n_walkers)
    saved = []
    for _ in range(n_frames):
        slow = 0.98 * slow + np.sqrt(1 - 0.98**2) * rng.normal(size=n_walkers)
        second = 0.9 * second + np.sqrt(1 - 0.9**2) * rng.normal(size=n_walkers)
        coords = native * (1.0 + swelling * slow[:, None, None]) + bend**2 * second[:, None, None]
        saved.append(coords + 0.1 * rng.normal(size=(n_walkers, 10, 3)))
    return np.array(saved)


def peptide_frames(n_frames: int = 120, n_walkers: int = 8, seed: int = 0, **fields: object) -> Frames:
    """Frames of ``walkers``, one block a walker, 0.5 ps apart."""
    coords = walkers(n_frames, n_walkers, np.random.default_rng(seed))
    labels: dict[str, object] = {
        "time_ps": np.tile(0.5 * np.arange(n_frames), n_walkers),
        "block": np.repeat(np.arange(n_walkers), n_frames),
    }
    return Frames(
        coords=np.moveaxis(coords, 1, 0).reshape(-1, 10, 3),
        bead_types=Peptide().bead_types,
        units="molecular",
        temperature=350.0,
        system=Peptide().name,
        system_spec=Peptide().spec,
        source="synthetic",
        **(labels | fields),  # type: ignore[arg-type]
    )


def ensemble_of(
    tica: NDArray[np.floating],
    block: NDArray[np.integer] | None = None,
    weights: NDArray[np.floating] | None = None,
    rmsd: NDArray[np.floating] | None = None,
    contacts: NDArray[np.bool_] | None = None,
) -> Ensemble:
    """An ensemble of points in the plane of the ICs; what is not given is zero, the same in all frames."""
    n = len(tica)
    counts = {"bond": 9, "angle": 8, "dihedral": 7, "end_to_end": 1, "rg": 1, "rmsd": 1}
    observables = {name: np.zeros((n, n_coordinates)) for name, n_coordinates in counts.items()}
    if rmsd is not None:
        observables["rmsd"] = rmsd[:, None]
    touching = np.zeros((n, 28), dtype=bool) if contacts is None else contacts
    return Ensemble(observables, tica, touching, np.full(n, 9.0), np.arange(n) if block is None else block, weights)


def replicas_of(tica: NDArray[np.floating], n_dropped: int = 0, continuous: bool = True) -> ReplicaEnsemble:
    """ReplicaEnsemble at points [n_saved, n_replicas, 2] in the plane, saved every half ps; folded where IC 1 < 0."""
    n_saved, n_replicas = tica.shape[:2]
    flat = np.moveaxis(tica, 1, 0).reshape(-1, 2)
    frames = ensemble_of(flat, np.repeat(np.arange(n_replicas), n_saved), rmsd=np.where(flat[:, 0] < 0, 1.0, 5.0))
    return ReplicaEnsemble(frames, 0.5 * (1.0 + np.arange(n_saved)), n_dropped, continuous)
