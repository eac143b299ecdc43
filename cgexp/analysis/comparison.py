"""Two ensembles compared observable by observable: the metrics that PeptideAnalysis reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.divergences import (
    Weights,
    js_divergence,
    kl_divergence,
    spans_plane,
    thin,
    wasserstein_1d,
    wasserstein_2d,
    wasserstein_2d_kde,
    wasserstein_circular,
)
from cgexp.analysis.ensemble import Ensemble
from cgexp.analysis.observables import QUANTITIES, Values

MARGIN = 0.25  # of the range of the reference

Edges = NDArray[np.float64]


@dataclass(frozen=True)
class Bins:
    """Equal bins that both ensembles share; the reference alone defines them, so that all models get the same ones.

    observables: name -> edges [n_bins + 1]. tica: edges for each IC. Divergences count what lies beyond the edges in
    the outermost bins.
    """

    observables: dict[str, Edges]
    tica: tuple[Edges, Edges]

    @classmethod
    def over(cls, reference: Ensemble, n_bins: int, n_bins_tica: int) -> Bins:
        """Bins over the reference's range widened by a quarter on each side, or over the period of a periodic one."""
        edges = {}
        for name in reference.observables:
            quantity = QUANTITIES[name]
            if quantity.period:
                edges[name] = np.linspace(-quantity.period / 2, quantity.period / 2, n_bins + 1)
            else:
                edges[name] = _edges(reference.observables[name], n_bins, lowest=0.0)
        return cls(edges, (_edges(reference.tica[:, 0], n_bins_tica), _edges(reference.tica[:, 1], n_bins_tica)))

    def tica_counts(self, ensemble: Ensemble) -> NDArray[np.float64]:
        """Weights in each bin of the plane of the ICs, [n_bins_tica, n_bins_tica]."""
        first, second = (np.clip(ensemble.tica[:, i], edges[0], edges[-1]) for i, edges in enumerate(self.tica))
        return np.histogram2d(first, second, bins=list(self.tica), weights=ensemble.weights)[0]

    def counts(self, name: str, values: Values, weights: Weights) -> NDArray[np.floating]:
        """Weights in each bin of one coordinate [n_frames] of an observable, [n_bins]."""
        edges = self.observables[name]
        return np.histogram(np.clip(values, edges[0], edges[-1]), edges, weights=weights)[0]


def compare(
    reference: Ensemble, model: Ensemble, bins: Bins, n_samples: int, n_samples_tica: int, rng: np.random.Generator
) -> dict[str, float]:
    """W1, JS and KL(reference || model) of every observable (mean over its coordinates) and in the plane of the ICs.

    Both sides are thinned to the same number of frames, at most n_samples, because W1 and divergences of finite samples
    are biased; the exact W1 in the plane takes at most n_samples_tica of them.
    """
    reference, model = same_size(reference, model, n_samples, rng)
    metrics = {"w1_tica": exact_distance(reference, model, n_samples_tica, rng)}
    return metrics | kde_distance(reference, model) | marginal_distances(reference, model, bins)


def kde_distance(a: Ensemble, b: Ensemble) -> dict[str, float]:
    """``w1_tica_kde``, as in arXiv:2510.17187; nothing if a side lies on a line."""
    if not (spans_plane(a.tica) and spans_plane(b.tica)):
        return {}
    return {"w1_tica_kde": wasserstein_2d_kde(a.tica, b.tica, a.weights, b.weights)}


def same_size(
    reference: Ensemble, model: Ensemble, n_samples: int, rng: np.random.Generator
) -> tuple[Ensemble, Ensemble]:
    """Both ensembles thinned at random to the same number of frames, at most ``n_samples``."""
    n_frames = min(n_samples, len(reference), len(model))
    first, second = (side.select(thin(len(side), n_frames, rng)) for side in (reference, model))
    return first, second


def exact_distance(a: Ensemble, b: Ensemble, n_samples: int, rng: np.random.Generator) -> float:
    """Exact W1 in the plane of the ICs, both sides thinned to the same number of frames, at most ``n_samples``."""
    return wasserstein_2d(a.tica, b.tica, a.weights, b.weights, n_samples=n_samples, rng=rng)


def marginal_distances(reference: Ensemble, model: Ensemble, bins: Bins) -> dict[str, float]:
    """W1, JS and KL(reference || model) of every observable, W1 along each IC, JS and KL of the plane's histogram."""
    metrics = {
        f"w1_tica_ic{i + 1}": wasserstein_1d(reference.tica[:, i], model.tica[:, i], reference.weights, model.weights)
        for i in range(2)
    }
    counts = bins.tica_counts(reference), bins.tica_counts(model)
    metrics |= {"js_tica": js_divergence(*counts), "kl_tica": kl_divergence(*counts)}
    for name in reference.observables:
        metrics |= _compare_observable(name, reference, model, bins)
    return metrics


def _compare_observable(name: str, reference: Ensemble, model: Ensemble, bins: Bins) -> dict[str, float]:
    period = QUANTITIES[name].period
    columns: dict[str, list[float]] = {f"{kind}_{name}": [] for kind in ("w1", "js", "kl")}
    if period:
        columns[f"w1_{name}_linear"] = []
    for a, b in zip(reference.observables[name].T, model.observables[name].T, strict=True):
        line = wasserstein_1d(a, b, reference.weights, model.weights)
        if period:
            columns[f"w1_{name}"].append(wasserstein_circular(a, b, reference.weights, model.weights, period))
            columns[f"w1_{name}_linear"].append(line)
        else:
            columns[f"w1_{name}"].append(line)
        counts = bins.counts(name, a, reference.weights), bins.counts(name, b, model.weights)
        columns[f"js_{name}"].append(js_divergence(*counts))
        columns[f"kl_{name}"].append(kl_divergence(*counts))
    return {metric: float(np.mean(values)) for metric, values in columns.items()}


def _edges(values: Values, n_bins: int, lowest: float = -np.inf) -> Edges:
    low, high = float(values.min()), float(values.max())
    margin = max(MARGIN * (high - low), 1e-6 * max(abs(low), abs(high), 1.0))  # bins need a width
    return np.linspace(max(low - margin, lowest), high + margin, n_bins + 1)
