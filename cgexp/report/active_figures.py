"""Figures of active learning: what changed from round to round, new frames, ensembles before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import Interval
from cgexp.report.style import COLOURS, axis_label, label_density, make_log, panels, share_legend, styled

ARM_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "0.5", "black")
N_COLUMNS = 3
Array = NDArray[np.float64]


@dataclass(frozen=True)
class RoundsOfQuantity:
    """A quantity in each round. log: of its axis.

    resolution: a level below which nothing can be told, or None. reference: what the reference has, or None.
    arms: label -> its value and the ends of its interval, [n_rounds] each.
    """

    name: str
    unit: str
    log: bool
    resolution: float | None
    arms: Mapping[str, Interval]
    reference: float | None = None

    @property
    def levels(self) -> dict[str, tuple[float, str]]:
        """Name of a level -> where it is, and the style of its line."""
        levels = {"resolution": (self.resolution, ":"), "reference": (self.reference, "--")}
        return {name: (level, style) for name, (level, style) in levels.items() if level is not None}


@styled
def rounds_figure(curves: Sequence[RoundsOfQuantity]) -> Figure:
    """One panel for each quantity against the round."""
    n_columns = min(N_COLUMNS, len(curves))
    figure, axes = panels(-(-len(curves) // n_columns), n_columns)
    for panel, curve in zip(axes, curves, strict=False):
        for colour, (label, (value, low, high)) in zip(cycle(ARM_COLOURS), curve.arms.items(), strict=False):
            rounds = range(len(value))
            panel.plot(rounds, value, "o-", ms=4, color=colour, label=label if len(curve.arms) > 1 else None)
            if low is not None and high is not None:
                panel.fill_between(rounds, low, high, color=colour, alpha=0.2, lw=0)
        for name, (level, style) in curve.levels.items():
            panel.axhline(level, color=COLOURS["reference"], lw=1.0, ls=style, label=name)
        if curve.log:
            make_log(panel.yaxis)
        else:
            _from_zero(panel)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.set_xlabel("round")
        panel.set_ylabel(axis_label(curve.name, curve.unit))
    for panel in axes[len(curves) :]:
        panel.set_axis_off()
    named = {label: handle for panel in axes for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    if named:
        figure.legend(list(named.values()), list(named), loc="outside upper center", ncols=min(3, len(named)))
    return figure


@styled
def arms_figure(curves: Sequence[RoundsOfQuantity], against: str) -> Figure:
    """Small multiples: a row for each quantity, a column for each arm, with the arm ``against`` in grey in all panels.

    Axes begin at zero and are shared along a row.
    """
    labels = [label for label in curves[0].arms if label != against]
    colours = [colour for colour in ARM_COLOURS if colour not in ("0.5", "black")]
    figure, axes = panels(len(curves), len(labels), sharex=True, sharey="row")
    figure.set_size_inches(max(4.5, 1.0 + 1.9 * len(labels)), 0.6 + 2.1 * len(curves))  # room for the legend
    for row, curve in enumerate(curves):
        for column, label in enumerate(labels):
            panel = axes[row * len(labels) + column]
            for name, colour in ((against, "0.55"), (label, colours[column % len(colours)])):
                value, low, high = curve.arms[name]
                panel.plot(range(len(value)), value, "o-", ms=3, color=colour)
                if low is not None and high is not None:
                    panel.fill_between(range(len(value)), low, high, color=colour, alpha=0.2, lw=0)
            for level, style in curve.levels.values():
                panel.axhline(level, color=COLOURS["reference"], lw=1.0, ls=style)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            if row == 0:
                panel.set_title("\n".join(wrap(label, 20)), fontsize="small")
            if row == len(curves) - 1:
                panel.set_xlabel("round")
        first = axes[row * len(labels)]
        first.set_ylim(bottom=0.0)
        first.set_ylabel("\n".join(wrap(axis_label(curve.name, curve.unit), 24)), fontsize="small")
    lines = [Line2D([], [], color="0.55", marker="o", ms=3)]
    styles = {name: style for curve in curves for name, (_, style) in curve.levels.items()}
    lines += [Line2D([], [], color=COLOURS["reference"], lw=1.0, ls=style) for style in styles.values()]
    figure.legend(lines, [against, *styles], loc="outside upper center", ncols=3)
    return figure


def _from_zero(panel: Axes) -> None:
    """Let the axis begin at zero, unless that would press all values into its upper half."""
    low, high = panel.dataLim.intervaly
    if low < 0.5 * high:
        panel.set_ylim(0.0, 1.05 * high)


@dataclass(frozen=True)
class PmfArm:
    """PMFs of the first and of the last model, [n_grid], kT; and of each frame added, x and the round: [n_added]."""

    before: Array
    after: Array
    added_x: Array
    added_round: NDArray[np.int64]


@dataclass(frozen=True)
class PmfRounds:
    """The exact PMF of a toy at x, [n_grid], kT, and those of each arm. initial_x: of the first frames, [n]."""

    x: Array
    exact: Array
    initial_x: Array
    n_rounds: int
    arms: Mapping[str, PmfArm]


@styled
def pmf_rounds_figure(curve: PmfRounds) -> Figure:
    """The PMF of a toy before and after, over the frames of the data set; a panel for each arm.

    The curves are to agree on average where the first frames lie.
    """
    arms = curve.arms
    figure, axes = panels(1, len(arms), sharey=True)
    colours = BoundaryNorm([number - 0.5 for number in range(max(2, curve.n_rounds) + 1)], 256)
    low, high = min(curve.exact), max(curve.exact)
    height = high - low
    for panel, (label, arm) in zip(axes, arms.items(), strict=True):
        panel.plot(curve.x, curve.exact, color=COLOURS["exact"], label="exact")
        panel.plot(curve.x, arm.before, ":", color=COLOURS["simulation"], label="before")
        panel.plot(curve.x, arm.after, "--", color=COLOURS["model"], label="after")
        rows = [("data", curve.initial_x, None), ("added", arm.added_x, arm.added_round)]
        for row, (_, x, rounds) in enumerate(rows):
            y = [low - (0.12 + 0.1 * row) * height] * len(x)
            if rounds is None:
                panel.plot(x, y, "|", ms=6, color=COLOURS["data"], alpha=0.3, rasterized=True)
            else:
                panel.scatter(x, y, c=rounds, norm=colours, marker="|", s=40, lw=1.0)
        panel.set_xlim(min(curve.x), max(curve.x))
        panel.set_ylim(low - 0.3 * height, high + 0.6 * height)
        panel.set_xlabel(axis_label("x", "length"))
        if len(arms) > 1:
            panel.set_title(label)
    axes[0].set_ylabel(axis_label("PMF", "kT"))
    axes[0].legend(loc="upper center")
    bar = figure.colorbar(ScalarMappable(colours), ax=axes, label="round that added a frame", pad=0.02)
    bar.set_ticks(range(curve.n_rounds))
    return figure


BEFORE = (0, (2, 1.5))  # dashes


@dataclass(frozen=True)
class TicaArm:
    """Free energies of the first and the last model, [n_bins, n_bins], kT; frames in the plane of the ICs, [n, 2]."""

    before: Array
    after: Array
    initial: Array
    added: Array


@dataclass(frozen=True)
class TicaRounds:
    """The map of the reference, [n_bins, n_bins], kT, and those of each arm. edges: [n_bins + 1]. highest: kT."""

    edges_ic1: Array
    edges_ic2: Array
    reference: Array
    reference_name: str
    highest: float
    arms: Mapping[str, TicaArm]


@styled
def tica_maps_figure(curve: TicaRounds) -> Figure:
    """Free energies in the plane of the ICs: the reference, the first model and the last one; a row for each arm.

    Initial frames are drawn on the first model's map, added ones on the last one's.
    """
    arms = curve.arms
    figure, axes = panels(len(arms), 3, sharex=True, sharey=True)
    edges_1, edges_2 = curve.edges_ic1, curve.edges_ic2
    for row, (label, arm) in enumerate(arms.items()):
        maps = {curve.reference_name: curve.reference, "before": arm.before, "after": arm.after}
        for panel, (name, energy) in zip(axes[3 * row : 3 * row + 3], maps.items(), strict=True):
            mesh = panel.pcolormesh(
                edges_1, edges_2, energy.T, cmap="viridis", vmin=0.0, vmax=curve.highest, rasterized=True
            )
            panel.set_title(f"{label}: {name}" if label and name in ("before", "after") else name)
            if row == len(arms) - 1:
                panel.set_xlabel("IC 1 (TICA units)")
        axes[3 * row].set_ylabel("IC 2 (TICA units)")
        axes[3 * row + 1].plot(*arm.initial.T, ".", ms=1.5, color="0.35", rasterized=True, label="initial data")
        axes[3 * row + 2].plot(
            *arm.added.T, "x", ms=2.5, mew=0.6, alpha=0.5, color=COLOURS["simulation"], label="frames added"
        )
    axes[0].set_xlim(edges_1[0], edges_1[-1])
    axes[0].set_ylim(edges_2[0], edges_2[-1])
    figure.colorbar(mesh, ax=axes, label="free energy (kT)")
    handles = [line for panel in axes[1:3] for line in panel.get_lines()]
    figure.legend(handles=handles, loc="outside upper center", ncols=2, markerscale=2)
    return figure


@dataclass(frozen=True)
class BeforeAfter:
    """Densities of an observable at x, [n_bins]: of the reference, of the first model, and of the last one of each arm.

    label, unit: of x.
    """

    x: Array
    label: str
    unit: str
    reference_name: str
    reference: Array
    before: Array
    after: Mapping[str, Array]


@styled
def before_after_figure(curves: Mapping[str, BeforeAfter]) -> Figure:
    """Density of every observable: reference, first model, and the last one of each arm."""
    n_columns = 3
    figure, axes = panels(-(-len(curves) // n_columns), n_columns)
    for curve, panel in zip(curves.values(), axes, strict=False):
        panel.fill_between(curve.x, curve.reference, color="0.85", lw=0, label=curve.reference_name)
        panel.plot(curve.x, curve.before, ls=BEFORE, color="black", label="before")
        for colour, (label, density) in zip(cycle(ARM_COLOURS), curve.after.items(), strict=False):
            panel.plot(curve.x, density, color=colour, lw=1.2, label=f"after: {label}" if label else "after")
        label_density(panel, curve.label, curve.unit)
    share_legend(figure, axes, len(curves), 3)
    return figure


@dataclass(frozen=True)
class CourseOfArm:
    """Against a simulation's time, each with the ends of its interval: [n_windows].

    w1: sliced, to the reference, TICA units. failed: replicas so far. energy: mean, less that of the initial data.
    """

    w1: Interval
    failed: Interval
    energy: Interval


@dataclass(frozen=True)
class Course:
    """Simulations of the first and of the last model of each arm. time: of the windows, [n_windows]."""

    time: Array
    time_unit: str
    energy_unit: str
    before: Mapping[str, CourseOfArm]
    after: Mapping[str, CourseOfArm]


@styled
def course_figure(curve: Course) -> Figure:
    """How far simulations are from the reference, how many failed, and their energy, against their time.

    Dashes: the first model.
    """
    names = {
        "w1": "sliced W1 (TICA units)",
        "failed": "failed replicas",
        "energy": f"energy - initial data's ({curve.energy_unit})",
    }
    figure, axes = panels(1, len(names), sharex=True)
    for panel, (name, title) in zip(axes, names.items(), strict=True):
        for end, arms, style in (("before", curve.before, BEFORE), ("after", curve.after, "-")):
            for colour, (label, arm) in zip(cycle(ARM_COLOURS), arms.items(), strict=False):
                value, low, high = getattr(arm, name)
                text = end if not label else f"{label}: after" if end == "after" else None
                panel.plot(curve.time, value, ls=style, color=colour, lw=1.2, clip_on=False, label=text)
                if low is not None and end == "after":
                    panel.fill_between(curve.time, low, high, color=colour, alpha=0.15, lw=0)
        if name != "energy":
            panel.set_ylim(bottom=0.0, top=max(1.0, panel.get_ylim()[1]))
        panel.set_xlabel(axis_label("simulation time", curve.time_unit))
        panel.set_ylabel(title)
    handles, labels = axes[0].get_legend_handles_labels()
    if len(labels) == len(curve.after):  # arms have names
        handles, labels = [*handles, Line2D([], [], color="black", ls=BEFORE, lw=1.2)], [*labels, "before"]
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure
