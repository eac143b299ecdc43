"""Markov state models: transition counts, the most likely reversible chain, its timescales and metastable sets.

The chain is deeptime's maximum-likelihood one (Prinz et al. 2011, J. Chem. Phys. 134, 174105), its metastable sets are
those of PCCA+ (Röblitz and Weber 2013, Adv. Data Anal. Classif. 7, 147).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp.analysis.divergences import thin

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

N_TIMESCALES = 2
N_FITTED = 5_000  # points that k-means sees
_AT_ONCE = 50_000


@dataclass(frozen=True)
class Discrete:
    """Walks through states. state, walk: of each frame, [n], walk after walk in the order of time. n_states: of all."""

    state: Indices
    walk: Indices
    n_states: int

    def counts(self, lag: int, times: NDArray[np.integer] | None = None) -> Array:
        """Transitions after ``lag`` frames, counted at every frame, [n_states, n_states]; times: of each walk."""
        first = np.flatnonzero(self.walk[:-lag] == self.walk[lag:])
        pair = self.state[first] * self.n_states + self.state[first + lag]
        weights = None if times is None else times[self.walk[first]]
        found = np.bincount(pair, weights, minlength=self.n_states**2)
        return found.reshape(self.n_states, self.n_states).astype(np.float64)


@dataclass(frozen=True)
class Chain:
    """A reversible Markov chain on the connected states. transition [n, n], stationary [n], states: which they are."""

    transition: Array
    stationary: Array
    states: Indices

    @classmethod
    def of(cls, counts: Array) -> Chain | None:
        """The most likely one for counts [k, k] on their largest connected set; None for fewer than two states."""
        from deeptime.markov import TransitionCountModel  # takes seconds to import
        from deeptime.markov.msm import MaximumLikelihoodMSM

        connected = TransitionCountModel(counts).submodel_largest()
        if connected.n_states < 2:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a draw whose estimate has not fully converged is as good as the next
            model = MaximumLikelihoodMSM(reversible=True, maxiter=10_000).fit_from_counts(connected).fetch_model()
        return cls(model.transition_matrix, model.stationary_distribution, np.asarray(connected.state_symbols))

    @cached_property
    def eigenvalues(self) -> Array:
        """Descending, [n]; real since the chain is reversible."""
        root = np.sqrt(self.stationary)
        symmetric = self.transition * root[:, None] / root
        return np.sort(np.linalg.eigvalsh(0.5 * (symmetric + symmetric.T)))[::-1]

    def timescales(self, lag: float) -> Array:
        """The slowest N_TIMESCALES, -lag / ln(eigenvalue), in the unit of ``lag``; NaN where there is none."""
        slow = np.full(N_TIMESCALES, np.nan)
        found = self.eigenvalues[1 : 1 + N_TIMESCALES]
        usable = (found > 0.0) & (found < 1.0)
        slow[: len(found)][usable] = -lag / np.log(found[usable])
        return slow

    def metastable(self, n_sets: int) -> Indices | None:
        """The PCCA+ set of each state, [n], the most populated first; None where there are not that many."""
        from deeptime.markov import pcca

        if len(self.states) < n_sets:
            return None
        try:
            found = pcca(self.transition, n_sets, self.stationary).assignments
        except (ValueError, np.linalg.LinAlgError):  # eigenvectors that do not span n_sets sets
            return None
        populations = np.bincount(found, self.stationary, minlength=n_sets)
        return np.argsort(np.argsort(-populations))[found] if (populations > 0).all() else None


def cluster(points: Array, n_clusters: int, seed: int) -> tuple[Indices, Array]:
    """k-means of points [n, d]: the cluster of each [n], and the centres [n_clusters, d] in the order of the first."""
    from deeptime.clustering import KMeans

    chosen = points[thin(len(points), N_FITTED, np.random.default_rng(seed))]
    n_threads = torch.get_num_threads()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # any division into small cells will do, a converged one is not needed
        fitted = KMeans(n_clusters, max_iter=50, fixed_seed=seed, n_jobs=1).fit(chosen).fetch_model()
    torch.set_num_threads(n_threads)  # n_jobs=1 sets OpenMP's, which are torch's as well, for good
    centres = np.asarray(fitted.cluster_centers, dtype=np.float64)
    centres = centres[np.argsort(centres[:, 0], kind="stable")]
    return assign(points, centres), centres


def assign(points: Array, centres: Array) -> Indices:
    """The nearest of the centres [k, d] to each of the points [n, d]: [n]."""
    from scipy.spatial.distance import cdist

    parts = [cdist(points[i : i + _AT_ONCE], centres).argmin(axis=1) for i in range(0, len(points), _AT_ONCE)]
    return np.concatenate(parts)


def chapman_kolmogorov(
    chain: Chain, observed: list[Array], multiples: list[int], sets: Indices, n_sets: int
) -> tuple[Array, Array]:
    """Probability to be in a set again after multiples of the lag, starting in its local equilibrium.

    observed: count matrix [k, k] at each multiple. sets: [n] of the chain's states. Returns what the chain predicts,
    sum_i w_i sum_j [T^m]_ij, and what was observed, sum_i w_i sum_j c_ij(m lag) / c_i(m lag), with i and j in the set
    and w the stationary distribution within it (Prinz et al. 2011, section IV F): each [n_multiples, n_sets].
    """
    member = sets[:, None] == np.arange(n_sets)
    start = member * chain.stationary[:, None]
    start = start / np.maximum(start.sum(axis=0), np.finfo(np.float64).tiny)
    predicted, found = [], []
    for multiple, counts in zip(multiples, observed, strict=True):
        power = np.linalg.matrix_power(chain.transition, multiple)
        rows = counts[np.ix_(chain.states, chain.states)]
        total = rows.sum(axis=1, keepdims=True)
        empirical = np.where(total > 0, rows / np.maximum(total, 1.0), power)  # a state never left tells nothing
        predicted.append((start * (power @ member)).sum(axis=0))
        found.append((start * (empirical @ member)).sum(axis=0))
    return np.array(predicted), np.array(found)
