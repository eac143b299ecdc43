"""The figures of the Julia report's toy: functions that take numbers and compute nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.report.style import COLOURS, axis_label, panels, styled

from . import ripple

X_LABEL, FORCE_LABEL = axis_label("x", "length"), axis_label("force", "kT/length")
PMF_LABEL = axis_label("PMF", "kT, mean over the grid 0")
LOSS_LABEL = axis_label("mean squared force error", "(kT/length)²")
N_BATCHES = 20  # of an epoch, over which the report sums its loss
REPORTED = (121.0, 123.0)  # the report's Fig. 4
STEPS = {
    "broadcast": "(a) broadcast",
    "relu": "(b) shape cured",
    "silu": "(c) smooth (SiLU)",
    "fourier": "(d) + Fourier features",
    "tuned": "(e) as toy_julia ships",
}
KINDS = ("energy", "direct")
FUTURE = {
    "energy_silu": "as (c)",
    "pretrained": "pretrained on forces",
    "smooth": "2nd derivatives smoothed",
    "energy_fourier": "as (d)",
    "pretrained_fourier": "pretrained on forces",
    "smooth_fourier": "2nd derivatives smoothed",
}
PLANE = {"plane_direct": "direct", "plane_conserving": "direct,\nloops penalised", "plane_energy": "energy"}

Values = NDArray[np.float64]


@styled
def failure_figure(sums: Values, variance: Values, forces: Values) -> Figure:
    """The report's Figs. 4 and 5: the loss that does not fall, and what is learnt.

    sums [n_seeds, n_epochs]; variance [n_seeds] of the labels; forces [n_seeds, n_grid] of the models.
    """
    figure, (left, middle, right) = panels(1, 3)
    left.axhspan(*REPORTED, color=COLOURS["data"], alpha=0.4, lw=0, label="the report's plateau")
    for i, (row, level) in enumerate(zip(sums, N_BATCHES * variance, strict=True)):
        left.plot(np.arange(1, len(row) + 1), row, color=COLOURS["energy"], lw=0.8, label=_once("ours, five seeds", i))
        left.axhline(level, color=COLOURS["exact"], lw=0.7, ls=":", label=_once("20 × label variance, each seed", i))
    left.set_xlabel("epoch")
    left.set_ylabel(axis_label("loss summed over 20 batches", "(kT/length)²"))
    left.set_ylim(110.0, 150.0)
    left.legend()
    _force_panel(middle, {"energy model, broadcast loss": ("energy", forces)})
    _pmf_panel(right, {"energy model, broadcast loss": ("energy", forces)})
    return figure


@styled
def control_figure(losses: Values, forces: Values) -> Figure:
    """The report's Figs. 6 to 8, its control: losses [n_seeds, n_epochs], forces [n_seeds, n_grid]."""
    figure, (left, middle, right) = panels(1, 3)
    for i, row in enumerate(losses):
        left.plot(
            np.arange(1, len(row) + 1), row, color=COLOURS["direct"], lw=0.7, label=_once("training, five seeds", i)
        )
    left.set_yscale("log")
    left.set_xlabel("epoch")
    left.set_ylabel(LOSS_LABEL)
    left.legend()
    _force_panel(middle, {"direct force, ReLU": ("direct", forces)})
    _pmf_panel(right, {"direct force, ReLU, integrated": ("direct", forces)})
    return figure


@styled
def quality_figure(rows: Mapping[str, Mapping[str, Any]]) -> Figure:
    """The report's Fig. 9, a row for each model: losses, predicted against true force, residuals.

    rows: title -> epoch, train, validation [n_epochs], colour, force [n_grid].
    """
    figure, axes = panels(len(rows), 3)
    exact = ripple.exact_force()
    for i, (title, row) in enumerate(rows.items()):
        left, middle, right = axes[3 * i : 3 * i + 3]
        left.plot(row["epoch"], row["train"], color=COLOURS["train"], lw=1.0, label="training")
        left.plot(row["epoch"], row["validation"], color=COLOURS["validation"], lw=1.0, label="validation")
        left.set_yscale("log")
        left.set_xlabel("epoch")
        left.set_ylabel(LOSS_LABEL)
        left.legend()
        left.set_title(title)
        middle.axline((0.0, 0.0), slope=1.0, color=COLOURS["exact"], lw=1.0, label="exact")
        middle.plot(exact, row["force"], ".", ms=3, color=COLOURS[row["colour"]], label="model, grid points")
        middle.set_xlabel(axis_label("exact force", "kT/length"))
        middle.set_ylabel(axis_label("predicted force", "kT/length"))
        middle.legend()
        right.axhline(0.0, color=COLOURS["exact"], lw=1.0, label="exact")
        right.plot(ripple.GRID, row["force"] - exact, color=COLOURS[row["colour"]], lw=0.8, label="model")
        right.set_xlabel(X_LABEL)
        right.set_ylabel(axis_label("predicted - exact force", "kT/length"))
        right.legend()
    return figure


