"""Figures of active learning: what changed from round to round, new frames, ensembles before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cgexp.report.style import COLOURS, axis_label, label_density, panels, share_legend, styled

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


BEFORE = (0, (2, 1.5))  # dashes


@styled
def tica_maps_figure(curve: Mapping[str, Any]) -> Figure:
    """Free energies in the plane of the ICs: the reference, the first model and the last one; a row for each arm.

    Initial frames are drawn on the first model's map, added ones on the last one's.

    curve: edges_ic1, edges_ic2 [n_bins + 1]; reference [n_bins, n_bins] in kT; highest: end of the colour scale, kT;
    reference_name; arms: label -> before, after [n_bins, n_bins], initial [n, 2], added [m, 2].
    """
    arms = curve["arms"]
    figure, axes = panels(len(arms), 3, sharex=True, sharey=True)
    edges_1, edges_2 = curve["edges_ic1"], curve["edges_ic2"]
    for row, (label, arm) in enumerate(arms.items()):
        maps = {curve["reference_name"]: curve["reference"], "before": arm["before"], "after": arm["after"]}
        for panel, (name, energy) in zip(axes[3 * row : 3 * row + 3], maps.items(), strict=True):
            mesh = panel.pcolormesh(
                edges_1, edges_2, energy.T, cmap="viridis", vmin=0.0, vmax=curve["highest"], rasterized=True
            )
            panel.set_title(f"{label}: {name}" if label and name in ("before", "after") else name)
            if row == len(arms) - 1:
                panel.set_xlabel("IC 1 (TICA units)")
        axes[3 * row].set_ylabel("IC 2 (TICA units)")
        axes[3 * row + 1].plot(*arm["initial"].T, ".", ms=1.5, color="0.35", rasterized=True, label="initial data")
        axes[3 * row + 2].plot(*arm["added"].T, "x", ms=4.0, mew=1.0, color=COLOURS["simulation"], label="frames added")
    axes[0].set_xlim(edges_1[0], edges_1[-1])
    axes[0].set_ylim(edges_2[0], edges_2[-1])
    figure.colorbar(mesh, ax=axes, label="free energy (kT)")
    handles = [line for panel in axes[1:3] for line in panel.get_lines()]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, markerscale=2)
    return figure


@styled
def before_after_figure(curves: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Density of every observable: reference, first model, and the last one of each arm.

    curves: name -> x, reference, before [n_bins]; after: label -> [n_bins]; label, unit, reference_name.
    """
    n_columns = 3
    figure, axes = panels(-(-len(curves) // n_columns), n_columns)
    for curve, panel in zip(curves.values(), axes, strict=False):
        panel.fill_between(curve["x"], curve["reference"], color="0.85", lw=0, label=curve["reference_name"])
        panel.plot(curve["x"], curve["before"], ls=BEFORE, color="black", label="before")
        for colour, (label, density) in zip(cycle(ARM_COLOURS), curve["after"].items(), strict=False):
            panel.plot(curve["x"], density, color=colour, lw=1.2, label=f"after: {label}" if label else "after")
        label_density(panel, curve)
    share_legend(figure, axes, len(curves), 3)
    return figure


@styled
def course_figure(curve: Mapping[str, Any]) -> Figure:
    """How far simulations are from the reference, how many failed, and their energy, against their time.

    curve: time [n_windows], time_unit, energy_unit; before, after: label -> w1, failed, energy, each a value
    [n_windows] and its interval's ends or None. Dashes: the first model.
    """
    names = {
        "w1": "sliced W1 (TICA units)",
        "failed": "failed replicas",
        "energy": f"energy - initial data's ({curve['energy_unit']})",
    }
    figure, axes = panels(1, len(names), sharex=True)
    for panel, (name, title) in zip(axes, names.items(), strict=True):
        for end, style in (("before", BEFORE), ("after", "-")):
            for colour, (label, values) in zip(cycle(ARM_COLOURS), curve[end].items(), strict=False):
                value, low, high = values[name]
                text = end if not label else f"{label}: after" if end == "after" else None
                panel.plot(curve["time"], value, ls=style, color=colour, lw=1.2, clip_on=False, label=text)
                if low is not None and end == "after":
                    panel.fill_between(curve["time"], low, high, color=colour, alpha=0.15, lw=0)
        if name != "energy":
            panel.set_ylim(bottom=0.0, top=max(1.0, panel.get_ylim()[1]))
        panel.set_xlabel(axis_label("simulation time", curve["time_unit"]))
        panel.set_ylabel(title)
    handles, labels = axes[0].get_legend_handles_labels()
    if len(labels) == len(curve["after"]):  # arms have names
        handles, labels = [*handles, Line2D([], [], color="black", ls=BEFORE, lw=1.2)], [*labels, "before"]
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure
