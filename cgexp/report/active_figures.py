"""Figures of active learning: what changed from round to round, arm by arm, and where the new frames lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cgexp.report.style import COLOURS, axis_label, panels, styled

ARM_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "0.5", "black")
N_COLUMNS = 3


@styled
def rounds_figure(curves: Sequence[Mapping[str, Any]]) -> Figure:
    """One panel for each quantity against the round.

    curves: each name, unit, log (bool), resolution (a level below which nothing can be told, or None), and arms:
    label -> (value [n_rounds], low, high), the interval None or [n_rounds] each.
    """
    n_columns = min(N_COLUMNS, len(curves))
    figure, axes = panels(-(-len(curves) // n_columns), n_columns)
    for place, curve in zip(axes, curves, strict=False):
        for colour, (label, (value, low, high)) in zip(cycle(ARM_COLOURS), curve["arms"].items(), strict=False):
            rounds = range(len(value))
            place.plot(rounds, value, "o-", ms=4, color=colour, label=label if len(curve["arms"]) > 1 else None)
            if low is not None:
                place.fill_between(rounds, low, high, color=colour, alpha=0.2, lw=0)
        if curve["resolution"] is not None:
            place.axhline(curve["resolution"], color=COLOURS["reference"], lw=1.0, ls=":", label="resolution")
        if curve["log"]:
            place.set_yscale("log")
        else:
            _from_zero(place)
        place.xaxis.set_major_locator(MaxNLocator(integer=True))
        place.set_xlabel("round")
        place.set_ylabel(axis_label(curve["name"], curve["unit"]))
    for place in axes[len(curves) :]:
        place.set_axis_off()
    named = {label: handle for place in axes for handle, label in zip(*place.get_legend_handles_labels(), strict=True)}
    if named:
        figure.legend(list(named.values()), list(named), loc="outside upper center", ncols=min(3, len(named)))
    return figure


def _from_zero(panel: Axes) -> None:
    """Let the axis begin at zero, unless that would press all values into its upper half."""
    low, high = panel.dataLim.intervaly
    if low < 0.5 * high:
        panel.set_ylim(0.0, 1.05 * high)


@styled
def pmf_rounds_figure(curve: Mapping[str, Any]) -> Figure:
    """The PMF of a toy before and after, over the frames of the data set; a panel for each arm.

    The curves are to agree on average where the first frames lie.

    curve: x, exact [n_grid], kT; n_rounds; initial_x [n], of the first frames; and arms: label -> before, after
    [n_grid], kT, and added_x, added_round [n_added].
    """
    arms = curve["arms"]
    figure, axes = panels(1, len(arms), sharey=True)
    colours = BoundaryNorm([number - 0.5 for number in range(max(2, curve["n_rounds"]) + 1)], 256)
    low, high = min(curve["exact"]), max(curve["exact"])
    height = high - low
    for place, (label, arm) in zip(axes, arms.items(), strict=True):
        place.plot(curve["x"], curve["exact"], color=COLOURS["exact"], label="exact")
        place.plot(curve["x"], arm["before"], ":", color=COLOURS["simulation"], label="before")
        place.plot(curve["x"], arm["after"], "--", color=COLOURS["model"], label="after")
        rows = [("data", curve["initial_x"], None), ("added", arm["added_x"], arm["added_round"])]
        for row, (_, x, rounds) in enumerate(rows):
            y = [low - (0.12 + 0.1 * row) * height] * len(x)
            if rounds is None:
                place.plot(x, y, "|", ms=6, color=COLOURS["data"], alpha=0.3, rasterized=True)
            else:
                place.scatter(x, y, c=rounds, norm=colours, marker="|", s=40, lw=1.0)
        place.set_xlim(min(curve["x"]), max(curve["x"]))
        place.set_ylim(low - 0.3 * height, high + 0.6 * height)
        place.set_xlabel(axis_label("x", "length"))
        if len(arms) > 1:
            place.set_title(label)
    axes[0].set_ylabel(axis_label("PMF", "kT"))
    axes[0].legend(loc="upper center")
    bar = figure.colorbar(ScalarMappable(colours), ax=axes, label="round that added a frame", pad=0.02)
    bar.set_ticks(range(curve["n_rounds"]))
    return figure
