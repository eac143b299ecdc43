"""Weighted statistics of internal coordinates, from which priors are fitted and judged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.frames import Frames

Array = NDArray[np.floating]


def frame_shares(frames: Frames) -> Array:
    """Share of each frame in the ensemble, [n_frames], summing to 1: its weight, or one for all."""
    weights = np.ones(len(frames)) if frames.weights is None else np.asarray(frames.weights, dtype=np.float64)
    return weights / weights.sum()


def mean_and_variance(values: Array, shares: Array) -> tuple[Array, Array]:
    """Mean and variance over frames of values [n_frames, n_coordinates], each [n_coordinates]."""
    mean = shares @ values
    return mean, shares @ (values - mean) ** 2


def quantile(values: Array, shares: Array, q: float) -> float:
    """The value below which a share ``q`` of values [n_frames, n_coordinates] lies, all coordinates pooled."""
    order = np.argsort(values, axis=None)
    cumulative = np.cumsum(np.repeat(shares, values.shape[1])[order]) / values.shape[1]
    rank = min(int(np.searchsorted(cumulative, q)), order.size - 1)
    return float(values.ravel()[order[rank]])


def histograms(values: Array, shares: Array, edges: Array) -> Array:
    """Probability density of each coordinate on common bins: [n_frames, n_coordinates] -> [n_bins, n_coordinates]."""
    counts = [np.histogram(column, bins=edges, weights=shares)[0] for column in values.T]
    return np.stack(counts, axis=1) / np.diff(edges)[:, None]
