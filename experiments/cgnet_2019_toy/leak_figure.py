"""Leaks: replicas that leave the plotted range, in time and against the number of frames a model has learnt from."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from cgexp.report.style import COLOURS, axis_label, panels, styled
from cgexp.studies.results import Results

from .curves import PLOTTED, Values
from .findings import FEW, LABELS, MODELS, SIZES, Numbers, arm_of

BESIDE = {"feature_regression": 0.85, "cgnet": 1.0, "cgnet_regularised": 1.17}  # so that marks hide no mark


def rates(results: Results) -> dict[str, Values]:
    """Arm -> leak rate of each run that was simulated, 1/time."""
    return {arm_of(m, n): results.values(arm_of(m, n), "leak_rate") for m in MODELS for n in (FEW, SIZES[-1])}


@styled
def draw(found: Numbers, measured: dict[str, Values]) -> Figure:
    """Left: share of replicas still inside; right: leak rate, simulated and its bound from the energy."""
    figure, (share, rate) = panels(1, 2)
    figure.set_size_inches(10.5, 4.6)
    share.axhline(1.0, color=COLOURS["exact"], lw=3.0, label="exact")
    for name in MODELS:
        runs, line = found.simulated[arm_of(name, FEW)], "--" if name == "feature_regression" else "-"
        share.plot(runs.time, runs.inside.mean(axis=0), line, color=COLOURS[name], label=LABELS[name], lw=2.2)
        share.plot(runs.time, runs.inside.T, line, color=COLOURS[name], lw=0.7, alpha=0.7)
    share.set(xlabel="time (time unit)", ylabel=f"share of replicas never outside [{PLOTTED[0]:g}, {PLOTTED[1]:g}]")
    share.set_title(f"trained on {FEW} frames: five draws and their mean")
    rate.axhline(found.exact_bound, color=COLOURS["exact"], lw=3.0, label="exact, bound")
    for name in MODELS:
        bounds, line = np.array([found.bounds[arm_of(name, n)] for n in SIZES]), "--"
        rate.plot(np.repeat(SIZES, bounds.shape[1]), bounds.ravel(), ".", ms=4, color=COLOURS[name], alpha=0.6)
        rate.plot(SIZES, np.median(bounds, axis=1), line, color=COLOURS[name], label=f"{LABELS[name]}, bound")
        for n in (FEW, SIZES[-1]):
            values = measured[arm_of(name, n)]
            if values.any():
                mean, sem = values.mean(), values.std(ddof=1) / np.sqrt(len(values))
                bar = [[min(sem, 0.9 * mean)], [sem]]  # a bar to zero has no place on a logarithmic axis
                rate.errorbar(n, mean, bar, fmt="s", ms=7, mfc="white", color=COLOURS[name], zorder=5)
            else:
                runs = found.simulated[arm_of(name, n)]
                limit = 3.0 / (len(values) * runs.replica_time)
                rate.plot(n * BESIDE[name], limit, "v", ms=7, mfc="white", color=COLOURS[name], zorder=5)
    rate.plot([], [], "s", ms=7, mfc="white", color="0.3", label="simulated")
    rate.plot([], [], "v", ms=7, mfc="white", color="0.3", label="no leak seen: 95 % limit")
    rate.set(xscale="log", yscale="log", ylim=(1e-27, 1.0), xlabel="frames", ylabel=axis_label("leak rate", "1/time"))
    rate.set_title("median bound and each of the five draws")
    for axes in (share, rate):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2)
    return figure
