"""Intervals of means over independent runs, such as the seeds of a study."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

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
    half = student.ppf(0.5 + level / 2.0, n_runs - 1) * values.std(axis=0, ddof=1) / np.sqrt(n_runs)
    return mean, mean - half, mean + half