@styled
def anatomy_figure(steps: Mapping[str, Values], errors: Mapping[str, Sequence[float]]) -> Figure:
    """The anatomy of the failure: forces after each cure, all of them and a close look, and the errors.

    steps: ``<kind>_<step>`` -> forces [n_seeds, n_grid]; errors: the same -> relative force error of each seed.
    """
    n = len(STEPS)
    figure = Figure(figsize=(3.0 * n, 9.0), layout="constrained")
    grid = figure.add_gridspec(3, n, height_ratios=(1.0, 1.0, 1.15))
    for column, (step, title) in enumerate(STEPS.items()):
        for row, limits in enumerate(((-5.0, 5.0), (3.0, 5.0))):
            axes = figure.add_subplot(grid[row, column])
            low, high = limits
            inside = (low <= ripple.GRID) & (high >= ripple.GRID)
            x = ripple.GRID[inside]
            axes.plot(
                x, ripple.exact_force()[inside], color=COLOURS["exact"], lw=(1.0, 2.6)[row], alpha=0.55, label="exact"
            )
            for kind in KINDS:
                force = steps[f"{kind}_{step}"][0][inside]
                axes.plot(x, force, color=COLOURS[kind], lw=1.0, ls="--" if kind == "direct" else "-", label=kind)
            axes.set_xlim(*limits)
            axes.set_ylim((-9.0, 9.0) if row == 0 else (-8.5, 3.0))
            axes.set_xlabel(X_LABEL)
            if column == 0:
                axes.set_ylabel(FORCE_LABEL)
            if row == 0:
                axes.set_title(title)
            if row == 0 and column == 0:
                axes.legend()
    axes = figure.add_subplot(grid[2, :])
    for shift, kind in zip((-0.12, 0.12), KINDS, strict=True):
        _dots(axes, [errors[f"{kind}_{step}"] for step in STEPS], COLOURS[kind], shift, f"{kind}, five seeds")
    axes.set_xticks(range(n), STEPS.values())
    axes.axhline(1.0, color=COLOURS["zero_force"], ls=":", lw=1.0, label="a constant force")
    axes.set_yscale("log")
    axes.set_ylabel("force error / standard\ndeviation of the exact force")
    axes.legend(loc="lower left")
    return figure


@styled
def plateau_figure(draws: Values, found: Values, variance: Values) -> Figure:
    """Where the failing loss must get stuck: 20 x label variance over draws of the data [n_draws].

    found [n_seeds]: our plateaus; variance [n_seeds]: 20 x label variance of the same seeds.
    """
    figure, (left, right) = panels(1, 2)
    left.hist(
        draws, bins=40, density=True, color=COLOURS["data"], label="20 × label variance,\n2,000 draws of 5,000 points"
    )
    left.axvspan(*REPORTED, color=COLOURS["simulation"], alpha=0.35, lw=0, label="the report's plateau")
    left.plot(found, np.full(len(found), 0.004), "|", ms=14, mew=1.5, color=COLOURS["energy"], label="ours, five seeds")
    left.set_xlabel(axis_label("loss summed over 20 batches", "(kT/length)²"))
    left.set_ylabel(axis_label("probability density", "(length/kT)²"))
    left.set_ylim(0.0, 0.24)
    left.legend(loc="upper left")
    right.axline((variance.mean(), variance.mean()), slope=1.0, color=COLOURS["exact"], lw=1.0, label="equal")
    right.plot(variance, found, "o", ms=5, color=COLOURS["energy"], label="plateau of the energy model")
    right.set_xlabel(axis_label("20 × label variance of the seed's data", "(kT/length)²"))
    right.set_ylabel(axis_label("plateau of its loss", "(kT/length)²"))
    right.legend()
    return figure


