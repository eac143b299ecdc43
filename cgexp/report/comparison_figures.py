"""Figures of arms beside each other: learning curves, metrics against parameters, runs by arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.analysis.arms import MORE, Comparison, Setting, direction_of
from cgexp.report.comparison_tables import head_of, text_of
from cgexp.report.style import SERIES, make_log, panels, styled

Array = NDArray[np.float64]
Histories = Mapping[str, Sequence[tuple[Array, Array]]]  # label of an arm -> of each run epochs and losses, [n_epochs]
OTHERS, MEAN = "0.8", "0.15"
MANY = "viridis"
DECADE = 10.0  # largest over smallest value from which on an axis is logarithmic
JITTER = 0.06  # of lines through one value, of the axis
MOST_LINES, MOST_PANELS, MOST_ROWS = len(SERIES), 20, 24
MOST_METRICS, MOST_PARAMETERS, MOST_TICKS = 3, 3, 6


@styled
def learning_curves_figure(histories: Histories, quantity: str, note: str = "") -> Figure:
    """Validation loss over epochs, the mean over the runs of an arm, thin lines the runs; a panel each where many.

    note: what the labels are.
    """
    if len(histories) > MOST_PANELS:
        return _all_curves(histories, quantity)
    if len(histories) <= MOST_LINES:
        figure, (axes,) = panels(1, 1)
        figure.set_size_inches(6.0, 3.8)
        for colour, (label, runs) in zip(SERIES, histories.items(), strict=False):
            _curves(axes, runs, colour, label)
        axes.legend(title=note, title_fontsize=9)
        _loss_axes(figure, [axes], histories, quantity)
        return figure
    n_columns = 4 if len(histories) > 9 else 3
    figure, axes_of = panels(-(-len(histories) // n_columns), n_columns, sharex=True, sharey=True)
    figure.set_size_inches(2.9 * n_columns, 2.2 * (len(axes_of) // n_columns) + 0.4)
    means = {label: _mean_curve(runs) for label, runs in histories.items()}
    for axes, (label, runs) in zip(axes_of, histories.items(), strict=False):
        for mean in means.values():
            axes.plot(*mean, color=OTHERS, lw=0.8, zorder=1)
        _curves(axes, runs, SERIES[0])
        axes.set_title(_cut(label, 34), fontsize=8)
    for axes in axes_of[len(histories) :]:
        axes.set_axis_off()
    if note:
        figure.suptitle(note, fontsize=9)
    _loss_axes(figure, axes_of[: len(histories)], histories, quantity)
    return figure


@styled
def parameters_figure(found: Comparison, units: str) -> Figure:
    """Metrics against each numeric parameter: points are runs, the line joins means; logarithmic over decades."""
    names, metrics = numeric_columns(found)[:MOST_PARAMETERS], found.metrics[:MOST_METRICS]
    figure, axes_of = panels(len(metrics), len(names), sharex="col", sharey="row")
    figure.set_size_inches(3.6 * len(names) + 0.6, 2.5 * len(metrics) + 0.5)
    for row, metric in enumerate(metrics):
        for column, name in enumerate(names):
            axes = axes_of[row * len(names) + column]
            by_value = _by_value(found, name, metric)
            places = np.repeat(list(by_value), [len(results) for results in by_value.values()])
            axes.plot(places, [*chain(*by_value.values())], "o", ms=3.5, color=SERIES[0], alpha=0.45, mew=0)
            means = [float(np.mean(results)) for results in by_value.values()]
            axes.plot(list(by_value), means, "-", color=MEAN, lw=1.4)
            axes.set_xscale(scale_of(list(by_value)))
            if len(by_value) <= MOST_TICKS:
                axes.set_xticks(list(by_value), [f"{value:.3g}" for value in by_value])
                axes.minorticks_off()
            axes.set_yscale(scale_of([result for results in by_value.values() for result in results]))
            if row == len(metrics) - 1:
                axes.set_xlabel(name)
            if column == 0:
                axes.set_ylabel(head_of(metric, units).replace(" (", "\n("))
    return figure


@styled
def plane_of_parameters_figure(found: Comparison, units: str) -> Figure:
    """Means of a metric over the values of two parameters; other parameters, if there are any, are averaged over."""
    x, y = plane_columns(found)
    metric = found.metrics[0]
    values_x, values_y, means = plane(found, x, y, metric)
    figure, (axes,) = panels(1, 1)
    figure.set_size_inches(max(4.6, 1.8 + 0.75 * len(values_x)), max(3.2, 1.4 + 0.45 * len(values_y)))
    cmap = MANY if direction_of(metric) == MORE else f"{MANY}_r"
    mesh = axes.imshow(means, origin="lower", aspect="auto", cmap=cmap)
    axes.set_xticks(range(len(values_x)), [_cut(text_of(value), 16) for value in values_x])
    axes.set_yticks(range(len(values_y)), [_cut(text_of(value), 20) for value in values_y])
    axes.spines[:].set_visible(False)
    axes.set(xlabel=x, ylabel=y)
    if means.size <= 100:
        for (row, column), mean in np.ndenumerate(means):
            if np.isfinite(mean):
                shade = np.mean(mesh.to_rgba(np.array([mean]))[0, :3])
                colour = "white" if shade < 0.5 else "black"
                axes.text(column, row, f"{mean:.3g}", ha="center", va="center", color=colour, fontsize=8)
    figure.colorbar(mesh, ax=axes, label=head_of(metric, units))
    return figure


@styled
def parallel_figure(found: Comparison, units: str) -> Figure:
    """A line for each arm through its parameters and its mean metrics, coloured by the first metric."""
    metrics = found.metrics[:MOST_METRICS]
    axes_of = [(name, [arm.settings[name] for arm in found.arms]) for name in found.columns]
    axes_of += [(head_of(name, units), [_mean(found, i, name) for i in range(len(found.arms))]) for name in metrics]
    places, ticks = zip(*(_along_axis(values) for _, values in axes_of), strict=True)
    figure, (axes,) = panels(1, 1)
    figure.set_size_inches(max(6.0, 1.5 * len(axes_of) + 1.2), 4.2)
    first = np.array([_mean(found, i, metrics[0]) for i in range(len(found.arms))])
    norm, cmap = Normalize(np.nanmin(first), np.nanmax(first)), colormaps[MANY]
    order = [i for i in reversed(best_first(found)) if np.isfinite(first[i])]
    for rank, i in enumerate(order):
        aside = JITTER * (rank / max(len(order) - 1, 1) - 0.5)  # so that lines through one value are told apart
        heights = [along[i] + aside * (len(set(along)) < len(along)) for along in places]
        axes.plot(range(len(axes_of)), heights, "-", color=cmap(norm(first[i])), lw=1.1)
    for place, marks in enumerate(ticks):
        axes.axvline(place, color="0.4", lw=0.8)
        for height, text in marks:
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.0}
            axes.text(place - 0.04, height, _cut(text, 14), ha="right", va="center", fontsize=8, bbox=box)
    axes.set_xticks(range(len(axes_of)), [name.replace(" (", "\n(") for name, _ in axes_of])
    axes.set(yticks=[], xlim=(-0.55, len(axes_of) - 0.9))
    axes.spines[:].set_visible(False)
    figure.colorbar(ScalarMappable(norm, cmap), ax=axes, label=head_of(metrics[0], units), pad=0.02)
    return figure


@styled
def runs_by_arm_figure(found: Comparison, units: str) -> Figure:
    """Every run of each arm as a point, a bar at their mean; the baseline is grey. Of many arms, the best."""
    metrics = found.metrics[: MOST_METRICS if len(found.arms) > MOST_PANELS else 2 * MOST_METRICS]
    shown = best_first(found)[:MOST_ROWS]
    shown = sorted(shown) if len(found.arms) <= MOST_ROWS else shown
    n_columns = min(len(metrics), 3)
    figure, axes_of = panels(-(-len(metrics) // n_columns), n_columns, sharey=True)
    height = 0.9 + 0.24 * len(shown)
    figure.set_size_inches(2.7 * n_columns + 2.0, height * (len(axes_of) // n_columns) + 0.3)
    for axes, metric in zip(axes_of, metrics, strict=False):
        values = [list(found.arms[i].values(metric).values()) for i in shown]
        rows = np.repeat(range(len(shown)), [len(of_arm) for of_arm in values])
        every, is_baseline = np.array([*chain(*values)]), np.array(shown)[rows] == found.baseline
        for chosen, colour in ((~is_baseline, SERIES[0]), (is_baseline, "0.55")):
            axes.plot(every[chosen], rows[chosen], "o", ms=4, color=colour, alpha=0.6, mew=0)
        known = [row for row, of_arm in enumerate(values) if of_arm]
        means = [float(np.mean(values[row])) for row in known]
        axes.vlines(means, np.array(known) - 0.32, np.array(known) + 0.32, color=MEAN, lw=1.6, zorder=3)
        axes.set_xscale(scale_of(list(every)))
        axes.set_xlabel(head_of(metric, units))
        axes.tick_params(axis="y", length=0, labelsize=8)
        axes.grid(axis="y", color="0.92")
        axes.set_axisbelow(True)
    labels, note = short_labels(found)
    axes_of[0].set_yticks(range(len(shown)), [_cut(labels[i], 44) for i in shown])
    for axes in axes_of[::n_columns]:
        axes.set_ylabel(note)
    axes_of[0].set_ylim(len(shown) - 0.4, -0.6)
    for axes in axes_of[len(metrics) :]:
        axes.set_axis_off()
    return figure


def short_labels(found: Comparison) -> tuple[list[str], str]:
    """What the arms are called where there is little room, and what that is: the values alone of several settings."""
    if len(found.columns) < 2:
        return [arm.label for arm in found.arms], ""
    rows = ([text_of(arm.settings[name]) for name in found.columns] for arm in found.arms)
    return [", ".join(_cut(value, 18) for value in row) for row in rows], ", ".join(found.columns)


def numeric_columns(found: Comparison) -> list[str]:
    """The settings that are numbers in every arm that has them, of two or more values; the most values first."""
    values = {name: {arm.settings[name] for arm in found.arms} - {None} for name in found.columns}
    numbers = [name for name, seen in values.items() if len(seen) > 1 and all(map(_is_number, seen))]
    return sorted(numbers, key=lambda name: -len(values[name]))


def plane_columns(found: Comparison) -> tuple[str, ...]:
    """The two settings with the most values, of those of which a grid is at least half filled; empty if none are."""
    values = {name: {arm.settings[name] for arm in found.arms} for name in found.columns}
    names = sorted(found.columns, key=lambda name: -len(values[name]))
    for i, x in enumerate(names):
        for y in names[i + 1 :]:
            pairs = {(arm.settings[x], arm.settings[y]) for arm in found.arms}
            if 2 * len(pairs) >= len(values[x]) * len(values[y]):
                return x, y
    return ()


def plane(found: Comparison, x: str, y: str, metric: str) -> tuple[list[Setting], list[Setting], Array]:
    """The values of two settings, sorted, and means [n_y, n_x] of a metric over all runs there; NaN where none is."""
    values_x, values_y = ([*sorted({arm.settings[name] for arm in found.arms}, key=_order)] for name in (x, y))
    runs: dict[tuple[Setting, Setting], list[float]] = {}
    for arm in found.arms:
        runs.setdefault((arm.settings[x], arm.settings[y]), []).extend(arm.values(metric).values())
    means = np.full((len(values_y), len(values_x)), np.nan)
    for row, b in enumerate(values_y):
        for column, a in enumerate(values_x):
            if here := runs.get((a, b)):
                means[row, column] = np.mean(here)
    return values_x, values_y, means


def best_first(found: Comparison) -> list[int]:
    """The arms by the mean of the first metric, the best first; the smallest first where neither way is better."""
    sign = -1.0 if direction_of(found.metrics[0]) == MORE else 1.0
    means = [sign * _mean(found, i, found.metrics[0]) for i in range(len(found.arms))]
    return sorted(range(len(means)), key=lambda i: (not np.isfinite(means[i]), means[i]))


def scale_of(values: Sequence[float]) -> str:
    """``log`` for positive numbers over a decade or more, else ``linear``."""
    finite = [value for value in values if np.isfinite(value)]
    return "log" if finite and min(finite) > 0.0 and max(finite) >= DECADE * min(finite) else "linear"


def _all_curves(histories: Histories, quantity: str) -> Figure:
    """The mean curves of very many arms in one panel, coloured by where they end."""
    means = [_mean_curve(runs) for runs in histories.values()]
    last = np.array([losses[-1] for _, losses in means])
    norm, cmap = Normalize(*np.quantile(last, [0.0, 0.9])), colormaps[MANY]
    figure, (axes,) = panels(1, 1)
    figure.set_size_inches(6.4, 4.0)
    for i in np.argsort(-last):
        axes.plot(*means[i], color=cmap(norm(last[i])), lw=0.9)
    figure.colorbar(ScalarMappable(norm, cmap), ax=axes, label="the last value", extend="max")
    _loss_axes(figure, [axes], histories, quantity)
    return figure


def _curves(axes: Axes, runs: Sequence[tuple[Array, Array]], colour: str, label: str | None = None) -> None:
    for run in runs if len(runs) > 1 else ():
        axes.plot(*run, color=colour, lw=0.6, alpha=0.45, zorder=2)
    axes.plot(*_mean_curve(runs), color=colour, lw=1.8, zorder=3, label=None if label is None else _cut(label, 60))


def _mean_curve(runs: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Epochs that all runs have, and the mean over runs."""
    shortest = min(len(epochs) for epochs, _ in runs)
    return runs[0][0][:shortest], np.mean([losses[:shortest] for _, losses in runs], axis=0)


