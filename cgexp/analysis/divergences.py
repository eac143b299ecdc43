"""Distances between distributions: Wasserstein-1 on line, circle and plane; Jensen-Shannon; Kullback-Leibler.

Samples come with optional weights [n] >= 0, of any sum; None counts all samples alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Weights = NDArray[np.floating] | None

KL_FLOOR = 1e-6  # smallest probability of a bin (arXiv:2510.17187)
KDE_GRID = 25  # points along each axis (arXiv:2510.17187)
KDE_REACH = 6.5  # exp(-u^2) beyond it is below 1e-18
KDE_RESOLVED = 1e-6  # of the mass of a sample: a smaller largest density is that of kernels between points of the grid
KDE_MARGIN = 0.1  # the grid reaches this fraction of the range beyond the samples, on each side
N_DRAWS = 8  # random choices of frames that an exact W1 is averaged over: one of weighted frames varies by 15 %
EMD_ITERATIONS = 1_000_000  # POT's default of 1e5 is too few for some thousands of points


def wasserstein_1d(a: ArrayLike, b: ArrayLike, a_weights: Weights = None, b_weights: Weights = None) -> float:
    """Wasserstein-1 between samples a [n] and b [m] on the line: the integral of |F_a - F_b|, in their unit."""
    points, difference = _difference_of_distributions(np.ravel(a), np.ravel(b), a_weights, b_weights)
    return float(np.sum(np.diff(points) * np.abs(difference[:-1])))


def wasserstein_circular(
    a: ArrayLike, b: ArrayLike, a_weights: Weights = None, b_weights: Weights = None, period: float = 2.0 * np.pi
) -> float:
    """Exact Wasserstein-1 between samples a [n] and b [m] on a circle of length ``period``, in their unit.

    The integral of |F_a - F_b - c| over the circle, smallest in c, which is the median of F_a - F_b weighted by length
    (Rabin, Delon, Gousseau 2011, J. Math. Imaging Vis. 41, 147).
    """
    points, difference = _difference_of_distributions(
        np.mod(np.ravel(a), period), np.mod(np.ravel(b), period), a_weights, b_weights
    )
    lengths = np.diff(points, append=points[0] + period)
    ranking = np.argsort(difference)
    covered = np.cumsum(lengths[ranking])
    median = difference[ranking[np.searchsorted(covered, period / 2.0)]]
    return float(np.sum(lengths * np.abs(difference - median)))


def _difference_of_distributions(
    a: NDArray[np.floating], b: NDArray[np.floating], a_weights: Weights, b_weights: Weights
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All points in ascending order, and F_a - F_b from each to the next, both [n + m]: one sort of all."""
    points = np.concatenate([a, b]).astype(np.float64)
    masses = np.concatenate([_normalised(a_weights, len(a)), -_normalised(b_weights, len(b))])
    order = np.argsort(points)
    return points[order], np.cumsum(masses[order])


def wasserstein_2d(
    a: NDArray[np.floating],
    b: NDArray[np.floating],
    a_weights: Weights = None,
    b_weights: Weights = None,
    *,
    n_samples: int,
    rng: np.random.Generator,
) -> float:
    """Exact Wasserstein-1 (Euclidean cost, optimal transport) between points a [n, d] and b [m, d], in their unit.

    Both sides are first thinned at random to the same number of points, ``n_samples`` or what the smaller side has,
    since the finite-sample bias depends on it; the thinned points keep their weights.
    """
    import ot  # takes seconds to import, as scipy.stats does
    from scipy.spatial.distance import cdist

    n_points = min(n_samples, len(a), len(b))
    chosen_a, chosen_b = thin(len(a), n_points, rng), thin(len(b), n_points, rng)
    mass_a = _normalised(None if a_weights is None else a_weights[chosen_a], n_points)
    mass_b = _normalised(None if b_weights is None else b_weights[chosen_b], n_points)
    cost = cdist(np.asarray(a, dtype=np.float64)[chosen_a], np.asarray(b, dtype=np.float64)[chosen_b])
    return float(ot.emd2(mass_a, mass_b, cost, numItermax=EMD_ITERATIONS))


def wasserstein_2d_kde(
    a: NDArray[np.floating], b: NDArray[np.floating], a_weights: Weights = None, b_weights: Weights = None
) -> float:
    """Wasserstein-1 between Gaussian kernel density estimates (Scott's bandwidth) of a [n, 2] and b [m, 2].

    Exact optimal transport between the two densities on a 25 x 25 grid over the joint range widened by 10 % on each
    side, as arXiv:2510.17187 computes it. It depends on the grid: compare it only with values made the same way.
    """
    import ot
    from scipy.spatial.distance import cdist

    joint = np.concatenate([a, b]).astype(np.float64)
    low, high = joint.min(axis=0), joint.max(axis=0)
    margin = KDE_MARGIN * (high - low)
    axes = [np.linspace(low[i] - margin[i], high[i] + margin[i], KDE_GRID) for i in range(2)]
    difference = np.ravel(_density_on_grid(a, a_weights, axes) - _density_on_grid(b, b_weights, axes))
    # what both have at a point stays there: by the triangle inequality no plan that moves it is cheaper
    more, less = difference > 0.0, difference < 0.0
    if not (more.any() and less.any()):  # equal, but for rounding
        return 0.0
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    surplus, lack = difference[more], -difference[less]
    moved = surplus.sum()
    plan_cost = ot.emd2(surplus / moved, lack / lack.sum(), cdist(grid[more], grid[less]), numItermax=EMD_ITERATIONS)
    return float(moved * plan_cost)


