"""Cross-validation beside what it estimates: the exact excess loss, and what it cannot see: the leak."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from cgexp.report.style import COLOURS, axis_label, panels, styled
from cgexp.studies.results import Results
from cgexp.systems.cgnet_toy import CGnetToy

from .curves import Values, X, leak_bound
from .findings import Numbers

LINEAR = 1e-3  # (kT/length)^2, below which the axis is linear
K_LABEL = axis_label("k of the prior", "kT/length²")


class Scores(NamedTuple):
    """Of the variants of an arm. held_out, excess: [n_variants, n_folds], (kT/length)^2, loss on held-out frames and
    exact loss above the noise floor; bound: the same shape, 1/time, of the leak rate."""

    variants: list[str]
    held_out: Values
    excess: Values
    bound: Values

    @property
    def best(self) -> int:
        """The variant that cross-validation chooses: the least held-out loss."""
        return int(self.held_out.mean(axis=1).argmin())

    def against_best(self) -> dict[str, tuple[Values, Values]]:
        """'held out' and 'exact': loss minus that of the chosen variant, mean and standard error over folds.

        Fold by fold, since folds differ more than models do. Each [n_variants], (kT/length)^2.
        """
        found = {}
        for name, loss in (("held out", self.held_out), ("exact", self.excess)):
            difference = loss - loss[self.best]
            found[name] = difference.mean(axis=1), difference.std(axis=1, ddof=1) / np.sqrt(difference.shape[1])
        return found


def scores(results: Results, found: Numbers) -> dict[str, Scores]:
    """Arm -> scores of its variants."""
    kept = {}
    for arm in ("architecture", "strength"):
        names = list(results.variants(arm))
        full = [f"{arm}/{name}" for name in names]
        held_out = np.array([results.values(name, "loss_validation") for name in full])
        excess = np.array([results.values(name, "loss_excess_relative") for name in full]) * found.exact.noise
        kept[arm] = Scores(names, held_out, excess, np.array([found.bounds[name] for name in full]))
    return kept


@styled
def draw(found: dict[str, Scores]) -> Figure:
    """Left and middle: held-out loss beside the exact one, for architectures and for k; right: the leak for each k."""
    figure, (architecture, strength, leak) = panels(1, 3, width_ratios=(1.6, 1.0, 1.0))
    figure.set_size_inches(12.5, 4.8)
    for axes, arm, label in (
        (architecture, "architecture", "hidden layers x width"),
        (strength, "strength", K_LABEL),
    ):
        place = np.arange(len(found[arm].variants))
        losses = found[arm].against_best()
        axes.axhline(0.0, color="0.6", lw=1.0)
        axes.errorbar(place - 0.12, *losses["held out"], fmt="o", color=COLOURS["cgnet_regularised"], label="held-out")
        axes.errorbar(place + 0.12, *losses["exact"], fmt="D", mfc="white", color=COLOURS["exact"], label="exact")
        axes.set_yscale("symlog", linthresh=LINEAR)
        axes.set_xticks(place, found[arm].variants)
        axes.set(xlabel=label, ylabel="loss − that of the chosen one ((kT/length)²)")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.13), ncols=2)
    one = found["strength"]
    place = np.arange(len(one.variants))
    folds = np.repeat(place, one.bound.shape[1])
    leak.axhline(leak_bound(X, CGnetToy().pmf(X)), color=COLOURS["exact"], label="exact")
    leak.plot(folds, one.bound.ravel(), "o", ms=4, color=COLOURS["cgnet_regularised"], label="bound, five folds")
    leak.set_xticks(place, one.variants)
    leak.set(yscale="log", xlabel=K_LABEL, ylabel="leak rate (1/time)")
    leak.legend(loc="upper center", bbox_to_anchor=(0.5, 1.13), ncols=2)
    return figure
