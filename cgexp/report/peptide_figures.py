"""Figures of a peptide from the curves of analysis.peptide: free energy in the plane of the ICs, distributions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from cgexp.report.style import COLOURS, axis_label, panels, styled


@styled
def tica_figure(curve: Mapping[str, Any]) -> Figure:
    """Free energy maps of the reference and of the simulation, same bins and same colours.

    curve: reference, model (if any) [n_bins, n_bins] in kT, NaN where no frame is; edges_ic1, edges_ic2 [n_bins + 1];
    highest: upper end of the colour scale, kT; reference_name; model_outside: fraction of frames beyond the edges.
    """
    titles = {"reference": curve["reference_name"]}
    if "model" in curve:
        titles["model"] = f"simulation ({curve['model_outside']:.1%} of it outside the map)"
    figure, axes = panels(1, len(titles), sharex=True, sharey=True)
    for (name, title), panel in zip(titles.items(), axes, strict=True):
        mesh = panel.pcolormesh(
            curve["edges_ic1"], curve["edges_ic2"], curve[name].T, cmap="viridis", vmin=0.0, vmax=curve["highest"],
            rasterized=True,
        )  # fmt: skip
        panel.set_title(title)
        panel.set_xlabel("IC 1 (TICA units)")
    axes[0].set_ylabel("IC 2 (TICA units)")
    figure.colorbar(mesh, ax=axes, label="free energy (kT)")
    return figure


@styled
def distributions_figure(curves: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Density of every observable, its coordinates pooled: reference, and simulation with one standard error.

    curves: name -> x, reference, and if there is a simulation model, model_sem [n_bins]; label, unit, reference_name.
    """
    n_columns = 3
    figure, axes = panels(-(-len(curves) // n_columns), n_columns)
    for curve, panel in zip(curves.values(), axes, strict=False):
        panel.fill_between(curve["x"], curve["reference"], color="0.85", lw=0)
        panel.plot(curve["x"], curve["reference"], color=COLOURS["reference"], label=curve["reference_name"])
        if "model" in curve:
            panel.plot(curve["x"], curve["model"], color=COLOURS["simulation"], label="simulation ± s.e.m.")
        if "model_sem" in curve:
            low, high = curve["model"] - curve["model_sem"], curve["model"] + curve["model_sem"]
            panel.fill_between(curve["x"], low, high, color=COLOURS["simulation"], alpha=0.3, lw=0)
        panel.set_ylim(bottom=0.0)
        panel.set_xlabel(axis_label(curve["label"], curve["unit"]))
        panel.set_ylabel(axis_label("density", f"1/{curve['unit']}"))
    for panel in axes[len(curves) :]:
        panel.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure
