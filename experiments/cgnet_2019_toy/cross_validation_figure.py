"""Cross-validation beside what it estimates: the exact excess loss, and what it cannot see: the leak."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from cgexp.report.style import COLOURS, panels, styled
from cgexp.runs.results import Results

from .curves import Values
from .findings import Numbers

FLOOR = 1e-14  # 1/time, lowest bound drawn


class Scores(NamedTuple):
    """Of the variants of an arm. held_out, excess: [n_variants, n_folds], (kT/length)^2, loss on held-out frames and
    exact loss above the noise floor; bound: the same shape, 1/time, of the leak rate."""

    variants: list[str]
    held_out: Values
    excess: Values
    bound: Values

    def against_best(self) -> tuple[Values, Values]:
        """Held-out loss minus that of the best variant fold by fold, since folds differ more than models do.

        Returns mean and standard error over folds, each [n_variants].
        """
        best = self.held_out.mean(axis=1).argmin()
        difference = self.held_out - self.held_out[best]
        return difference.mean(axis=1), difference.std(axis=1, ddof=1) / np.sqrt(difference.shape[1])


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
    """Rows: architecture, strength of the prior. Left: held-out and exact loss; right, below: the leak."""
    figure, (architecture, strength, leak) = panels(1, 3, width_ratios=(1.6, 1.0, 1.0))
    figure.set_size_inches(12.5, 4.8)
    for axes, arm, label in (
        (architecture, "architecture", "hidden layers x width"),
        (strength, "strength", "k of the prior (kT/length²)"),
    ):
        one = found[arm]
        place = np.arange(len(one.variants))
        mean, sem = one.against_best()
        axes.axhline(0.0, color=COLOURS["exact"], lw=1.0)
        axes.errorbar(place - 0.1, 1e3 * mean, 1e3 * sem, fmt="o", color=COLOURS["cgnet_regularised"],
                      label="held-out loss - that of the best")  # fmt: skip
        axes.errorbar(place + 0.1, 1e3 * one.excess.mean(axis=1), 1e3 * one.excess.std(axis=1, ddof=1), fmt="D",
                      mfc="white", color=COLOURS["exact"], label="exact loss - noise floor")  # fmt: skip
        axes.set_xticks(place, one.variants)
        axes.set(xlabel=label, ylabel="loss (10⁻³ (kT/length)²)")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2))
    one = found["strength"]
    place = np.arange(len(one.variants))
    shown = np.maximum(one.bound, FLOOR)
    leak.plot(np.repeat(place, shown.shape[1]), shown.ravel(), ".", color=COLOURS["cgnet_regularised"], alpha=0.6,
              label="bound of the leak rate, five folds")  # fmt: skip
    leak.set_xticks(place, one.variants)
    leak.set(yscale="log", xlabel="k of the prior (kT/length²)", ylabel=f"leak rate (1/time; at {FLOOR:g}: less)")
    leak.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2))
    return figure
