"""Figures of what happens before the simulation: the losses of the training, and the fit of the prior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from cgexp.report.style import COLOURS, axis_label, panels, styled

LEVELS = {"zero_force": "zero force", "prior_only": "prior alone", "noise_floor": "noise floor"}
LEVEL_STYLE = {"zero_force": ("zero_force", ":"), "prior_only": ("prior", "-."), "noise_floor": ("noise_floor", "--")}


@styled
def training_figure(history: Mapping[str, Any]) -> Figure:
    """Training and validation loss over epochs, beside the losses that are known without training.

    history: epoch [n], train [n], validation [n] (or None), unit of the loss; zero_force, prior_only, noise_floor: one
    number each, or None or absent where unknown or zero (a logarithmic axis has no zero).
    """
    figure, (axes,) = panels(1, 1)
    for name, label in (("train", "training"), ("validation", "validation")):
        if history.get(name) is not None:
            axes.plot(history["epoch"], history[name], color=COLOURS[name], label=label)
    for name, label in LEVELS.items():
        level = history.get(name)
        if level is not None and level > 0:
            colour, dashes = LEVEL_STYLE[name]
            axes.axhline(level, color=COLOURS[colour], ls=dashes, lw=1.2, label=label)
    levels = [v for v in (history.get(name) for name in LEVELS) if v is not None and v > 0]
    shown = np.concatenate([np.asarray(history["train"], dtype=float), levels])
    if shown.max() > 5.0 * shown.min():
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"mean squared force error\n{history['unit']}")
    axes.legend()
    return figure


@styled
def prior_fit_figure(terms: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Boltzmann-inverted data (dots) and the fitted energy (line) of every prior term.

    terms: as Prior.fit_quality gives them: name -> x [n], energy_data and energy_fit [n] or [n, n_curves] in kT, label
    and unit of x.
    """
    n_columns = min(len(terms), 3)
    figure, axes = panels(-(-len(terms) // n_columns), n_columns)
    for (name, term), panel in zip(terms.items(), axes, strict=False):
        dots = panel.plot(term["x"], term["energy_data"], ".", ms=3, color=COLOURS["data"])
        lines = panel.plot(term["x"], term["energy_fit"], color=COLOURS["prior"], lw=1.0)
        panel.set_title(name)
        panel.set_xlabel(axis_label(term["label"], term["unit"]))
        panel.set_ylabel(axis_label("energy", "kT"))
    for panel in axes[len(terms) :]:
        panel.set_axis_off()
    handles = [dots[0], lines[0]]
    figure.legend(handles, ["data, Boltzmann-inverted", "prior"], loc="outside upper center", ncols=2, markerscale=2)
    return figure
