"""Figures of a peptide: free energies, distributions and contact maps, from the curves of analysis.peptide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cgexp.report.style import COLOURS, axis_label, label_density, panels, share_legend, styled


@styled
def tica_figure(curve: Mapping[str, Any]) -> Figure:
    """Free energy maps of the reference and of the simulation, same bins and same colours, and their difference.

    curve: reference, and if there is a simulation model, difference [n_bins, n_bins] in kT, NaN where no frame is;
    edges_ic1, edges_ic2 [n_bins + 1]; highest: upper end of the colour scale, kT; difference_limit: end of that of the
    difference, kT; reference_name; model_outside: fraction of frames beyond the edges.
    """
    titles = {"reference": curve["reference_name"]}
    if "model" in curve:
        titles["model"] = f"simulation ({curve['model_outside']:.1%} of it outside the map)"
    if "difference" in curve:
        titles["difference"] = "simulation - reference, where both are"
    figure, axes = panels(1, len(titles), sharex=True, sharey=True)
    limit = curve.get("difference_limit", 1.0)
    scales = {"difference": {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}}
    common = {"cmap": "viridis", "vmin": 0.0, "vmax": curve["highest"]}
    for (name, title), panel in zip(titles.items(), axes, strict=True):
        mesh = panel.pcolormesh(
            curve["edges_ic1"], curve["edges_ic2"], curve[name].T, rasterized=True, **scales.get(name, common)
        )
        panel.set_title(title)
        panel.set_xlabel("IC 1 (TICA units)")
        if name == "difference":
            figure.colorbar(mesh, ax=panel, label="difference (kT)")
        elif name == "model" or "model" not in titles:
            figure.colorbar(mesh, ax=axes[: axes.index(panel) + 1], label="free energy (kT)")
    axes[0].set_ylabel("IC 2 (TICA units)")
    return figure


@styled
def free_energy_figure(curves: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Free energies along single coordinates with one standard error, and the simulation's minus the reference's below.

    Open triangles are bounds: the free energy is above it where they point up, below it where they point down.

    curves: name -> x, reference, and if there is a simulation model, difference [n_bins] in kT, each with its _sem,
    _above and _below if there are any; label, unit, reference_name, outside: share of the simulation beyond the bins.
    """
    n_rows = 2 if any("difference" in curve for curve in curves.values()) else 1
    figure, axes = panels(n_rows, len(curves), sharex="col", sharey="row")
    for column, curve in enumerate(curves.values()):
        panel, names = axes[column], {"reference": curve["reference_name"], "model": "simulation"}
        for name in ("reference", "model"):
            if name in curve:
                colour = COLOURS["simulation" if name == "model" else name]
                _band(panel, curve, name, colour, f"{names[name]} ± s.e.m.")
        if curve.get("outside", 0.0) > 0.0:
            panel.set_title(f"{curve['outside']:.1%} of the simulation outside")
        if "difference" in curve:
            panel = axes[len(curves) + column]
            panel.axhline(0.0, color=COLOURS["reference"], lw=1.0)
            _band(panel, curve, "difference", COLOURS["simulation"], "")
        panel.set_xlabel(axis_label(curve["label"], curve["unit"]))
    axes[0].set_ylabel("free energy (kT)")
    if n_rows == 2:
        axes[len(curves)].set_ylabel("simulation - reference (kT)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def _band(panel: Axes, curve: Mapping[str, Any], name: str, colour: str, label: str) -> None:
    x, sem, above = curve["x"], curve.get(f"{name}_sem"), curve.get(f"{name}_above")
    y = curve[name] if above is None else np.where(np.isnan(above), curve[name], np.nan)
    panel.plot(x, y, ".-", ms=3, color=colour, label=label)  # dots: a bin between empty ones has no line
    if sem is not None:
        panel.fill_between(x, y - sem, y + sem, color=colour, alpha=0.25, lw=0)
    for ending, marker in (("_above", "^"), ("_below", "v")):
        if name + ending in curve:
            panel.plot(x, curve[name + ending], marker, ms=4, mfc="none", color=colour)


@styled
def distributions_figure(curves: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Density of every observable, its coordinates pooled: reference and simulation with one standard error.

    curves: name -> x, reference, and if there is a simulation model [n_bins], each with its _sem if there is one;
    label, unit, reference_name.
    """
    n_columns = 3
    figure, axes = panels(-(-len(curves) // n_columns), n_columns)
    for curve, panel in zip(curves.values(), axes, strict=False):
        panel.fill_between(curve["x"], curve["reference"], color="0.85", lw=0)
        for name, text in {"reference": curve["reference_name"], "model": "simulation"}.items():
            colour, sem = COLOURS["simulation" if name == "model" else name], curve.get(f"{name}_sem")
            if name in curve:
                text = text if sem is None else f"{text} ± s.e.m."
                panel.plot(curve["x"], curve[name], color=colour, label=text)
            if sem is not None:
                panel.fill_between(curve["x"], curve[name] - sem, curve[name] + sem, color=colour, alpha=0.3, lw=0)
        label_density(panel, curve)
    share_legend(figure, axes, len(curves), 2)
    return figure


@styled
def contacts_figure(curve: Mapping[str, Any]) -> Figure:
    """Probability of every contact, and how much more often the simulation has it.

    curve: reference, and if there is a simulation model, difference [n_residues, n_residues], NaN for neighbours along
    the chain; labels [n_residues]; cutoff, Å; reference_name.
    """
    titles = {"reference": curve["reference_name"], "model": "simulation", "difference": "simulation - reference"}
    shown = [name for name in titles if name in curve]
    figure, axes = panels(1, len(shown))
    ticks = range(len(curve["labels"]))
    for name, panel in zip(shown, axes, strict=True):
        signed = name == "difference"
        image = panel.imshow(
            curve[name], origin="lower", cmap="RdBu_r" if signed else "viridis", vmin=-1.0 if signed else 0.0, vmax=1.0
        )
        panel.set_title(titles[name])
        panel.set_xticks(ticks, curve["labels"], rotation=90, fontsize=8)
        panel.set_yticks(ticks, curve["labels"], fontsize=8)
        panel.set_xlabel("residue (C-alpha)")
        panel.set_ylabel("residue (C-alpha)")
        within = f"within {curve['cutoff']:g} Å"
        figure.colorbar(image, ax=panel, label=f"difference ({within})" if signed else f"probability ({within})")
    return figure
