"""Densities of arms beside their reference, which has an error of its own."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cgexp.analysis.curves import Distribution
from cgexp.report.side_by_side_figures import Lines, learning_figure, lines_figure, points_figure
from cgexp.studies import side_by_side

X = np.linspace(0.0, 1.0, 5)


def made_up(monkeypatch: pytest.MonkeyPatch, **reference: Any) -> Any:
    """Results of one arm with two runs."""
    density = Distribution(X, "RMSD", "Å", "some_ensemble", X, **reference)
    curves = [SimpleNamespace(distributions={"rmsd": replace(density, model=model * X)}) for model in (1.0, 3.0)]
    monkeypatch.setattr(side_by_side, "_curves", lambda run: curves[run])
    return SimpleNamespace(runs=lambda arm: [0, 1], arm=lambda name: SimpleNamespace(label="An arm"))


def test_the_reference_has_its_standard_error_and_an_arm_its_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    results = made_up(monkeypatch, reference_sem=0.1 * X)
    curves = side_by_side.densities(results, ["arm"], ["rmsd"])["rmsd"].curves
    np.testing.assert_allclose(curves["some_ensemble"], (X, 0.1 * X))
    np.testing.assert_allclose(curves["An arm"], (2.0 * X, np.sqrt(2.0) * X))


def test_curves_of_an_older_run_have_no_error_of_the_reference_and_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    found = side_by_side.densities(made_up(monkeypatch), ["arm"], ["rmsd"])
    assert np.isnan(found["rmsd"].curves["some_ensemble"][1]).all(), "it is not known, which is not zero"
    lines_figure(found, "density", "", "bands").canvas.draw()


def test_a_legend_of_many_long_names_stays_within_its_figure() -> None:
    x = np.linspace(0.0, 1.0, 3)
    labels = [f"a student of the kind that has a long name {i}" for i in range(6)]
    curves = Lines(x, "IC 1", "", dict.fromkeys(labels, (x, 0.0 * x)))
    points = {label: [1.0, 2.0] for label in labels}
    for figure in (lines_figure({"1": curves, "2": curves}, "free energy", "kT", "bands"),
                   points_figure(dict.fromkeys("abcdefgh", points), "W1", "", ("two runs", 1.0))):  # fmt: skip
        figure.canvas.draw()
        (legend,) = figure.legends
        box, whole = legend.get_window_extent(), figure.bbox
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1


@pytest.mark.parametrize(("lowest", "n_marks"), [(2.5, 1), (0.0, 0)])
def test_an_axis_that_leaves_zero_out_is_seen_to_be_broken(lowest: float, n_marks: int) -> None:
    values = np.array([[lowest, 2.6], [2.7, 2.8]])
    points = points_figure({"a": {"one": values[0].tolist()}, "b": {"one": values[1].tolist()}}, "error", "")
    curves = learning_figure({"one": (np.array([10.0, 100.0]), values)}, "error", "", {})
    for axes in (*points.axes, *curves.axes):
        marks = [line for line in axes.lines if line.get_transform() == axes.transAxes]
        assert len(marks) == n_marks
        assert axes.get_ylim()[0] > 0.0 or not marks
