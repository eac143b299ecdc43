"""Figures of toys from the curves of analysis.toy and analysis.plane: potential of mean force, force, residuals."""

from __future__ import annotations

from matplotlib.figure import Figure

from cgexp.analysis.curves import ForceCurve, PlaneMaps, Pmf, Residuals
from cgexp.report.style import COLOURS, PANEL, axis_label, panels, styled

X_LABEL = axis_label("x", "length")
FORCE_LABEL = axis_label("force", "kT/length")


@styled
def pmf_figure(curve: Pmf) -> Figure:
    """Potential of mean force: exact, from the model, and from its simulation with error bars (one standard error)."""
    figure, (axes,) = panels(1, 1)
    axes.plot(curve.x, curve.exact, color=COLOURS["exact"], label="exact")
    name = "model" if curve.conservative else "model (integrated force)"
    axes.plot(curve.x, curve.model, "--", color=COLOURS["model"], label=name)
    if curve.bin_x is not None and curve.simulation is not None:
        axes.errorbar(
            curve.bin_x, curve.simulation, curve.simulation_sem, fmt=".", ms=4, lw=1.0, color=COLOURS["simulation"],
            label="simulation ± s.e.m.",
        )  # fmt: skip
    axes.set_xlabel(X_LABEL)
    axes.set_ylabel(axis_label("PMF", "kT, mean over the grid 0"))
    axes.legend()
    return figure


@styled
def force_figure(curve: ForceCurve) -> Figure:
    """Mean force: exact and predicted, over the instantaneous forces of the data if they have any."""
    figure, (axes,) = panels(1, 1)
    figure.set_figwidth(2 * PANEL[0])  # a fine ripple needs room
    if curve.data_x is not None and curve.data is not None:
        axes.plot(
            curve.data_x, curve.data, ".", ms=2, color=COLOURS["data"], alpha=0.5, mew=0, label="data",
            rasterized=True,
        )  # fmt: skip
    axes.plot(curve.x, curve.exact, color=COLOURS["exact"], label="exact mean force")
    axes.plot(curve.x, curve.model, "--", color=COLOURS["model"], label="model")
    axes.set_xlabel(X_LABEL)
    axes.set_ylabel(FORCE_LABEL)
    axes.legend(markerscale=4)
    return figure


@styled
def residuals_figure(curve: Residuals) -> Figure:
    """Predicted against exact mean force on the grid, and their difference along x."""
    figure, (left, right) = panels(1, 2)
    left.axline((0.0, 0.0), slope=1.0, color=COLOURS["exact"], lw=1.0, label="equal")
    left.plot(curve.exact, curve.model, ".", ms=4, color=COLOURS["model"], label="grid points", rasterized=True)
    left.set_xlabel(axis_label("exact mean force", "kT/length"))
    left.set_ylabel(axis_label("predicted force", "kT/length"))
    left.legend()
    right.axhline(0.0, color=COLOURS["exact"], lw=1.0)
    right.plot(curve.x, curve.residual, color=COLOURS["model"])
    right.set_xlabel(X_LABEL)
    right.set_ylabel(axis_label("predicted - exact force", "kT/length"))
    return figure


@styled
def plane_figure(curve: PlaneMaps) -> Figure:
    """Maps over the plane: the exact potential, how far the model's force is off, and its curl.

    The curl's colour scale is symmetric about zero.
    """
    figure, axes = panels(1, 3, sharex=True, sharey=True)
    filled = axes[0].contourf(curve.x, curve.y, curve.energy.T, levels=20, cmap="viridis")
    limit = curve.curl_limit
    grids = [
        axes[1].pcolormesh(curve.x, curve.y, curve.error.T, cmap="magma", vmin=0.0, rasterized=True),
        axes[2].pcolormesh(curve.x, curve.y, curve.curl.T, cmap="RdBu_r", vmin=-limit, vmax=limit, rasterized=True),
    ]
    names = (("exact potential", "kT"), ("|model - exact force|", "kT/length"), ("curl of the model", "kT/length²"))
    for panel, mesh, (name, unit) in zip(axes, [filled, *grids], names, strict=True):
        figure.colorbar(mesh, ax=panel, label=axis_label(name, unit))
        panel.set_xlabel(axis_label("x", "length"))
        panel.set_ylabel(axis_label("y", "length"))
        panel.set_aspect("equal")
    return figure
