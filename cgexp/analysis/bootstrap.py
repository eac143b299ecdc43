"""Block bootstrap: errors of metrics from samples that are correlated within a replica or a block."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_UNITS = 10  # fewer replicas than this are cut into blocks in time


def bootstrap_sem(
    metrics: Callable[[NDArray[np.intp]], Mapping[str, float]],
    n_units: int,
    n_bootstrap: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Standard error of every metric, from ``n_bootstrap`` draws of ``n_units`` independent units with repetition.

    metrics: takes the indices of the drawn units [n_units] and returns name -> value. The factor n/(n-1) in the
    variance makes the error of a mean unbiased. Returns name -> standard error, for the names that every draw gave;
    empty for less than two units or draws.
    """
    if n_units < 2 or n_bootstrap < 2:
        return {}
    draws = [metrics(rng.integers(n_units, size=n_units)) for _ in range(n_bootstrap)]
    correction = np.sqrt(n_units / (n_units - 1.0))
    names = [name for name in draws[0] if all(name in draw for draw in draws)]
    return {name: float(correction * np.std([draw[name] for draw in draws], ddof=1)) for name in names}


def mean_and_sem(
    values: NDArray[Any],
    block: NDArray[np.integer],
    n_bootstrap: int,
    rng: np.random.Generator,
    weights: NDArray[np.floating] | None = None,
) -> tuple[float, float | None]:
    """Weighted mean of values [n] and its standard error (None for one block) from a bootstrap over blocks [n]."""
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    _, unit = np.unique(block, return_inverse=True)
    sums = np.bincount(unit, weights * values)
    totals = np.bincount(unit, weights)

    def mean(units: NDArray[np.intp]) -> dict[str, float]:
        return {"mean": float(sums[units].sum() / totals[units].sum())}

    everything = np.arange(len(sums))
    return mean(everything)["mean"], bootstrap_sem(mean, len(sums), n_bootstrap, rng).get("mean")


def independent_units(samples: NDArray[Any], min_units: int = MIN_UNITS) -> NDArray[Any]:
    """Cut few long replicas into blocks: samples [n_frames, n_replicas, ...] -> [n_frames', n_units, ...].

    Replicas are the units if there are at least ``min_units``; else each is cut in time into equal blocks (a remainder
    at its start is dropped) to reach that many, which assumes that a block is longer than the correlation time.
    """
    n_frames, n_replicas = samples.shape[:2]
    n_blocks = min(-(-min_units // max(n_replicas, 1)), n_frames)
    if n_replicas >= min_units or n_replicas == 0 or n_blocks < 2:
        return samples
    length = n_frames // n_blocks
    kept = samples[n_frames - n_blocks * length :]
    cut = kept.reshape(n_blocks, length, n_replicas, *samples.shape[2:])
    return np.moveaxis(cut, 0, 1).reshape(length, n_blocks * n_replicas, *samples.shape[2:])
