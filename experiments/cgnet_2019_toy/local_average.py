"""The local average: the mean of the instantaneous forces in bins of x, the estimator that knows no model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


class LocalAverage(NamedTuple):
    """edges: [n_bins + 1] of equal bins between the extreme x of the data, length. means: [n_bins], kT/length."""

    edges: Values
    means: Values

    def force(self, x: Values) -> Values:
        """The mean of the bin that holds x [n] -> [n], kT/length; beyond the data that of the outermost bin."""
        index = np.searchsorted(self.edges, x, side="right") - 1
        return self.means[np.clip(index, 0, len(self.means) - 1)]


def fit(x: Values, force: Values, n_bins: int | None = None) -> LocalAverage:
    """Bin means of the forces [n] at x [n]. n_bins: None lets leave-one-out cross-validation choose.

    A bin without frames gets the line between its neighbours.
    """
    chosen = n_bins or min(candidates(len(x)), key=lambda n: leave_one_out(x, force, n))
    edges, index = _bins(x, chosen)
    counts, sums = np.bincount(index, minlength=chosen), np.bincount(index, force, minlength=chosen)
    filled, middle = counts > 0, 0.5 * (edges[1:] + edges[:-1])
    return LocalAverage(edges, np.interp(middle, middle[filled], sums[filled] / counts[filled]))


def leave_one_out(x: Values, force: Values, n_bins: int) -> float:
    """Mean squared error of predicting each force from the others in its bin, (kT/length)^2.

    A frame alone in its bin is predicted by the mean of all others.
    """
    _, index = _bins(x, n_bins)
    counts, sums = np.bincount(index)[index], np.bincount(index, force)[index]
    alone = counts == 1
    others = np.where(alone, (force.sum() - force) / (len(x) - 1), (sums - force) / np.maximum(counts - 1, 1))
    return float(np.mean((force - others) ** 2))


def candidates(n_frames: int) -> list[int]:
    """Numbers of bins to choose from: a factor of sqrt(2) apart, from 2 to the number of frames, at most 4,096."""
    numbers = (round(2 ** (k / 2)) for k in range(2, 25))
    return [n for n in dict.fromkeys(numbers) if n <= max(2, n_frames)]


def _bins(x: Values, n_bins: int) -> tuple[Values, NDArray[np.intp]]:
    edges = np.linspace(x.min(), x.max(), n_bins + 1)
    return edges, np.clip(np.searchsorted(edges, x, side="right") - 1, 0, n_bins - 1)
