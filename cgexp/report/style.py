"""One look for all figures: a colour means the same thing everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

from matplotlib import rc_context, rcParamsDefault
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

NOT_A_STYLE = ("backend", "backend_fallback", "date.epoch", "interactive", "timezone", "toolbar")
# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = {
    "exact": "black",
    "reference": "black",
    "data": "0.6",
    "model": "#0072B2",
    "simulation": "#D55E00",
    "train": "#56B4E9",
    "validation": "#0072B2",
    "zero_force": "0.6",
    "prior": "#009E73",
    "noise_floor": "black",
    "feature_regression": "#009E73",
    "cgnet": "#D55E00",
    "cgnet_regularised": "#0072B2",
    "local_average": "#CC79A7",
    # models, in the figures of experiments/
    "energy": "#0072B2",
    "direct": "#CC79A7",
}
# what has no meaning of its own: states, processes
SERIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
# over matplotlib's own defaults, so that a matplotlibrc of the user (usetex without a LaTeX, say) changes nothing
STYLE: Any = {
    **{key: value for key, value in rcParamsDefault.items() if key not in NOT_A_STYLE},
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.labelsize": 10,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "cgexp",
    "pdf.fonttype": 42,
}
PANEL = (4.2, 3.2)  # inches
Arguments = ParamSpec("Arguments")


def styled(function: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Decorate a function that makes a figure: it runs with the style of the package, no global state is changed."""

    @wraps(function)
    def draw(*arguments: Arguments.args, **options: Arguments.kwargs) -> Figure:
        with rc_context(STYLE):
            return function(*arguments, **options)

    return draw


def panels(n_rows: int, n_columns: int, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure with a grid of panels of the standard size, and its axes row by row."""
    figure = Figure(figsize=(PANEL[0] * n_columns, PANEL[1] * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False, **options)
    return figure, list(axes.ravel())


def axis_label(name: str, unit: str) -> str:
    """``name / unit`` as it stands on an axis."""
    return f"{name} ({unit})" if unit else name


class PlainDecades(LogLocator):
    """Ticks at 1, 2 and 5 of each decade, at the decades alone where there are more than two and a half of them."""

    def tick_values(self, vmin: float, vmax: float) -> Any:
        self.set_params(subs=(1.0, 2.0, 5.0) if 0.0 < vmax < 10.0**2.5 * vmin else (1.0,))
        return super().tick_values(vmin, vmax)


def make_log(axis: Axis) -> None:
    """A logarithmic axis with plain numbers, as 20 and 50, which stand farther apart than 2 × 10¹ and 5 × 10¹ do."""
    (axis.axes.set_xscale if axis is axis.axes.xaxis else axis.axes.set_yscale)("log")
    axis.set_major_locator(PlainDecades())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def label_density(panel: Axes, label: str, unit: str) -> None:
    """Axes of a probability density. label, unit: of what is distributed."""
    panel.set_ylim(bottom=0.0)
    panel.set_xlabel(axis_label(label, unit))
    panel.set_ylabel(axis_label("density", f"1/{unit}"))


def legend_above(panel: Axes, n_columns: int = 1, **options: Any) -> Legend:
    """The legend of one panel above it, where it hides no data."""
    return panel.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=n_columns, borderaxespad=0.2, columnspacing=1.2, **options
    )


def legend_columns(figure: Figure, labels: Sequence[str]) -> int:
    """How many columns of a legend, whose entries are as wide as the longest label, fit side by side into a figure."""
    entry = 0.7 + 0.075 * max(map(len, labels))  # inches: the handle and the gaps, and letters of 9 points
    return max(1, min(len(labels), int(figure.get_figwidth() / entry)))


def share_legend(figure: Figure, axes: Sequence[Axes], n_used: int, n_columns: int) -> None:
    """One legend, of the first panel, above them all; panels that are not used are taken away."""
    for panel in axes[n_used:]:
        panel.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=n_columns)


def show_break(axes: Axes) -> None:
    """Mark a vertical axis that leaves zero out by two strokes at its lower end."""
    low, high = axes.get_ylim()
    if low > 0.0 or high < 0.0:
        place: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
        axes.plot([0.0, 0.0], [0.04, 0.07], ls="", marker=[(-1.0, -0.5), (1.0, 0.5)], ms=8, color="black", **place)
