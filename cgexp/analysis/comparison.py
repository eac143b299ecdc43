"""Two ensembles compared: observables one by one, the plane of the ICs by sliced Wasserstein-1, contact maps.

The sliced distance in the plane is the mean over directions of that between the projections (Bonneel, Rabin, Peyré,
Pfister 2015, J. Math. Imaging Vis. 51, 22). It needs no thinning, since a projection is only sorted: n log n in the
number of frames, where the exact distance costs more than n^2. Of two points a distance r apart it is 2r/pi, and it is
never above 2/pi times the exact distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import UnitMeans, bootstrap_sem
from cgexp.analysis.curves import ContactMap
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
from cgexp.analysis.observables import QUANTITIES, Values, contact_pairs

N_DIRECTIONS = 32  # equally spaced over the half circle; for a shift the mean is off by less than 0.1 %
NAME = "w1_tica_sliced"

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Projected:
    """Points [n, 2] along each of N_DIRECTIONS. order: ascending, [n]; places: where they are, in that order, [n]."""

    order: list[NDArray[np.int32]]
    places: list[Array]

    @classmethod
    def of(cls, points: NDArray[np.floating]) -> Projected:
        """Project and sort them: what costs most, and can be kept for points that are compared several times."""
        angles = (np.arange(N_DIRECTIONS) + 0.5) * np.pi / N_DIRECTIONS
        along = [points.astype(np.float64) @ [np.cos(angle), np.sin(angle)] for angle in angles]
        order = [np.argsort(places).astype(np.int32) for places in along]
        return cls(order, [places[chosen] for places, chosen in zip(along, order, strict=True)])


class SlicedWasserstein:
    """W1 of points a [n, 2] with weights [n] >= 0 from points b [m, 2], for any weights of these.

    F_a is kept at all n + m places along a direction. F_b, which has a step at each point of b, is repeated from one
    step to the next.
    """

    def __init__(self, a: Projected, a_weights: Array, b: Projected) -> None:
        self._order, self._of_a, self._gaps, self._until_next = b.order, [], [], []
        for order, places, b_places in zip(a.order, a.places, b.places, strict=True):
            reached = np.cumsum(np.append(0.0, a_weights[order])) / a_weights.sum()
            before = np.searchsorted(places, b_places)  # how many of a lie before each of b
            self._of_a.append(np.insert(reached[1:], before, reached[before]))
            self._gaps.append(np.diff(np.insert(places, before, b_places)))
            steps = before + np.arange(len(before))
            self._until_next.append(np.diff(steps, prepend=0, append=len(places) + len(before)))

    def __call__(self, b_weights: Array) -> float:
        """The distance for weights [m] >= 0 of any positive sum, in the unit of the points."""
        masses, distances = b_weights / b_weights.sum(), []
        for order, of_a, gaps, until_next in zip(self._order, self._of_a, self._gaps, self._until_next, strict=True):
            difference = np.repeat(np.cumsum(np.append(0.0, masses[order])), until_next)
            difference -= of_a
            np.abs(difference, out=difference)
            distances.append(difference[:-1] @ gaps)
        return float(np.mean(distances))


def sliced_metrics(
    reference: Ensemble,
    model: Ensemble,
    n_bootstrap: int,
    rng: np.random.Generator,
    name: str = NAME,
    redraw_reference: bool = False,
    projected: Projected | None = None,
) -> dict[str, float]:
    """``w1_tica_sliced`` of all frames of both sides, and its error from the units of the model.

    redraw_reference: draw the units of the reference too, each side its own. projected: the reference's plane, where it
    is at hand.
    """
    sides = [_Side(reference, redraw_reference), _Side(model, True)]
    planes = projected or Projected.of(reference.tica), Projected.of(model.tica)
    whole = SlicedWasserstein(planes[0], sides[0].weights, planes[1]) if sides[0].weights.any() else None

    def measure(everything: bool) -> dict[str, float]:
        of_reference, of_model = (side.weights if everything else side.redrawn(rng) for side in sides)
        if whole is None or not (of_reference.any() and of_model.any()):
            return {}
        redrawn = redraw_reference and not everything
        distance = SlicedWasserstein(planes[0], of_reference, planes[1]) if redrawn else whole
        return {name: distance(of_model)}

    n_units = min(side.n_units for side in sides if side.redraw)
    sem = bootstrap_sem(lambda _: measure(False), n_units, n_bootstrap, rng)
    return measure(True) | {f"{key}_sem": value for key, value in sem.items()}


class _Side:
    """Weights of an ensemble's frames, and as a draw of its units changes them."""

    def __init__(self, ensemble: Ensemble, redraw: bool) -> None:
        self.redraw = redraw
        given = np.ones(len(ensemble)) if ensemble.weights is None else ensemble.weights
        self.weights: Array = np.asarray(given, dtype=np.float64)
        names, self._unit = np.unique(ensemble.block, return_inverse=True)
        self.n_units = len(names)

    def redrawn(self, rng: np.random.Generator) -> Array:
        if not self.redraw:
            return self.weights
        times = np.bincount(rng.integers(self.n_units, size=self.n_units), minlength=self.n_units)
        return np.asarray(self.weights * times[self._unit])


