"""Free energies on grids: from histograms, from exact densities, from integrated forces. All in kT."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Grid = NDArray[np.float64]
N_GAUSS = 16  # Gauss-Legendre points in a bin


def histogram_pmf(samples: ArrayLike, edges: ArrayLike, weights: NDArray[np.floating] | None = None) -> Grid:
    """PMF in kT of every bin, -ln(probability density), from samples [n]: edges [n_bins + 1] -> [n_bins].

    Probabilities are relative to the samples inside the edges. A bin that no sample visited gets half of the smallest
    weight (half a count), so that the curve stays finite and an unvisited bin still counts as an error.
    """
    samples, edges = np.ravel(samples), np.asarray(edges, dtype=np.float64)
    counts, _ = np.histogram(samples, edges, weights=weights)
    counts = counts.astype(np.float64)
    least = 1.0 if weights is None else float(np.min(weights[weights > 0]))
    density = np.where(counts > 0, counts, 0.5 * least) / np.diff(edges)
    return -np.log(density / max(counts.sum(), least))


def exact_bin_pmf(density: Callable[[Grid], Grid], edges: ArrayLike) -> Grid:
    """PMF in kT of every bin from an exact density: -ln of its mean over the bin; edges [n_bins + 1] -> [n_bins].

    What histogram_pmf converges to: comparing with this, bins of finite width cause no error.
    """
    edges = np.asarray(edges, dtype=np.float64)
    nodes, weights = np.polynomial.legendre.leggauss(N_GAUSS)
    middle, half = 0.5 * (edges[1:] + edges[:-1]), 0.5 * np.diff(edges)
    x = middle[:, None] + half[:, None] * nodes
    return -np.log(density(x.ravel()).reshape(x.shape) @ weights / 2.0)


def integrate_force(x: Grid, force: Grid) -> Grid:
    """Energy -integral of the force from x[0], by Simpson's rule: x [n] ascending, force [n] -> [n]."""
    from scipy.integrate import cumulative_simpson

    return -np.asarray(cumulative_simpson(force, x=x, initial=0.0))


def remove_mean(curve: Grid) -> Grid:
    """The curve with its mean over the grid removed: a potential is known up to a constant."""
    return curve - curve.mean()


def rmse(a: Grid, b: Grid) -> float:
    """Root mean square difference of two curves on one grid."""
    return float(np.sqrt(np.mean((a - b) ** 2)))


def pmf_rmse(a: Grid, b: Grid) -> float:
    """Root mean square difference of two potentials on one grid, each one's grid mean removed."""
    return rmse(remove_mean(a), remove_mean(b))


def free_energy_map(
    points: NDArray[np.floating], edges: tuple[Grid, Grid], weights: NDArray[np.floating] | None = None
) -> Grid:
    """Free energy in kT of points [n, 2] on a grid of bins, its minimum at zero, NaN in empty bins: [n_x, n_y]."""
    counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=list(edges), weights=weights)
    with np.errstate(divide="ignore"):
        energy = -np.log(counts / counts.max())
    return np.where(counts > 0, energy, np.nan)
