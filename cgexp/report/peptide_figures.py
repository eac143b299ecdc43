"""Figures of a peptide: free energies, distributions and contact maps, from the curves of analysis.peptide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.analysis.curves import ContactMap, Distribution, FreeEnergy, TicaMaps
from cgexp.report.style import COLOURS, axis_label, label_density, panels, share_legend, styled

DIFFERENCE = "simulation - reference"
MOST_TICKS = 32  # residues of a longer chain are named every second, third, ...
Array = NDArray[np.float64]


@styled
def tica_figure(curve: TicaMaps) -> Figure:
    """Free energy maps of the reference and of the simulation, same bins and same colours, and their difference."""
    maps = [(curve.reference_name, curve.reference)]
    if curve.model is not None:
        maps.append((f"simulation ({curve.model_outside:.1%} of it outside the map)", curve.model))
    n_maps = len(maps)
    edges = curve.edges_ic1, curve.edges_ic2
    figure, axes = panels(1, n_maps + (curve.difference is not None), sharex=True, sharey=True)
    for (title, energy), panel in zip(maps, axes, strict=False):
        mesh = panel.pcolormesh(*edges, energy.T, rasterized=True, cmap="viridis", vmin=0.0, vmax=curve.highest)
        panel.set_title(title)
    figure.colorbar(mesh, ax=axes[:n_maps], label="free energy (kT)")
    if curve.difference is not None:
        limit, panel = curve.difference_limit or 1.0, axes[n_maps]
        mesh = panel.pcolormesh(*edges, curve.difference.T, rasterized=True, cmap="RdBu_r", vmin=-limit, vmax=limit)
        panel.set_title("simulation - reference, where both are")
        figure.colorbar(mesh, ax=panel, label="difference (kT)")
    for panel in axes:
        panel.set_xlabel("IC 1 (TICA units)")
    axes[0].set_ylabel("IC 2 (TICA units)")
    return figure


@styled
def free_energy_figure(curves: Mapping[str, FreeEnergy]) -> Figure:
    """Free energies along single coordinates with one standard error, and the simulation's minus the reference's below.

    Open triangles are bounds: the free energy is above it where they point up, below it where they point down.
    curves: a panel for each coordinate.
    """
    n_rows = 2 if any(curve.difference is not None for curve in curves.values()) else 1
    figure, axes = panels(n_rows, len(curves), sharex="col", sharey="row")
    for column, curve in enumerate(curves.values()):
        panel = axes[column]
        _draw_band(panel, curve, "reference", "reference", f"{curve.reference_name} ± s.e.m.")
        _draw_band(panel, curve, "model", "simulation", "simulation ± s.e.m.")
        if curve.outside > 0.0:
            panel.set_title(f"{curve.outside:.1%} of the simulation outside")
        if curve.difference is not None:
            panel = axes[len(curves) + column]
            panel.axhline(0.0, color=COLOURS["reference"], lw=1.0)
            _draw_band(panel, curve, "difference", "simulation", "")
        panel.set_xlabel(axis_label(curve.label, curve.unit))
    axes[0].set_ylabel("free energy (kT)")
    if n_rows == 2:
        axes[len(curves)].set_ylabel("simulation - reference (kT)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def _draw_band(
    panel: Axes, curve: FreeEnergy, name: Literal["reference", "model", "difference"], style: str, label: str
) -> None:
    """One of the three with its error and its bounds; nothing where there is no simulation. style: of COLOURS."""
    band, x, colour = curve.band(name), curve.x, COLOURS[style]
    if band is None:
        return
    y = band.values if band.above is None else np.where(np.isnan(band.above), band.values, np.nan)
    panel.plot(x, y, ".-", ms=3, color=colour, label=label)  # dots: a bin between empty ones has no line
    if band.sem is not None:
        panel.fill_between(x, y - band.sem, y + band.sem, color=colour, alpha=0.25, lw=0)
    for bound, marker in ((band.above, "^"), (band.below, "v")):
        if bound is not None:
            panel.plot(x, bound, marker, ms=4, mfc="none", color=colour)


@styled
def distributions_figure(curves: Mapping[str, Distribution]) -> Figure:
    """Density of every observable, its coordinates pooled: reference and simulation with one standard error."""
    n_columns = 3
    figure, axes = panels(-(-len(curves) // n_columns), n_columns)
    for curve, panel in zip(curves.values(), axes, strict=False):
        panel.fill_between(curve.x, curve.reference, color="0.85", lw=0)
        _draw_density(panel, curve, curve.reference, curve.reference_sem, "reference", curve.reference_name)
        if curve.model is not None:
            _draw_density(panel, curve, curve.model, curve.model_sem, "simulation", "simulation")
        label_density(panel, curve.label, curve.unit)
    share_legend(figure, axes, len(curves), 2)
    return figure


def _draw_density(panel: Axes, curve: Distribution, density: Array, sem: Array | None, style: str, label: str) -> None:
    panel.plot(curve.x, density, color=COLOURS[style], label=label if sem is None else f"{label} ± s.e.m.")
    if sem is not None:
        panel.fill_between(curve.x, density - sem, density + sem, color=COLOURS[style], alpha=0.3, lw=0)


@styled
def contacts_figure(curve: ContactMap) -> Figure:
    """Probability of every contact, and how much more often the simulation has it, its colours up to the largest."""
    maps = [(curve.reference_name, curve.reference), ("simulation", curve.model), (DIFFERENCE, curve.difference)]
    shown = [(title, values) for title, values in maps if values is not None]
    figure, axes = panels(1, len(shown))
    step = -(-len(curve.labels) // MOST_TICKS)
    ticks, labels = range(0, len(curve.labels), step), curve.labels[::step]
    for (title, values), panel in zip(shown, axes, strict=True):
        signed = title == DIFFERENCE
        largest = max(float(np.nanmax(np.abs(values))), 0.1) if signed else 1.0
        image = panel.imshow(
            values,
            origin="lower",
            cmap="RdBu_r" if signed else "viridis",
            vmin=-largest if signed else 0.0,
            vmax=largest,
        )
        panel.set_title(title)
        panel.set_xticks(ticks, labels, rotation=90, fontsize=8)
        panel.set_yticks(ticks, labels, fontsize=8)
        panel.set_xlabel(curve.of)
        panel.set_ylabel(curve.of)
        within = f"within {curve.cutoff:g} Å"
        figure.colorbar(image, ax=panel, label=f"difference ({within})" if signed else f"probability ({within})")
    return figure
