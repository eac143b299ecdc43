"""Figures of what happens before the simulation: the losses of the training, and the fit of the prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cgexp.curves import Curve
from cgexp.report.style import COLOURS, axis_label, legend_above, make_log, panels, styled

if TYPE_CHECKING:
    from cgexp.priors.term import PriorFit

Array = NDArray[np.float64]
LEVEL_REACH = 2.0  # a level is drawn that is at most so many ranges of the curves away from them


@dataclass(frozen=True)
class TrainingCurve(Curve):
    """Losses over epochs, [n_epochs], with their unit, and those that are known without training; None: unknown.

    zero_force: of no force at all. prior_only: of the prior alone. noise_floor: the smallest that any model can have.
    """

    epoch: Array
    train: Array
    unit: str
    validation: Array | None = None
    zero_force: float | None = None
    prior_only: float | None = None
    noise_floor: float | None = None


@styled
def training_figure(curve: TrainingCurve) -> Figure:
    """Training and validation loss over epochs, beside the losses that are known without training.

    A level that is so far away that the curves would look flat beside it is a number in the legend instead. A level of
    zero is left out.
    """
    figure, (axes,) = panels(1, 1)
    losses = [np.asarray(curve.train, dtype=float)]
    axes.plot(curve.epoch, curve.train, color=COLOURS["train"], label="training")
    if curve.validation is not None:
        losses.append(np.asarray(curve.validation, dtype=float))
        axes.plot(curve.epoch, curve.validation, color=COLOURS["validation"], label="validation")
    shown = np.concatenate(losses)
    shown = shown[np.isfinite(shown)]
    reach = LEVEL_REACH * max(np.ptp(shown), 0.02 * shown.max())
    for level, label, colour, dashes in (
        (curve.zero_force, "zero force", "zero_force", ":"),
        (curve.prior_only, "prior alone", "prior", "-."),
        (curve.noise_floor, "noise floor", "noise_floor", "--"),
    ):
        if level is None or level <= 0:
            continue
        if shown.min() - reach <= level <= shown.max() + reach:
            axes.axhline(level, color=COLOURS[colour], ls=dashes, lw=1.2, label=label)
        else:
            side = "above" if level > shown.max() else "below"
            axes.plot([], [], color=COLOURS[colour], ls=dashes, lw=1.2, label=f"{label}: {level:.4g}, {side}")
    if shown.max() > 5.0 * shown.min():
        make_log(axes.yaxis)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"mean squared force error\n{curve.unit}")
    legend_above(axes, n_columns=2)
    return figure


@styled
def prior_fit_figure(terms: Mapping[str, PriorFit]) -> Figure:
    """Boltzmann-inverted data (dots) and the fitted energy (line) of every prior term.

    The coordinates of a term have colours along the chain. The energy axis ends a little above the data, since a fit
    says nothing where no data are.
    """
    n_columns = min(len(terms), 3)
    figure, axes = panels(-(-len(terms) // n_columns), n_columns)
    middles = [term.middle for term in terms.values() if term.middle is not None]
    along_chain = ScalarMappable(Normalize(1, 1 + np.ceil(max(map(np.max, middles), default=1.0))), "viridis")
    for (name, term), panel in zip(terms.items(), axes, strict=False):
        curves = zip(_rows(term.energy_data), _rows(term.energy_fit), strict=True)
        for (data, fit), (of_data, of_fit) in zip(curves, _colours(term, along_chain), strict=True):
            panel.plot(term.x, data, ".", ms=3, color=of_data)
            panel.plot(term.x, fit, color=of_fit, lw=1.0)
        panel.set_title(name)
        panel.set_xlabel(axis_label(term.label, term.unit))
        panel.set_ylabel(axis_label("energy", "kT"))
        lowest, highest = float(np.nanmin(term.energy_data)), float(np.nanmax(term.energy_data))
        margin = 0.3 * (highest - lowest) + 0.1
        bottom, top = panel.get_ylim()
        panel.set_ylim(max(lowest - 0.3 * margin, bottom), min(highest + margin, top))
    for panel in axes[len(terms) :]:
        panel.set_axis_off()
    dots = Line2D([], [], ls="", marker=".", color=COLOURS["data"])
    line = Line2D([], [], color=COLOURS["data" if middles else "prior"], lw=1.0)
    names = ["data, Boltzmann-inverted", "prior"]
    figure.legend([dots, line], names, loc="outside upper center", ncols=2, markerscale=2)
    if middles:
        bar = figure.colorbar(along_chain, ax=axes, label="bead in the chain (middle of the coordinate)", aspect=40)
        bar.locator = MaxNLocator(integer=True)
        bar.update_ticks()
    return figure


def _rows(energy: NDArray[Any]) -> NDArray[Any]:
    """[n_bins, n_curves], or [n_bins] of a single one, as [n_curves, n_bins]."""
    return energy.reshape(len(energy), -1).T


def _colours(term: PriorFit, along_chain: ScalarMappable) -> list[tuple[Any, Any]]:
    """Colours of the data and of the fit of each curve: the same where it has a place in a chain."""
    if term.middle is None:
        return [(COLOURS["data"], COLOURS["prior"])] * len(_rows(term.energy_fit))
    return [(colour, colour) for colour in along_chain.to_rgba(term.middle + 1.0)]
