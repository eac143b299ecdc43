"""How small a distance means anything: between the reference's own runs, and from thinning alone."""

from __future__ import annotations

import numpy as np

from cgexp.analysis.bootstrap import bootstrap_sem
from cgexp.analysis.comparison import Bins, exact_distance, kde_distance, marginal_distances, same_size
from cgexp.analysis.contacts import compare_contacts
from cgexp.analysis.ensemble import Ensemble
from cgexp.analysis.sliced import NAME as SLICED
from cgexp.analysis.sliced import sliced_metrics

SUFFIX = "_resolution"
N_PAIRS = 3  # pairs of draws of each side that the bias is averaged over


def resolution_metrics(
    reference: Ensemble, bins: Bins, n_samples: int, n_bootstrap: int, rng: np.random.Generator
) -> dict[str, float]:
    """Distances between the two runs of a reference: ``<name>_resolution`` of every W1, JS, KL and of contact_rmse.

    Both runs are thinned to the same number of frames, at most n_samples, but for w1_tica_sliced, which takes all. KL,
    which is of one side from the other, is the mean of both ways. The errors are from the blocks of both. The exact
    ``w1_tica`` has Equilibrium.resolution. Empty for a reference without two runs.
    """
    runs = reference.runs()[:2]
    if not runs:
        return {}
    n_units = min(len(np.unique(side.block)) for side in runs)

    def measure(sides: list[Ensemble]) -> dict[str, float]:
        if not all(side.weights is None or side.weights.any() for side in sides):
            return {}
        first, second = same_size(sides[0], sides[1], n_samples, rng)
        found = marginal_distances(first, second, bins) | kde_distance(first, second)
        back = marginal_distances(second, first, bins)
        found |= {name: 0.5 * (found[name] + back[name]) for name in back if name.startswith("kl_")}
        found |= compare_contacts(sides[0], sides[1], 0, rng)
        return {name + SUFFIX: value for name, value in found.items()}

    sem = bootstrap_sem(lambda _: measure([_redrawn(side, rng) for side in runs]), n_units, n_bootstrap, rng)
    metrics = measure(runs) | {f"{name}_sem": value for name, value in sem.items()}
    return metrics | sliced_metrics(runs[0], runs[1], n_bootstrap, rng, SLICED + SUFFIX, redraw_reference=True)


def thinning_bias(reference: Ensemble, model: Ensemble, n_samples: int, rng: np.random.Generator) -> dict[str, float]:
    """``w1_tica_bias``: what ``w1_tica`` would be if both sides were the same distribution, thinned as they are.

    (W1(r, r') + W1(s, s')) / 2, where r and r' are disjoint sets of frames of the reference, drawn at random and as
    large as those that w1_tica takes, and s and s' such of the simulation; the mean over N_PAIRS draws. Where a side
    has fewer than twice as many frames, it is halved and the distance scaled by (size / wanted)^(1/2), as for
    independent frames. The bias of distributions that differ is smaller. Nothing if a side has a single frame.
    """
    wanted = min(n_samples, len(reference), len(model))
    found = []
    for side in (reference, model):
        size = min(wanted, len(side) // 2)
        if not size:
            return {}
        for _ in range(N_PAIRS):
            order = rng.permutation(len(side))
            halves = side.select(order[:size]), side.select(order[size : 2 * size])
            if all(half.weights is None or half.weights.any() for half in halves):
                found.append(exact_distance(*halves, size, rng) * (size / wanted) ** 0.5)
    return {"w1_tica_bias": float(np.mean(found))} if found else {}


def _redrawn(side: Ensemble, rng: np.random.Generator) -> Ensemble:
    """A draw of the ensemble's blocks with repetition."""
    parts = [np.flatnonzero(side.block == name) for name in np.unique(side.block)]
    drawn = rng.integers(len(parts), size=len(parts))
    return side.select(np.concatenate([parts[i] for i in drawn]))
