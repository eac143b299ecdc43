"""Errors of metrics: block bootstrap of correlated samples, and intervals of means over independent runs."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_UNITS = 10  # fewer replicas than this are cut into blocks in time
AT_ONCE = 2**25  # values that are weighted in memory at a time
RULE_OF_THREE = 3.0  # nothing in n independent units: less than 3 / n at 95 %


def stream(seed: int, name: str) -> np.random.Generator:
    """Random numbers of one part of an analysis, so that a part added or switched off does not change the others."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


Scalar = TypeVar("Scalar", bound=np.generic)


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
    values: NDArray[np.floating] | NDArray[np.bool_],
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
        total = totals[units].sum()
        return {"mean": float(sums[units].sum() / total)} if total > 0.0 else {}

    everything = np.arange(len(sums))
    return mean(everything)["mean"], bootstrap_sem(mean, len(sums), n_bootstrap, rng).get("mean")


@dataclass(frozen=True)
class UnitMeans:
    """Means over frames, kept as weighted sums of independent units: a bootstrap then never looks at a frame again.

    sums: of weight times value in each unit, [n_units, ...]. totals: of the weights, [n_units].
    """

    sums: NDArray[np.float64]
    totals: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        values: NDArray[np.floating] | NDArray[np.bool_],
        block: NDArray[np.integer],
        weights: NDArray[np.floating] | None = None,
    ) -> UnitMeans:
        """Of values [n_frames, ...] in units named by block [n_frames]; weights [n_frames], None for all alike."""
        if values.ndim > 1 and values.size > AT_ONCE and values.shape[1] > 1:  # as contacts of a long chain
            middle = values.shape[1] // 2
            left, right = (cls.of(part, block, weights) for part in (values[:, :middle], values[:, middle:]))
            return cls(np.concatenate([left.sums, right.sums], axis=1), left.totals)
        order = np.argsort(block, kind="stable")
        starts = np.flatnonzero(np.diff(block[order], prepend=block[order[0]] - 1))
        share = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
        weighted = values[order] * share[order].reshape(-1, *[1] * (values.ndim - 1))
        return cls(np.add.reduceat(weighted, starts, axis=0), np.add.reduceat(share[order], starts))

    @classmethod
    def of_bins(
        cls,
        values: NDArray[np.floating],
        edges: NDArray[np.floating],
        block: NDArray[np.integer],
        weights: NDArray[np.floating] | None = None,
    ) -> UnitMeans:
        """Of being in each bin, [n_units, n_bins]: frames [n_frames] beyond the edges are in none, but count in all."""
        names, unit = np.unique(block, return_inverse=True)
        share = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
        found = np.searchsorted(edges, values, side="right") - 1
        found[values == edges[-1]] -= 1  # the last bin is closed, as in numpy.histogram
        inside = (found >= 0) & (found < len(edges) - 1)
        shape = (len(names), len(edges) - 1)
        flat = unit[inside] * shape[1] + found[inside]
        sums: NDArray[Any] = np.bincount(flat, share[inside], minlength=shape[0] * shape[1]).reshape(shape)
        totals: NDArray[Any] = np.bincount(unit, share, minlength=shape[0])
        return cls(sums, totals)

    def mean(self) -> NDArray[np.float64]:
        """The mean over all frames, [...]."""
        return np.asarray(self.sums.sum(axis=0) / self.totals.sum())

    def mean_sem(self) -> NDArray[np.float64] | None:
        """Standard error of ``mean``, [...], to first order in how units differ; None for a single unit.

        Of units of equal weight their standard deviation over the root of their number; and without draws.
        """
        n_units = len(self.totals)
        if n_units < 2:
            return None
        beyond = self.sums - self.totals.reshape(-1, *[1] * (self.sums.ndim - 1)) * self.mean()
        return np.asarray(np.sqrt(n_units / (n_units - 1.0) * np.sum(beyond**2, axis=0)) / self.totals.sum())

    def draws(self, n_bootstrap: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Means of ``n_bootstrap`` draws of units with repetition: [n_bootstrap, ...]; [0, ...] for a single unit."""
        n_units = len(self.totals)
        if n_units < 2 or n_bootstrap < 2:
            return np.zeros((0, *self.sums.shape[1:]))
        times = rng.multinomial(n_units, np.full(n_units, 1.0 / n_units), size=n_bootstrap)
        totals = np.maximum(times @ self.totals, np.finfo(np.float64).tiny)  # a draw of units without any weight
        sums = times @ self.sums.reshape(n_units, -1)
        return (sums / totals[:, None]).reshape(n_bootstrap, *self.sums.shape[1:])

    def sem(self, draws: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Standard error, [...], of whatever was computed from each of ``draws`` [n_bootstrap, ...]; None for none."""
        n_units = len(self.totals)
        if len(draws) < 2:
            return None
        return np.asarray(np.sqrt(n_units / (n_units - 1.0)) * np.std(draws, axis=0, ddof=1))


def not_below_runs(sem: NDArray[np.float64] | float | None, of_runs: Sequence[ArrayLike]) -> NDArray[np.float64] | None:
    """Standard errors [...] that are not below half the difference of independent runs, whose values are [...] each.

    Blocks of a run know nothing of a state that the run has never reached: where runs disagree, their spread alone is
    too small. Without runs ``sem`` as it is.
    """
    if not of_runs:
        return None if sem is None else np.asarray(sem)
    half = 0.5 * np.ptp(np.stack([np.asarray(values) for values in of_runs]), axis=0)
    return np.asarray(half if sem is None else np.maximum(sem, half))


def independent_units(samples: NDArray[Scalar], min_units: int = MIN_UNITS) -> NDArray[Scalar]:
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


LEVEL = 0.95

Values = NDArray[np.float64]
Interval = tuple[Values, Values | None, Values | None]  # mean, low, high


def mean_and_interval(values: Values, level: float = LEVEL) -> Interval:
    """Mean over the runs of values [n_runs, ...] and the ends of its interval by Student's t, each [...].

    Of one run: its values, and None for both ends. Of paired differences: the interval of the mean difference.
    """
    values = np.asarray(values, dtype=np.float64)
    n_runs, mean = len(values), values.mean(axis=0)
    if n_runs == 1:
        return mean, None, None
    from scipy.special import stdtrit  # of Student's t; scipy.stats takes a second to import

    half = stdtrit(n_runs - 1, 0.5 + level / 2.0) * values.std(axis=0, ddof=1) / np.sqrt(n_runs)
    return mean, mean - half, mean + half


def p_of_mean(values: Values) -> Values:
    """Two-sided p-values by Student's t that the means over the runs of values [n_runs, ...] are zero: [...].

    Where all runs agree, 0 for a mean that is not zero and 1 for one that is. One run says nothing: 1.
    """
    values = np.asarray(values, dtype=np.float64)
    n_runs, mean = len(values), values.mean(axis=0)
    if n_runs == 1:
        return np.ones_like(mean)
    from scipy.special import stdtr

    sem = values.std(axis=0, ddof=1) / np.sqrt(n_runs)
    agree = sem <= 1e-12 * np.abs(values).max(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2.0 * stdtr(n_runs - 1, -np.abs(mean / sem))
    return np.asarray(np.where(agree, np.where(mean == 0.0, 1.0, 0.0), p))


def holm(p: Values, n_tests: int | None = None) -> Values:
    """p-values [n] corrected for all being looked at (Holm, Scand. J. Stat. 6, 65, 1979), in their order.

    n_tests: of how many tests they are the smallest or all that were asked about, n unless given.
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    factors = (len(p) if n_tests is None else n_tests) - np.arange(len(p))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(factors * p[order]), 1.0)
    return corrected
