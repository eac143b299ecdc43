"""Power laws: the slope of a learning curve."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .curves import Values


class Slope(NamedTuple):
    """error = factor * n^slope. slope_sem: standard error of the least-squares fit."""

    slope: float
    slope_sem: float
    factor: float


def fit_slope(n_frames: Values, errors: Values) -> Slope:
    """Least squares of ln error against ln n: n_frames [n_sizes], errors [n_sizes, n_seeds], all positive."""
    x = np.repeat(np.log(n_frames), errors.shape[1])
    y = np.log(errors).ravel()
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    residual = y - y.mean() - slope * centred
    sem = np.sqrt(residual @ residual / (len(x) - 2) / (centred @ centred))
    return Slope(slope, float(sem), float(np.exp(y.mean() - slope * x.mean())))
