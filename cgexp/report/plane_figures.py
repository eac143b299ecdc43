"""Figures of a toy in the plane from the curves of analysis.plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from cgexp.report.style import axis_label, panels, styled


@styled
def plane_figure(curve: Mapping[str, Any]) -> Figure:
    """Maps over the plane: the exact potential, how far the model's force is off, and its curl.

    curve: x [n], y [n], length; energy (kT), error (kT/length), curl (kT/length^2) [n, n], the first index that of x;
    curl_limit: end of the curl's colour scale, which is symmetric about zero.
    """
    figure, axes = panels(1, 3, sharex=True, sharey=True)
    filled = axes[0].contourf(curve["x"], curve["y"], curve["energy"].T, levels=20, cmap="viridis")
    limit = curve["curl_limit"]
    grids = [
        axes[1].pcolormesh(curve["x"], curve["y"], curve["error"].T, cmap="magma", vmin=0.0, rasterized=True),
        axes[2].pcolormesh(
            curve["x"], curve["y"], curve["curl"].T, cmap="RdBu_r", vmin=-limit, vmax=limit, rasterized=True
        ),
    ]
    names = (("exact potential", "kT"), ("|model - exact force|", "kT/length"), ("curl of the model", "kT/length²"))
    for panel, mesh, (name, unit) in zip(axes, [filled, *grids], names, strict=True):
        figure.colorbar(mesh, ax=panel, label=axis_label(name, unit))
        panel.set_xlabel(axis_label("x", "length"))
        panel.set_ylabel(axis_label("y", "length"))
        panel.set_aspect("equal")
    return figure
