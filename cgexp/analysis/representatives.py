"""Structures to look at: the medoid of every basin of an ensemble, and which frames of which replica to play.

The medoid is the frame with the smallest mean RMSD to the others of its basin. It is a frame that was visited, whereas
a mean structure has broken bonds where the basin is wide. Of a wide basin, as the unfolded one, no single frame is
typical: ``spread`` says how far the others are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import mean_and_sem, not_below_runs
from cgexp.systems.metric import mutual_rmsd, superposed_rmsd
from cgexp.systems.peptide import BASINS, basin_of

Array = NDArray[np.float64]
ALL = "all frames"  # in place of basins, where no native structure is known
N_MEDOID = 200  # frames that a medoid is searched among; the cost grows with the square
N_SHOWN = 80  # frames of the short trajectory
_AT_ONCE = 20_000  # frames whose basins are told at a time


@dataclass(frozen=True)
class Representative:
    """The medoid of one basin.

    share: weight of the basin in the ensemble; share_sem: its standard error, None for a single independent unit.
    rmsd: of the medoid to the native structure, spread: mean RMSD of the basin's frames to the medoid; Å. n_frames: in
    the basin.
    """

    basin: str
    share: float
    share_sem: float | None
    rmsd: float | None
    spread: float
    n_frames: int


def basins_of(ca: NDArray[np.floating], native: Array | None) -> NDArray[np.str_]:
    """The basin of every frame, as systems.peptide.basin_of gives it, or ALL without a native structure."""
    if native is None:
        return np.full(len(ca), ALL)
    parts = [basin_of(ca[start : start + _AT_ONCE], native) for start in range(0, len(ca), _AT_ONCE)]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.str_)


def representatives(
    ca: NDArray[np.floating],
    block: NDArray[np.integer],
    native: Array | None,
    n_bootstrap: int,
    rng: np.random.Generator,
    weights: NDArray[np.floating] | None = None,
    run: NDArray[np.integer] | None = None,
) -> tuple[list[Representative], Array]:
    """The medoid of every basin that the ensemble visits, in the order of BASINS, and where its atoms are.

    ca: C-alpha coordinates [n_frames, n_residues, 3], Å. block: independent unit of each frame, [n_frames]. native:
    [n_residues, 3]. weights: of frames, [n_frames]. run: which independent run each is of, [n_frames]; the errors of
    shares are then not below half the difference of runs. Returns the representatives and [n, n_residues, 3].
    """
    weight = np.ones(len(ca)) if weights is None else np.asarray(weights, dtype=np.float64)
    basin = basins_of(ca, native)
    found, coords = [], []
    for name in (*BASINS, ALL):
        members = np.flatnonzero((basin == name) & (weight > 0.0))
        if len(members):
            share, sem = mean_and_sem(basin == name, block, n_bootstrap, rng, weight)
            own = [] if run is None else [run == number for number in np.unique(run)]
            of_runs = [np.average(basin[o] == name, weights=weight[o]) for o in own if weight[o].any()]
            error = not_below_runs(sem, of_runs if len(of_runs) > 1 else [])
            share_sem = None if error is None else float(error)
            best, spread = medoid(ca[members], weight[members])
            structure = np.asarray(ca[members[best]], dtype=np.float64)
            rmsd = None if native is None else float(superposed_rmsd(structure[None], native[None])[0, 0])
            found.append(Representative(name, share, share_sem, rmsd, spread, len(members)))
            coords.append(structure)
    return found, np.array(coords, dtype=np.float64).reshape(-1, *ca.shape[1:])


def medoid(ca: NDArray[np.floating], weights: Array, n_max: int = N_MEDOID) -> tuple[int, float]:
    """Index of the frame with the smallest weighted mean RMSD to the others, and that RMSD, Å: ca [n, n_residues, 3].

    Of more than ``n_max`` frames that many are drawn systematically: evenly along their cumulated weights.
    """
    drawn, weights = np.arange(len(ca)), np.asarray(weights, dtype=np.float64)
    if len(ca) > n_max:
        cumulated = np.cumsum(weights)
        drawn = np.searchsorted(cumulated, (np.arange(n_max) + 0.5) / n_max * cumulated[-1])
        weights = np.ones(n_max)
    mean_rmsd = mutual_rmsd(ca[drawn]) @ weights / weights.sum()
    best = int(mean_rmsd.argmin())
    return int(drawn[best]), float(mean_rmsd[best])


def short_trajectory(
    ca: NDArray[np.floating], native: Array | None, n_shown: int = N_SHOWN
) -> tuple[int, NDArray[np.intp]]:
    """The replica to show, and which of its frames: evenly spaced, first and last among them.

    ca: [n_frames, n_replicas, n_residues, 3], Å. It is the replica that these frames show in the most basins, so that
    there is something to see; of several, and without a native structure, the first.
    """
    n_frames, n_replicas = ca.shape[:2]
    shown = np.unique(np.linspace(0, n_frames - 1, min(n_shown, n_frames)).round().astype(np.intp))
    basin = basins_of(ca[shown].reshape(-1, *ca.shape[2:]), native).reshape(len(shown), n_replicas)
    return int(np.argmax([len(np.unique(basin[:, replica])) for replica in range(n_replicas)])), shown


def principal(coords: Array) -> Array:
    """A configuration [n_points, 3] about its centre, turned: its longest extent along x, its shortest along z."""
    centred = coords - coords.mean(axis=0)
    _, _, axes = np.linalg.svd(centred)
    # the first point lies on the positive side, so that the view does not depend on the sign of an eigenvector
    axes *= np.where(axes @ centred[0] < 0.0, -1.0, 1.0)[:, None]
    axes[2] *= np.sign(np.linalg.det(axes))
    turned: Array = centred @ axes.T
    return turned
