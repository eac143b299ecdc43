"""The four panels of Fig. 3 of CGnet 2019: potential, PMF, forces, free energies."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cgexp.report.style import COLOURS, axis_label, panels, styled
from cgexp.studies.results import Results
from cgexp.systems.cgnet_toy import CGnetToy

from .curves import PLOTTED, Values, X, normalised
from .findings import LABELS, MODELS, Numbers
from .leaks import EDGES

N_DOTS = 600
X_LABEL = axis_label("x", "length")


def dots(results: Results) -> Values:
    """Instantaneous forces of the first seed's data: rows x and force, [2, n]."""

    def make() -> dict[str, Values]:
        frames = results.runs("cgnet")[0].frames
        assert frames.forces is not None
        return {"dots": np.stack([frames.coords[:N_DOTS, 0, 0], frames.forces[:N_DOTS, 0, 0]])}

    return results.cached("dots", make)["dots"]


@styled
def draw(found: Numbers, data: Values) -> Figure:
    """Fig. 3 from our runs with 100,000 frames. data: instantaneous forces as ``dots`` returns them."""
    figure, (potential, pmf, force, free_energy) = panels(2, 2)
    figure.set_size_inches(9.0, 6.7)
    _potential(figure, potential)
    pmf.plot(X, found.exact.pmf - found.exact.pmf.min(), color=COLOURS["exact"], label="exact")
    pmf.set(xlim=(-5.0, 5.5), ylim=(-0.3, 8.0), xlabel=X_LABEL, ylabel=axis_label("PMF", "kT, minimum 0"))
    pmf.legend(loc="upper center")
    _forces(force, found, data)
    _free_energies(free_energy, found)
    for axes in (force, free_energy):
        axes.set_xticks(np.arange(PLOTTED[0], PLOTTED[1] + 1.0, 4.0))
    for letter, axes in zip("abcd", (potential, pmf, force, free_energy), strict=True):
        axes.set_title(letter, loc="left", fontweight="bold")
    return figure


def _potential(figure: Figure, axes: Axes) -> None:
    x, y = np.linspace(-5.0, 5.5, 211), np.linspace(-10.0, 10.0, 401)
    energy = CGnetToy().energy(np.stack(np.meshgrid(x, y, indexing="xy"), axis=-1))
    filled = axes.contourf(x, y, energy - energy.min(), levels=np.arange(0.0, 11.0, 1.0), cmap="viridis", extend="max")
    filled.set_rasterized(True)
    figure.colorbar(filled, ax=axes, label=axis_label("V", "kT, minimum 0"))
    axes.set(xlabel=X_LABEL, ylabel=axis_label("y", "length"))


def _forces(axes: Axes, found: Numbers, data: Values) -> None:
    axes.plot(*data, ".", ms=2, color=COLOURS["data"], alpha=0.5, mew=0, label="instantaneous", rasterized=True)
    axes.plot(X, found.exact.force, color=COLOURS["exact"], lw=3.0, label="exact mean force")
    for name in MODELS:
        _band(axes, X, found.curves[name].force, name, "--" if name == "feature_regression" else "-")
    axes.set(xlim=PLOTTED, ylim=(-15.0, 15.0), xlabel=X_LABEL, ylabel=axis_label("force", "kT/length"))
    axes.legend(loc="upper right", markerscale=4)


def _free_energies(axes: Axes, found: Numbers) -> None:
    inset = axes.inset_axes((0.28, 0.52, 0.44, 0.46))
    exact, middle = normalised(found.exact.pmf), 0.5 * (EDGES[1:] + EDGES[:-1])
    for where in (axes, inset):
        where.plot(X, exact - exact.min(), color=COLOURS["exact"], lw=3.0, label="exact")
        for i, name in enumerate(MODELS):
            line = "--" if name == "feature_regression" else "-"
            _band(where, X, normalised(found.curves[name].energy) - exact.min(), name, line)
            pmf = (found.simulated[name].pmf - exact.min())[:, i :: len(MODELS)]  # every third bin, or dots hide dots
            visited = np.isfinite(pmf).all(axis=0)
            mean, spread = pmf[:, visited].mean(axis=0), pmf[:, visited].std(axis=0, ddof=1)
            x = middle[i :: len(MODELS)][visited]
            where.errorbar(x, mean, spread, fmt="o", ms=4, lw=1.0, mec="white", mew=0.4, color=COLOURS[name], zorder=4)
    axes.plot([], [], "o", ms=4, color="0.3", label="simulation")
    axes.set(xlim=PLOTTED, ylim=(-1.0, 36.0), xlabel=X_LABEL, ylabel=axis_label("free energy", "kT, exact minimum 0"))
    inset.set(xlim=(-4.2, 4.7), ylim=(-0.3, 3.5))
    inset.tick_params(labelsize=8)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)


def _band(axes: Axes, x: Values, curves: Values, name: str, line: str) -> None:
    """Mean over seeds, and a band of one standard deviation."""
    mean, spread = curves.mean(axis=0), curves.std(axis=0, ddof=1)
    axes.plot(x, mean, line, color=COLOURS[name], label=LABELS[name])
    axes.fill_between(x, mean - spread, mean + spread, color=COLOURS[name], alpha=0.3, lw=0)
