"""Figures and numbers of the experiment. Drawing is in figure_3.py, leak_figure.py, learning_figures.py and
cross_validation_figure.py; computing in the other modules."""

from __future__ import annotations

from matplotlib.figure import Figure

from cgexp.studies.results import Results

from . import cross_validation_figure, figure_3, leak_figure, learning_figures
from .findings import all_numbers, by_name


def numbers(results: Results) -> dict[str, list[float]]:
    """What expected.yaml bounds beside the metrics of the runs."""
    return by_name(all_numbers(results))


def figures(results: Results) -> dict[str, Figure]:
    """Name -> figure."""
    found = all_numbers(results)
    return {
        "figure_3": figure_3.draw(found, figure_3.dots(results)),
        "leaks": leak_figure.draw(found, leak_figure.rates(results)),
        "cross_validation": cross_validation_figure.draw(cross_validation_figure.scores(results, found)),
        "learning_curves": learning_figures.learning_curves(found),
        "decomposition": learning_figures.decomposition(found),
    }
