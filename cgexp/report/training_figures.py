"""Figures of what happens before the simulation: the losses of the training, and the fit of the prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.curves import Curve
from cgexp.report.style import COLOURS, axis_label, panels, styled

if TYPE_CHECKING:
    from cgexp.priors.term import PriorFit

Array = NDArray[np.float64]


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

    A level of zero is left out, since a logarithmic axis has no zero.
    """
    figure, (axes,) = panels(1, 1)
    axes.plot(curve.epoch, curve.train, color=COLOURS["train"], label="training")
    if curve.validation is not None:
        axes.plot(curve.epoch, curve.validation, color=COLOURS["validation"], label="validation")
    levels = []
    for level, label, colour, dashes in (
        (curve.zero_force, "zero force", "zero_force", ":"),
        (curve.prior_only, "prior alone", "prior", "-."),
        (curve.noise_floor, "noise floor", "noise_floor", "--"),
    ):
        if level is not None and level > 0:
            levels.append(level)
            axes.axhline(level, color=COLOURS[colour], ls=dashes, lw=1.2, label=label)
    shown = np.concatenate([np.asarray(curve.train, dtype=float), levels])
    if shown.max() > 5.0 * shown.min():
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"mean squared force error\n{curve.unit}")
    axes.legend()
    return figure


@styled
def prior_fit_figure(terms: Mapping[str, PriorFit]) -> Figure:
    """Boltzmann-inverted data (dots) and the fitted energy (line) of every prior term, as of Prior.fit_quality."""
    n_columns = min(len(terms), 3)
    figure, axes = panels(-(-len(terms) // n_columns), n_columns)
    for (name, term), panel in zip(terms.items(), axes, strict=False):
        dots = panel.plot(term.x, term.energy_data, ".", ms=3, color=COLOURS["data"])
        lines = panel.plot(term.x, term.energy_fit, color=COLOURS["prior"], lw=1.0)
        panel.set_title(name)
        panel.set_xlabel(axis_label(term.label, term.unit))
        panel.set_ylabel(axis_label("energy", "kT"))
    for panel in axes[len(terms) :]:
        panel.set_axis_off()
    handles = [dots[0], lines[0]]
    figure.legend(handles, ["data, Boltzmann-inverted", "prior"], loc="outside upper center", ncols=2, markerscale=2)
    return figure
