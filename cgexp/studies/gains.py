"""Paired gains: what an arm of a study gains over a control, seed by seed, with the 95 % interval of the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from cgexp.analysis.bootstrap import mean_and_interval
from cgexp.report.side_by_side_figures import points_figure


def paired_gain(name: str, control: ArrayLike, arm: ArrayLike) -> dict[str, list[float]]:
    """``name``: control - arm for each seed; ``name_low`` and ``name_high``: ends of the mean's interval.

    control, arm: [n_seeds], of a quantity that is better the lower it is. The interval is by Student's t; of one seed,
    or where a value is infinite, nothing bounds it.
    """
    with np.errstate(invalid="ignore"):
        gain = np.asarray(control, dtype=np.float64) - np.asarray(arm, dtype=np.float64)
        low, high = _ends(gain)
    return {name: gain.tolist(), f"{name}_low": [low], f"{name}_high": [high]}


def gains_figure(groups: Mapping[str, Mapping[str, Sequence[float]]], quantity: str, unit: str) -> Figure:
    """Gains of each seed as points, with the interval of their mean. groups: group -> label of an arm -> gains."""
    ends = {
        group: {label: _ends(np.asarray(gain), at_most=float(np.mean(gain))) for label, gain in arms.items()}
        for group, arms in groups.items()
    }
    return points_figure(groups, quantity, unit, ("no difference", 0.0), ends)


def _ends(gain: np.ndarray, at_most: float | None = None) -> tuple[float, float]:
    """Ends of the interval of the mean; where there are none, infinity, or ``at_most`` for both."""
    if len(gain) > 1 and np.isfinite(gain).all():
        _, low, high = mean_and_interval(gain)
        assert low is not None
        assert high is not None
        return float(low), float(high)
    return (-np.inf, np.inf) if at_most is None else (at_most, at_most)