def _density_on_grid(
    points: NDArray[np.floating], weights: Weights, axes: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Gaussian kernel density estimate of points [n, 2] on the grid of two axes, of sum 1: [n_x, n_y].

    The kernel has the points' covariance times n_effective^(-1/3) (Scott's rule in the plane), as in
    scipy.stats.gaussian_kde. In coordinates u, v in which it is exp(-u^2 - v^2), u depends on x alone, and each x of
    the grid takes only the points whose u is within KDE_REACH. Samples so narrow that the grid has no point among them
    have the mass where the density is largest, although it is not a number that double precision holds.
    """
    points, weights = np.asarray(points, dtype=np.float64), _normalised(weights, len(points))
    points, weights = points[weights > 0.0], weights[weights > 0.0]
    scott = np.square(weights).sum() ** (1.0 / 3.0)
    (x_of_u, _), (y_of_u, y_of_v) = np.linalg.cholesky(2.0 * scott * np.cov(points.T, aweights=weights))
    order = np.argsort(points[:, 0])
    (x, y), mass = points[order].T, weights[order]
    density = np.zeros((len(axes[0]), len(axes[1])))
    for row, at in zip(density, axes[0], strict=True):
        first, last = np.searchsorted(x, [at - KDE_REACH * x_of_u, at + KDE_REACH * x_of_u])
        u = (at - x[first:last]) / x_of_u
        v = (axes[1][:, None] - (y[first:last] + y_of_u * u)) / y_of_v
        np.multiply(v, -v, out=v)
        row[:] = np.exp(v, out=v) @ (mass[first:last] * np.exp(-(u**2)))
    if density.max() < KDE_RESOLVED:
        for row, at in zip(density, axes[0], strict=True):  # by logarithms
            u = (at - x) / x_of_u
            v = (axes[1][:, None] - (y + y_of_u * u)) / y_of_v
            row[:] = np.logaddexp.reduce(np.log(mass) - u**2 - v**2, axis=1)
        density = np.exp(density - density.max())
    return density / density.sum()


def spans_plane(points: NDArray[np.floating], weights: Weights = None) -> bool:
    """Whether points [n, 2] have a kernel density estimate: those of any weight are not all on one line."""
    points = np.asarray(points, dtype=np.float64)
    if weights is not None:
        points, weights = points[weights > 0.0], weights[weights > 0.0]
    return len(points) > 2 and bool(np.linalg.matrix_rank(np.cov(points.T, aweights=weights)) == 2)


def js_divergence(p: ArrayLike, q: ArrayLike) -> float:
    """Jensen-Shannon divergence in nats of two histograms of the same bins (counts or probabilities): 0 to ln 2.

    It is the divergence itself; scipy's ``jensenshannon`` returns its square root.
    """
    p, q = _normalised(np.ravel(p)), _normalised(np.ravel(q))
    middle = 0.5 * (p + q)
    return 0.5 * (_relative_entropy(p, middle) + _relative_entropy(q, middle))


def kl_divergence(reference: ArrayLike, model: ArrayLike) -> float:
    """Kullback-Leibler divergence KL(reference || model) in nats of two histograms of the same bins.

    Probabilities below 1e-6 are raised to it and both are normalised again, so that an empty bin costs a finite amount.
    """
    p, q = (_normalised(np.maximum(_normalised(np.ravel(h)), KL_FLOOR)) for h in (reference, model))
    return _relative_entropy(p, q)


def thin(n_available: int, n_wanted: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Indices of ``n_wanted`` of ``n_available`` samples at random without repetition, in order; all if that is all."""
    if n_wanted >= n_available:
        return np.arange(n_available)
    return np.sort(rng.choice(n_available, n_wanted, replace=False))


def _relative_entropy(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    inside = p > 0
    return float(np.sum(p[inside] * np.log(p[inside] / q[inside])))


def _normalised(weights: ArrayLike | None, n: int | None = None) -> NDArray[np.float64]:
    if weights is None:
        assert n is not None
        return np.full(n, 1.0 / n)
    weights = np.asarray(weights, dtype=np.float64)
    if n is not None and weights.shape != (n,):
        raise ValueError(f"weights have shape {list(weights.shape)}: expected [{n}]")
    total = weights.sum()
    if not total > 0:
        raise ValueError("weights or histogram sum to zero: expected a positive sum")
    return weights / total
