"""Figures of active learning on a peptide: the ensemble before and after, and how simulations go with their time."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cgexp.report.active_figures import ARM_COLOURS
from cgexp.report.style import COLOURS, axis_label, panels, styled

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
        panel.set_ylim(bottom=0.0)
        panel.set_xlabel(axis_label(curve["label"], curve["unit"]))
        panel.set_ylabel(axis_label("density", f"1/{curve['unit']}"))
    for panel in axes[len(curves) :]:
        panel.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
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