def _loss_axes(figure: Figure, axes_of: Sequence[Axes], histories: Histories, quantity: str) -> None:
    shown = np.concatenate([losses for runs in histories.values() for _, losses in runs])
    low, high = np.nanmin(shown), np.nanmax(shown)
    for axes in axes_of:
        if low > 0.0 and high > 5.0 * low:
            make_log(axes.yaxis)
    figure.supxlabel("epoch", fontsize=10)
    figure.supylabel(quantity, fontsize=10)


def _by_value(found: Comparison, name: str, metric: str) -> dict[float, list[float]]:
    """Value of a numeric setting -> the metric of all runs with it, sorted by value."""
    by_value: dict[float, list[float]] = {}
    for arm in found.arms:
        value = arm.settings[name]
        if _is_number(value):
            by_value.setdefault(float(value), []).extend(arm.values(metric).values())  # type: ignore[arg-type]
    return {value: results for value, results in sorted(by_value.items()) if results}


def _along_axis(values: Sequence[Setting]) -> tuple[list[float], list[tuple[float, str]]]:
    """Heights between 0 and 1 of values on an axis of their own, and a few ticks: (height, text)."""
    if all(_is_number(value) for value in values):
        numbers = np.array(values, dtype=np.float64)
        is_log = scale_of(list(numbers)) == "log"
        shown = np.log10(numbers) if is_log else numbers
        low, high = np.nanmin(shown), np.nanmax(shown)
        width = high - low or 1.0
        ticks = np.unique(shown) if len(np.unique(shown)) <= MOST_TICKS else np.linspace(low, high, 5)
        marks = [(float((t - low) / width), f"{10.0**t if is_log else t:.3g}") for t in ticks]
        return [float(h) for h in (shown - low) / width], marks
    known = sorted(set(values), key=_order)
    heights = dict(zip(known, np.linspace(0.0, 1.0, max(len(known), 2)), strict=False))
    return [float(heights[value]) for value in values], [(float(heights[value]), text_of(value)) for value in known]


def _mean(found: Comparison, i: int, metric: str) -> float:
    spread = found.spreads[i].get(metric)
    return float("nan") if spread is None else spread.mean


def _is_number(value: Setting) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _order(value: Setting) -> tuple[int, float, str]:
    if value is None:
        return 0, 0.0, ""
    return (1, float(value), "") if isinstance(value, int | float) else (2, 0.0, value)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
