"""Whether a simulation has converged, by itself and to the reference; and how small a distance means anything.

Both can only say no: replicas that never leave a basin agree with themselves for ever.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import RULE_OF_THREE, UnitMeans, bootstrap_sem, not_below_runs
from cgexp.analysis.comparison import (
    NAME,
    Bins,
    Projected,
    compare_contacts,
    exact_distance,
    kde_distance,
    marginal_distances,
    relative_entropies,
    same_size,
    sliced_metrics,
)
from cgexp.analysis.comparison import NAME as SLICED
from cgexp.analysis.curves import Convergence
from cgexp.analysis.divergences import wasserstein_2d
from cgexp.analysis.ensemble import Ensemble, ReplicaEnsemble
from cgexp.analysis.folding import DRAWS, folded

N_WINDOWS = 10


def split_half(
    replicas: ReplicaEnsemble, n_samples: int, folded_rmsd: float, n_bootstrap: int, rng: np.random.Generator
) -> dict[str, float]:
    """The two halves of the production in time against each other. Nothing for a production of a single saved frame.

    ``w1_tica_split_half``: exact W1 in the plane of the ICs, both thinned to the same number of frames, at most
    ``n_samples``. ``w1_tica_split_half_null``: the mean of the same with the halves of every unit (replica, or block of
    few replicas) swapped at random, which changes nothing where the simulation is stationary; its error is the spread
    over swaps. ``folded_fraction_drift``: the second half's folded fraction less the first's. A draw takes the same
    units of both halves.
    """
    middle = (replicas.n_dropped + len(replicas.time)) // 2
    if middle == replicas.n_dropped:
        return {}
    halves = replicas.window(replicas.n_dropped, middle), replicas.window(middle)
    units = [[np.flatnonzero(half.block == unit) for unit in np.unique(half.block)] for half in halves]
    n_units = min(len(of_half) for of_half in units)

    def measure(drawn: NDArray[np.intp]) -> dict[str, float]:
        first, second = (
            half.select(np.concatenate([of_half[unit] for unit in drawn]))
            for half, of_half in zip(halves, units, strict=True)
        )
        return {"w1_tica_split_half": exact_distance(first, second, n_samples, rng)}

    metrics = measure(np.arange(n_units))
    sem = bootstrap_sem(measure, n_units, n_bootstrap, rng)
    metrics |= {f"{name}_sem": value for name, value in sem.items()}
    has_error = n_bootstrap >= 2 and n_units >= 2
    if halves[0].has_native:
        drift = _drift(halves, units, folded_rmsd)
        metrics["folded_fraction_drift"] = float(drift.mean())
        if has_error:
            metrics["folded_fraction_drift_sem"] = float(drift.std(ddof=1) / np.sqrt(n_units))
    if not has_error:
        return metrics
    tica = [[half.tica[chosen] for chosen in of_half] for half, of_half in zip(halves, units, strict=True)]
    null = []
    for swapped in rng.random((n_bootstrap, n_units)) < 0.5:
        first, second = (np.concatenate([tica[side ^ flip][i] for i, flip in enumerate(swapped)]) for side in (0, 1))
        null.append(wasserstein_2d(first, second, n_samples=n_samples, rng=rng))
    name = "w1_tica_split_half_null"
    return metrics | {name: float(np.mean(null)), f"{name}_sem": float(np.std(null, ddof=1))}


def _drift(
    halves: tuple[Ensemble, Ensemble], units: list[list[NDArray[np.intp]]], folded_rmsd: float
) -> NDArray[np.float64]:
    """Of every unit, how much more of the second half is folded: [n_units]."""
    first, second = (
        [float(folded(half.select(chosen), folded_rmsd).mean()) for chosen in of_half]
        for half, of_half in zip(halves, units, strict=True)
    )
    return np.array([after - before for before, after in zip(first, second, strict=False)])


def convergence_curve(
    reference: Ensemble,
    replicas: ReplicaEnsemble,
    folded_rmsd: float,
    n_bootstrap: int,
    rng: np.random.Generator,
    reference_name: str,
    resolution: float | None,
) -> Convergence | None:
    """Sliced W1 to the reference and folded fraction in N_WINDOWS windows; None for fewer than two saved frames.

    resolution: sliced W1 between the reference's own runs, if it has two.
    """
    n_saved = len(replicas.time)
    n_windows = min(N_WINDOWS, n_saved)
    if n_windows < 2:
        return None
    edges = np.linspace(0, n_saved, n_windows + 1).astype(int)
    before = replicas.time - float(np.median(np.diff(replicas.time)))  # a frame is saved at the end of its stretch
    distances: list[tuple[float, float]] = []
    fractions: list[tuple[float, float, float]] = []
    projected = Projected.of(reference.tica)
    for first, last in pairwise(edges):
        window = replicas.window(first, last)
        distance = sliced_metrics(reference, window, n_bootstrap, rng, projected=projected)
        distances.append((distance[NAME], distance.get(f"{NAME}_sem", np.nan)))
        if not reference.has_native:
            continue
        means = UnitMeans.of(folded(window, folded_rmsd), window.block)
        sem = means.sem(means.draws(DRAWS * n_bootstrap, rng))
        limit = min(RULE_OF_THREE / len(means.totals), 1.0) if means.mean() in (0.0, 1.0) else np.nan
        fractions.append((float(means.mean()), np.nan if sem is None else float(sem), limit))
    w1, w1_sem = np.array(distances).T
    curve = Convergence(
        start=before[edges[:-1]],
        stop=replicas.time[edges[1:] - 1],
        w1=w1,
        w1_sem=w1_sem,
        reference_name=reference_name,
        time=reference.unit_system.time,
        burn_in=float(before[replicas.n_dropped]) if 0 < replicas.n_dropped < n_saved else None,
        resolution=resolution,
    )
    if not reference.has_native:
        return curve
    expected, *of_runs = (
        UnitMeans.of(folded(side, folded_rmsd), side.block, side.weights) for side in (reference, *reference.runs())
    )
    expected_sem = not_below_runs(expected.mean_sem(), [means.mean() for means in of_runs])
    fraction, fraction_sem, limits = np.array(fractions).T
    return replace(
        curve,
        folded=fraction,
        folded_sem=fraction_sem,
        folded_limit=limits,
        folded_reference=float(expected.mean()),
        folded_reference_sem=None if expected_sem is None else float(expected_sem),
    )


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
        back = relative_entropies(second, first, bins)
        found |= {name: 0.5 * (found[name] + back[name]) for name in back}
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