def contact_rmse(reference: Array, model: Array) -> Array:
    """Root mean square difference of contact probabilities over the pairs (the last axis)."""
    return np.sqrt(np.mean((np.asarray(model) - reference) ** 2, axis=-1))


def compare_contacts(
    reference: Ensemble, model: Ensemble, n_bootstrap: int, rng: np.random.Generator
) -> dict[str, float]:
    """``contact_rmse`` of two ensembles, with the error from the units of the model."""
    expected = UnitMeans.of(reference.contacts, reference.block, reference.weights).mean()
    if not expected.size:  # a chain too short for contacts
        return {}
    found = UnitMeans.of(model.contacts, model.block, model.weights)
    metrics = {"contact_rmse": float(contact_rmse(expected, found.mean()))}
    sem = found.sem(contact_rmse(expected, found.draws(n_bootstrap, rng)))
    return metrics if sem is None else metrics | {"contact_rmse_sem": float(sem)}


def contact_curve(
    reference: Ensemble, model: Ensemble | None, labels: Sequence[str], cutoff: float, reference_name: str
) -> ContactMap:
    """Maps of contact probabilities of the reference and of the simulation if there is one."""
    n_residues = len(labels)

    def probabilities(side: Ensemble) -> Array:
        values = UnitMeans.of(side.contacts, side.block, side.weights).mean()
        full = np.full((n_residues, n_residues), np.nan)
        first, second = contact_pairs(n_residues)
        full[first, second] = full[second, first] = values
        return full

    ticks = [label if label.isdigit() else f"{label}{number}" for number, label in enumerate(labels, start=1)]
    of = "bead" if all(label.isdigit() for label in labels) else ContactMap.of
    curve = ContactMap(probabilities(reference), ticks, cutoff, reference_name, of=of)
    if model is None:
        return curve
    of_model = probabilities(model)
    return replace(curve, model=of_model, difference=of_model - curve.reference)


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
        ends = (edges[0], edges[-1])
        values = np.clip(values, *ends)
        if weights is None:  # numpy then finds equal bins by a division; given their edges, it sorts the values
            return np.histogram(values, len(edges) - 1, ends)[0]
        return np.histogram(values, edges, weights=weights)[0]


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
    if not (spans_plane(a.tica, a.weights) and spans_plane(b.tica, b.weights)):
        return {}
    return {"w1_tica_kde": wasserstein_2d_kde(a.tica, b.tica, a.weights, b.weights)}


def same_size(
    reference: Ensemble, model: Ensemble, n_samples: int, rng: np.random.Generator
) -> tuple[Ensemble, Ensemble]:
    """Both ensembles thinned at random to the same number of frames, at most ``n_samples``."""
    n_frames = min(n_samples, len(reference), len(model))
    first, second = (side.select(thin(len(side), n_frames, rng)) for side in (reference, model))
    return first, second


def exact_distance(a: Ensemble, b: Ensemble, n_samples: int, rng: np.random.Generator, n_draws: int = 1) -> float:
    """Exact W1 in the plane of the ICs, both sides thinned to the same number of frames, at most ``n_samples``.

    n_draws: random choices of these frames, over which the distance is averaged.
    """
    weights = a.weights, b.weights
    draws = [wasserstein_2d(a.tica, b.tica, *weights, n_samples=n_samples, rng=rng) for _ in range(n_draws)]
    return float(np.mean(draws))


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


def relative_entropies(reference: Ensemble, model: Ensemble, bins: Bins) -> dict[str, float]:
    """KL(reference || model) of every observable and of the plane's histogram, as in ``marginal_distances``."""
    metrics = {"kl_tica": kl_divergence(bins.tica_counts(reference), bins.tica_counts(model))}
    for name in reference.observables:
        pairs = zip(reference.observables[name].T, model.observables[name].T, strict=True)
        counts = ((bins.counts(name, a, reference.weights), bins.counts(name, b, model.weights)) for a, b in pairs)
        metrics[f"kl_{name}"] = float(np.mean([kl_divergence(*pair) for pair in counts]))
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
