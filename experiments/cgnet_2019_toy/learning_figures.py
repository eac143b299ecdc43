"""Learning curves, and the decomposition of the loss."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cgexp.report.style import COLOURS, axis_label, panels, styled

from .findings import ESTIMATORS, LABELS, SIZES, SLOPES_FROM, Numbers


@styled
def learning_curves(found: Numbers) -> Figure:
    """Excess loss and force error against the number of frames, log-log, with the fitted power laws."""
    figure, (left, right) = panels(1, 2)
    figure.set_size_inches(10.5, 5.0)
    for axes, kind, values in ((left, "excess", found.excess), (right, "force", found.error)):
        for name in ESTIMATORS:
            slope, colour = found.slopes[name, kind], COLOURS[name]
            label = f"{LABELS[name]}: slope {slope.slope:.2f} ± {slope.slope_sem:.2f}"
            axes.plot(np.repeat(SIZES, values[name].shape[1]), values[name].ravel(), ".", ms=4, color=colour, alpha=0.5)
            axes.plot(SIZES, np.exp(np.log(values[name]).mean(axis=1)), "o", ms=5, color=colour)
            late = SIZES[SIZES >= SLOPES_FROM]
            axes.plot(late, slope.factor * late**slope.slope, color=colour, label=label)
        axes.set(xscale="log", yscale="log", xlabel="frames")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=1)
    left.axhline(1.0, color=COLOURS["exact"], ls=":", lw=1.0)
    left.annotate("noise floor", (SIZES[-1], 1.0), ha="right", va="bottom", fontsize=9)
    left.set_ylabel("excess loss / noise floor (exact mean force: 0)")
    right.set_ylabel("force RMSE / std of the exact force (exact: 0)")
    return figure


@styled
def decomposition(found: Numbers) -> Figure:
    """Variance and squared bias of each estimator against the number of frames, in units of the noise floor."""
    figure, every = panels(1, len(ESTIMATORS), sharex=True, sharey=True)
    figure.set_size_inches(3.2 * len(ESTIMATORS), 4.2)
    for axes, name in zip(every, ESTIMATORS, strict=True):
        parts, colour = found.parts[name], COLOURS[name]
        axes.axhline(1.0, color=COLOURS["noise_floor"], lw=1.6)
        variance, sem = np.array([[p.variance, p.variance_sem] for p in parts]).T
        below = np.minimum(sem, 0.9 * variance)  # a bar to zero or less has no place on a logarithmic axis
        axes.errorbar(SIZES, variance, [below, sem], fmt="o-", ms=4, color=colour)
        known = np.array([p.bias2 > 2.0 * p.bias2_sem for p in parts])
        bias2, sem = np.array([p.bias2 for p in parts]), np.array([p.bias2_sem for p in parts])
        axes.errorbar(SIZES[known], bias2[known], sem[known], fmt="D--", ms=5, mfc="white", color=colour)
        limit = np.maximum(bias2, 0.0) + 2.0 * sem
        axes.plot(SIZES[~known], limit[~known], "v", ms=6, mfc="white", color=colour)
        axes.set(xscale="log", yscale="log", xlabel="frames", title=LABELS[name])
    every[0].set_ylabel(axis_label("part of the loss / noise floor", "exact: 1, 0, 0"))
    every[0].set_ylim(1e-5, 3.0)
    grey = COLOURS["data"]
    marks = [
        Line2D([], [], color=COLOURS["noise_floor"], label="noise"),
        Line2D([], [], color=grey, marker="o", ms=4, label="variance"),
        Line2D([], [], color=grey, marker="D", ms=5, mfc="white", ls="--", label="bias²"),
        Line2D([], [], color=grey, marker="v", ms=6, mfc="white", ls="", label="bias² is below (2 s.e.)"),
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=4)
    return figure
