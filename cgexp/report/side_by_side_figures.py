"""Figures of several models beside one reference, for the experiments; they draw numbers and compute nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.report.style import COLOURS, SERIES, axis_label, legend_columns, panels, show_break, styled

Array = NDArray[np.float64]
CHAIN = "viridis"  # of beads along a chain, first to last


@dataclass(frozen=True)
class Landscapes:
    """Free energies in the plane of the ICs. edges: [n_bins + 1], TICA units. highest: of all maps, kT.

    maps: label -> [n_bins, n_bins] in kT, its minimum at zero, NaN where no frame is; the first is the reference.
    """

    edges_ic1: Array
    edges_ic2: Array
    maps: Mapping[str, Array]
    highest: float


@styled
def landscapes_figure(curve: Landscapes) -> Figure:
    """Free energies in the plane of the ICs, a panel for each label, with one scale of colours."""
    figure, axes = panels(1, len(curve.maps), sharex=True, sharey=True)
    edges = curve.edges_ic1, curve.edges_ic2
    for (label, energy), panel in zip(curve.maps.items(), axes, strict=True):
        mesh = panel.pcolormesh(*edges, energy.T, cmap="viridis", vmin=0.0, vmax=curve.highest, rasterized=True)
        panel.set(title=label, xlabel="IC 1 (TICA units)")
    axes[0].set_ylabel("IC 2 (TICA units)")
    figure.colorbar(mesh, ax=axes, label="free energy (kT)")
    return figure


@dataclass(frozen=True)
class Lines:
    """Curves along one coordinate x [n_bins], of which ``label`` and ``unit`` are.

    curves: label -> (values, error), [n_bins]; the first is the reference.
    """

    x: Array
    label: str
    unit: str
    curves: Mapping[str, tuple[Array, Array]]


@styled
def lines_figure(curves: Mapping[str, Lines], quantity: str, unit: str, note: str) -> Figure:
    """A panel for each coordinate with one curve for each label and a band for its error.

    quantity, unit: of values; an empty unit stands for 1 / that of the coordinate. note: what the bands are.
    """
    figure, axes = panels(1, len(curves), sharey="row" if unit else False)
    lowest = min(float(np.nanmin(values)) for curve in curves.values() for values, _ in curve.curves.values())
    for curve, panel in zip(curves.values(), axes, strict=True):
        for i, (label, (values, error)) in enumerate(curve.curves.items()):
            colour = COLOURS["reference"] if i == 0 else SERIES[i - 1]
            panel.plot(curve.x, values, ".-", ms=3, lw=1.6, color=colour, label=label)
            panel.fill_between(curve.x, values - error, values + error, color=colour, alpha=0.2, lw=0)
        panel.set_xlabel(axis_label(curve.label, curve.unit))
        if not unit or panel is axes[0]:
            panel.set_ylabel(axis_label(quantity, unit or f"1/{curve.unit}"))
        # panels may share the axis, so that what one sets is the others', too
        panel.set_ylim(bottom=min(0.0, lowest))
    handles, labels = axes[0].get_legend_handles_labels()
    n_columns = legend_columns(figure, labels)
    figure.legend(handles, labels, loc="outside upper center", ncols=n_columns, title=note, title_fontsize=9)
    return figure


@styled
def structures_figure(native: Array, found: Mapping[str, Mapping[str, tuple[Array, float]]]) -> Figure:
    """Medoids: a row for each ensemble, a column for each basin, the native structure grey behind; share above.

    native: [n_residues, 3], Å. found: label -> basin -> (C-alpha coordinates superposed on it, share of the basin).
    """
    basins = list(dict.fromkeys(basin for medoids in found.values() for basin in medoids))
    figure, axes = panels(len(found), len(basins), sharex=True, sharey=True)
    figure.set_size_inches(2.6 * len(basins), 2.1 * len(found))
    for row, (label, medoids) in enumerate(found.items()):
        for column, basin in enumerate(basins):
            panel = axes[row * len(basins) + column]
            panel.set(aspect="equal", xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
            if row == 0:
                panel.set_title(basin)
            if column == 0:
                panel.set_ylabel(label)
            panel.plot(native[:, 0], native[:, 1], "-", color="0.85", lw=4.0)
            if basin not in medoids:
                panel.text(0.5, 0.5, "not visited", ha="center", va="center", transform=panel.transAxes)
                continue
            coords, share = medoids[basin]
            _chain(panel, coords)
            panel.text(0.02, 0.98, f"{share:.1%}", ha="left", va="top", transform=panel.transAxes, fontsize=9)
    return figure


@styled
def cross_validation_figure(found: Mapping[str, Mapping[str, Array]], unit: str) -> Figure:
    """A panel for each hyper-parameter: loss less that of the chosen setting, mean with standard error, every fold.

    found: hyper-parameter -> setting -> [n_folds]. unit: of the loss.
    """
    figure, axes = panels(1, len(found), width_ratios=[len(variants) + 1 for variants in found.values()])
    figure.set_size_inches(sum(0.75 * len(variants) + 1.2 for variants in found.values()), 3.6)
    for (name, variants), panel in zip(found.items(), axes, strict=True):
        panel.axhline(0.0, color="0.6", lw=1.0)
        for place, values in enumerate(variants.values()):
            panel.plot(np.full(len(values), place + 0.2), values, "o", ms=3, color=COLOURS["data"])
            sem = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
            panel.errorbar(place, values.mean(), sem, fmt="o", color=COLOURS["model"])
        panel.set_xticks(range(len(variants)), list(variants))
        panel.set_xlabel(name)
    axes[0].set_ylabel(axis_label("held-out loss − best", unit))
    return figure


@styled
def learning_figure(
    curves: Mapping[str, tuple[Array, Array]], quantity: str, unit: str, levels: Mapping[str, float]
) -> Figure:
    """A quantity against the number of training frames, a line through the means and a point for each run.

    curves: label -> (n_frames [n_sizes], values [n_sizes, n_runs]). levels: what dashed lines stand for, and where.
    """
    figure, (axes,) = panels(1, 1)
    for (label, (sizes, values)), colour in zip(curves.items(), SERIES, strict=False):
        axes.plot(sizes, values.mean(axis=1), "-", color=colour, label=label)
        axes.plot(np.repeat(sizes, values.shape[1]), values.ravel(), "o", ms=3.5, color=colour)
    for (label, level), style in zip(levels.items(), ("--", ":", "-."), strict=False):
        axes.axhline(level, ls=style, color=COLOURS["reference"], lw=1.0, label=label)
    axes.set(xscale="log", xlabel="training frames", ylabel=axis_label(quantity, unit))
    show_break(axes)
    axes.legend()
    return figure


@styled
def points_figure(
    groups: Mapping[str, Mapping[str, Sequence[float]]],
    quantity: str,
    unit: str,
    level: tuple[str, float] | None = None,
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] | None = None,
) -> Figure:
    """Values of runs as points with a line at their mean: groups along the axis, a colour for each label in them.

    groups: group -> label -> values. level: what a dashed line stands for, and where. intervals: group -> label -> ends
    of the mean's.
    """
    labels = list(dict.fromkeys(label for values in groups.values() for label in values))
    figure, (axes,) = panels(1, 1)
    columns = sum(len(values) for values in groups.values())
    figure.set_size_inches(min(12.0, max(5.0, 1.0 + 0.45 * columns, 1.0 + 1.2 * len(groups))), 3.6)
    width = 0.8 / len(labels)
    for i, label in enumerate(labels):
        for place, (group, values) in enumerate(groups.items()):
            if label in values:
                at = place + (i - 0.5 * (len(labels) - 1)) * width
                shown = label if place == [label in one for one in groups.values()].index(True) else None
                colour = SERIES[i % len(SERIES)]
                ends = at - 0.4 * width, at + 0.4 * width
                axes.hlines(np.mean(values[label]), *ends, color=colour, lw=2.5, alpha=0.5, label=shown or "")
                axes.plot(np.full(len(values[label]), at), values[label], "o", ms=3.5, color=colour)
                if intervals is not None:
                    axes.vlines(at, *intervals[group][label], color="0.2", lw=1.5, zorder=3)
    if level is not None:
        axes.axhline(level[1], ls="--", color=COLOURS["reference"], lw=1.0, label=level[0])
    axes.set_xticks(range(len(groups)), list(groups))
    axes.set_ylabel(axis_label(quantity, unit))
    show_break(axes)
    entries = labels if level is None else [*labels, level[0]]
    figure.legend(loc="outside upper center", ncols=min(4, legend_columns(figure, entries)))
    return figure


def _chain(panel: Axes, coords: Array) -> None:
    """A chain seen along z: nearer bonds drawn over farther ones, beads coloured along the chain."""
    for i in np.argsort(coords[:-1, 2] + coords[1:, 2]):
        panel.plot(coords[i : i + 2, 0], coords[i : i + 2, 1], "-", color="0.35", lw=1.8, zorder=2)
    order = np.argsort(coords[:, 2])
    panel.scatter(
        coords[order, 0], coords[order, 1], c=order, cmap=CHAIN, vmin=0, vmax=len(coords) - 1, s=34, zorder=3,
        edgecolors="0.2", linewidths=0.5,
    )  # fmt: skip
