"""Paired gains: what an arm of a study gains over a control, seed by seed, with the 95 % interval of the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from cgexp.analysis.bootstrap import mean_and_interval
from cgexp.report.style import COLOURS, axis_label, panels, styled


def paired_gain(name: str, control: ArrayLike, arm: ArrayLike) -> dict[str, list[float]]:
    """``name``: control - arm for each seed; ``name_low`` and ``name_high``: ends of the mean's interval.

    control, arm: [n_seeds], of a quantity that is better the lower it is. The interval is by Student's t; of one seed,
    or where a value is infinite, nothing bounds it.
    """
    with np.errstate(invalid="ignore"):
        gain = np.asarray(control, dtype=np.float64) - np.asarray(arm, dtype=np.float64)
        low, high = _ends(gain)
    return {name: gain.tolist(), f"{name}_low": [low], f"{name}_high": [high]}


@styled
def gains_figure(groups: Mapping[str, Mapping[str, Sequence[float]]], quantity: str, unit: str) -> Figure:
    """A panel for each group, a line for each arm: gains of the seeds, their mean, and its interval as a bar.

    groups: group -> label of an arm -> gains. Arms in the order of their first group.
    """
    labels = list(dict.fromkeys(label for arms in groups.values() for label in arms))
    figure, axes = panels(1, len(groups), sharex=True, sharey=True)
    figure.set_size_inches(2.4 + 2.8 * len(groups), 1.0 + 0.32 * len(labels))
    for panel, (group, arms) in zip(axes, groups.items(), strict=True):
        for label, gain in arms.items():
            place, values = len(labels) - 1 - labels.index(label), np.asarray(gain, dtype=np.float64)
            low, high = _ends(values)
            if np.isfinite([low, high]).all():
                panel.hlines(place, low, high, color=COLOURS["model"], lw=2.0)
                panel.plot(values.mean(), place, "D", ms=5, color=COLOURS["model"])
            panel.plot(values, np.full(len(values), place), "o", ms=3, color="0.5", alpha=0.8)
        panel.axvline(0.0, color="black", lw=1.0, ls="--")
        panel.set_title(group, fontsize="medium")
    figure.supxlabel(axis_label(quantity, unit), fontsize="medium")
    axes[0].set_yticks(range(len(labels)), labels[::-1])
    return figure


def _ends(gain: NDArray[np.float64]) -> tuple[float, float]:
    """Ends of the interval of the mean; infinite where nothing bounds it."""
    if len(gain) == 1 or not np.isfinite(gain).all():
        return -np.inf, np.inf
    _, low, high = mean_and_interval(gain)
    assert low is not None
    assert high is not None
    return float(low), float(high)
