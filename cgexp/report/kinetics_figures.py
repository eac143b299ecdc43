"""Figures of a simulation in time: its convergence in windows, and its Markov state model."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from cgexp.analysis.curves import Convergence, MarkovCurve
from cgexp.report.style import COLOURS, SERIES, legend_above, make_log, panels, styled


@styled
def convergence_figure(curve: Convergence) -> Figure:
    """Sliced W1 to the reference in each window, and the folded fraction if a native structure is known, ± s.e.m.

    The error is over replicas. A window without a folded replica has the 95 % limit of its fraction instead.
    """
    shown = [(curve.w1, np.stack([curve.w1_sem] * 2))]
    if curve.folded is not None and curve.folded_sem is not None and curve.folded_limit is not None:
        limit = np.nan_to_num(curve.folded_limit)
        one_sided = np.where(curve.folded > 0.5, [limit, 0.0 * limit], [0.0 * limit, limit])
        shown.append((curve.folded, np.stack([curve.folded_sem] * 2) + one_sided))
    figure, axes = panels(1, len(shown), sharex=True)
    middle, half = 0.5 * (curve.start + curve.stop), 0.5 * (curve.stop - curve.start)
    for (values, errors), panel in zip(shown, axes, strict=True):
        panel.errorbar(
            middle, values, errors, half, fmt=".", color=COLOURS["simulation"], lw=1.2,
            clip_on=False, label="window ± s.e.m.",
        )  # fmt: skip
        if curve.burn_in is not None:
            panel.axvspan(curve.start[0], curve.burn_in, color="0.9", lw=0, label="burn-in")
        panel.set_xlabel(f"simulation time ({curve.time} of CG dynamics)")
    if curve.resolution is not None:
        label = "between the reference's runs"
        axes[0].axhline(curve.resolution, color=COLOURS["reference"], ls="--", lw=1.2, label=label)
    axes[0].set_ylabel("sliced W1 to the reference (TICA units)")
    if curve.folded_reference is not None:
        axes[1].axhline(curve.folded_reference, color=COLOURS["reference"], lw=1.2, label=curve.reference_name)
        if curve.folded_reference_sem is not None:
            ends = curve.folded_reference + curve.folded_reference_sem * np.array([-1.0, 1.0])
            axes[1].axhspan(max(ends[0], 0.0), ends[1], color=COLOURS["reference"], alpha=0.12, lw=0)
        axes[1].set_ylabel("folded fraction")
    for panel in axes:
        panel.set_ylim(bottom=0.0)
        legend_above(panel, n_columns=2)
    return figure


UNCONNECTED = "0.8"


@styled
def msm_figure(curve: MarkovCurve) -> Figure:
    """Implied timescales, the Chapman-Kolmogorov test of every metastable state, and where these are."""
    figure, (scales, test, plane) = panels(1, 3)
    _timescales(scales, curve)
    start = np.ones(curve.predicted.shape[1])
    times = np.concatenate([[0.0], curve.multiples])
    for i in range(len(start)):
        colour = SERIES[i % len(SERIES)]
        test.plot(times, np.append(1.0, curve.predicted[:, i]), color=colour, label=f"state {i + 1}, model")
        errors = None
        if curve.observed_low is not None and curve.observed_high is not None:
            ends = curve.observed - curve.observed_low, curve.observed_high - curve.observed
            errors = np.maximum([end[:, i] for end in ends], 0.0)
        label = "simulation" if i == len(start) - 1 else None
        test.errorbar(curve.multiples, curve.observed[:, i], errors, fmt=".", color=colour, label=label)
    test.set_xlabel("time (ps of CG dynamics)")
    test.set_ylabel("probability to be there again")
    test.set_ylim(0.0, 1.05)
    legend_above(test, n_columns=2, fontsize=8)
    for i in range(-1, len(start)):
        members = curve.cluster_set == i
        name = "not connected"
        if i >= 0:
            name = f"state {i + 1}: {curve.populations[i]:.0%}"
            if curve.folded is not None:
                name += f", {curve.folded[i]:.0%} of it folded"
        if members.any():
            x, y = curve.centres[members].T
            plane.scatter(
                x, y, s=10.0 + 2000.0 * curve.cluster_share[members], alpha=0.7, lw=0,
                color=SERIES[i % len(SERIES)] if i >= 0 else UNCONNECTED, label=name,
            )  # fmt: skip
    plane.set_xlabel("IC 1 (TICA units)")
    plane.set_ylabel("IC 2 (TICA units)")
    legend = legend_above(plane, fontsize=8)
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([30.0])
    return figure


def _timescales(panel: Axes, curve: MarkovCurve) -> None:
    for i in range(curve.timescales.shape[1]):
        colour = SERIES[i % len(SERIES)]
        panel.plot(curve.lags, curve.timescales[:, i], ".-", color=colour, label=f"process {i + 1}")
        if curve.timescales_low is not None and curve.timescales_high is not None:
            low, high = curve.timescales_low[:, i], curve.timescales_high[:, i]
            panel.fill_between(curve.lags, low, high, color=colour, alpha=0.25, lw=0)
        if curve.reference_lags is not None and curve.reference_timescales is not None:
            label = "reference" if i == 0 else None
            panel.plot(curve.reference_lags, curve.reference_timescales[:, i], "k--", lw=1.0, label=label)
    panel.fill_between(curve.lags, curve.lags, color="0.8", lw=0, label="faster than the lag")
    panel.axvline(curve.lag, color="black", ls=":", lw=1.2, label="lag of the model")
    panel.axhline(curve.length, color="black", ls="--", lw=1.2, label="length of a replica")
    make_log(panel.xaxis)
    make_log(panel.yaxis)
    panel.set_xlabel("lag (ps of CG dynamics)")
    panel.set_ylabel("implied timescale (ps of CG dynamics)")
    panel.set_ylim(bottom=0.5 * np.nanmin(curve.timescales))
    legend_above(panel, n_columns=2, fontsize=8)