@styled
def spectral_bias_figure(wave_number: Values, shares: Mapping[str, Values]) -> Figure:
    """How much of the ripple each model has, against its local wave number [n]: shares arm -> [n_seeds, n]."""
    figure, (axes,) = panels(1, 1)
    figure.set_size_inches(6.4, 3.8)
    looks = {
        "direct_relu": ("direct", ":", "direct, ReLU, 200 epochs"),
        "direct_relu_long": ("direct", "-.", "direct, ReLU, 1,000 epochs"),
        "direct_silu": ("direct", "--", "direct, SiLU"),
        "energy_silu": ("energy", "--", "energy, SiLU"),
        "energy_fourier": ("energy", "-.", "energy, + Fourier features"),
        "energy_tuned": ("energy", "-", "energy, as toy_julia ships"),
    }
    axes.axhline(1.0, color=COLOURS["exact"], lw=1.0, label="exact")
    for arm, (colour, dashes, label) in looks.items():
        mean, spread = shares[arm].mean(axis=0), shares[arm].std(axis=0, ddof=1)
        axes.plot(wave_number, mean, dashes, color=COLOURS[colour], label=label)
        axes.fill_between(wave_number, mean - spread, mean + spread, color=COLOURS[colour], alpha=0.15, lw=0)
    axes.set_xlabel(axis_label("local wave number of the ripple", "rad/length"))
    axes.set_ylabel("share of the ripple learnt")
    axes.set_ylim(-0.3, 1.25)
    figure.legend(loc="outside right upper")
    return figure


@styled
def future_work_figure(proposals: Mapping[str, Values], plane: Mapping[str, tuple[Values, Values]]) -> Figure:
    """What the report proposes: force errors with and without, and a direct model in the plane.

    proposals: arm -> relative force error [n_seeds]. plane: arm -> relative force errors, work around loops (kT).
    """
    figure, (left, middle, right) = panels(1, 3)
    figure.set_figheight(4.4)
    _dots(left, list(proposals.values()), COLOURS["energy"], 0.0, "energy model, each seed")
    left.axvline(2.5, color=COLOURS["data"], lw=0.8)
    left.set_xticks(range(len(proposals)), [FUTURE[arm] for arm in proposals], rotation=35, ha="right")
    left.legend(loc="center left")
    kinds = ["energy" if arm == "plane_energy" else "direct" for arm in plane]
    for i, (error, work) in enumerate(plane.values()):
        for axes, values in ((middle, error), (right, work)):
            _dots(axes, [values], COLOURS[kinds[i]], i, "")
    for axes, label in ((left, "1D"), (middle, "in the plane")):
        axes.set_yscale("log")
        axes.set_ylabel(f"relative force error, {label}")
    right.set_yscale("log")
    right.set_ylabel(axis_label("rms work around a loop of side 1", "kT"))
    for axes in (middle, right):
        axes.set_xticks(range(len(plane)), [PLANE[arm] for arm in plane])
        axes.set_xlim(-0.6, len(plane) - 0.4)
    return figure


def _force_panel(axes: Axes, models: Mapping[str, tuple[str, Values]]) -> None:
    axes.plot(ripple.GRID, ripple.exact_force(), color=COLOURS["exact"], lw=1.0, label="exact")
    for label, (colour, forces) in models.items():
        for i, force in enumerate(forces):
            axes.plot(ripple.GRID, force, color=COLOURS[colour], lw=0.8, alpha=0.8, label=_once(label, i))
    axes.set_xlabel(X_LABEL)
    axes.set_ylabel(FORCE_LABEL)
    axes.legend()


def _pmf_panel(axes: Axes, models: Mapping[str, tuple[str, Values]]) -> None:
    axes.plot(ripple.GRID, ripple.exact_pmf(), color=COLOURS["exact"], lw=1.0, label="exact")
    for label, (colour, forces) in models.items():
        for i, force in enumerate(forces):
            axes.plot(
                ripple.GRID, ripple.pmf_of(force), color=COLOURS[colour], lw=0.8, alpha=0.8, label=_once(label, i)
            )
    axes.set_xlabel(X_LABEL)
    axes.set_ylabel(PMF_LABEL)
    axes.legend()


def _dots(axes: Axes, groups: Sequence[Sequence[float] | Values], colour: str, shift: float, label: str) -> None:
    """Every value a dot, with a bar at the mean of each group."""
    for i, values in enumerate(groups):
        axes.plot(np.full(len(values), i + shift), values, "o", ms=4, mfc="none", color=colour, label=_once(label, i))
        axes.plot([i + shift - 0.09, i + shift + 0.09], [np.mean(values)] * 2, color=colour, lw=2.0)


def _once(label: str, index: int) -> str | None:
    return label if index == 0 and label else None
