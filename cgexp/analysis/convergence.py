"""Whether a simulation has converged: its halves against each other, and windows of it against the reference.

Both can only say no: replicas that never leave a basin agree with themselves for ever.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import UnitMeans, bootstrap_sem
from cgexp.analysis.comparison import exact_distance
from cgexp.analysis.ensemble import Ensemble, Replicas
from cgexp.analysis.folding import DRAWS, folded
from cgexp.analysis.sliced import NAME, sliced_metrics

N_WINDOWS = 10


def split_half(replicas: Replicas, n_samples: int, n_bootstrap: int, rng: np.random.Generator) -> dict[str, float]:
    """``w1_tica_split_half``: exact W1 in the plane of the ICs between the two halves of the production in time.

    Both are thinned to the same number of frames, at most ``n_samples``. A draw takes the same units (replicas, or
    blocks of few replicas) of both halves. Nothing for a production of a single saved frame.
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
    return metrics | {f"{name}_sem": value for name, value in sem.items()}


def convergence_curve(
    reference: Ensemble, replicas: Replicas, folded_rmsd: float, n_bootstrap: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Sliced W1 to the reference and folded fraction in N_WINDOWS equal windows of all saved frames, burn-in included.

    start, stop: of each window, ps. w1, folded: its values, [n_windows], with w1_sem, folded_sem. burn_in: when
    production begins, ps, None: at once. folded_reference. Empty for fewer than two saved frames.
    """
    n_saved = len(replicas.time)
    n_windows = min(N_WINDOWS, n_saved)
    if n_windows < 2:
        return {}
    edges = np.linspace(0, n_saved, n_windows + 1).astype(int)
    before = replicas.time - float(np.median(np.diff(replicas.time)))  # a frame is saved at the end of its stretch
    columns: dict[str, list[float]] = {name: [] for name in ("w1", "w1_sem", "folded", "folded_sem")}
    for first, last in pairwise(edges):
        window = replicas.window(first, last)
        distance = sliced_metrics(reference, window, n_bootstrap, rng)
        means = UnitMeans.of(folded(window, folded_rmsd), window.block)
        sem = means.sem(means.draws(DRAWS * n_bootstrap, rng))
        columns["w1"].append(distance[NAME])
        columns["w1_sem"].append(distance.get(f"{NAME}_sem", np.nan))
        columns["folded"].append(float(means.mean()))
        columns["folded_sem"].append(np.nan if sem is None else float(sem))
    expected = UnitMeans.of(folded(reference, folded_rmsd), reference.block, reference.weights)
    return {name: np.array(values) for name, values in columns.items()} | {
        "start": before[edges[:-1]],
        "stop": replicas.time[edges[1:] - 1],
        "burn_in": float(before[replicas.n_dropped]) if 0 < replicas.n_dropped < n_saved else None,
        "folded_reference": float(expected.mean()),
    }
