"""Figures of active learning on a peptide draw what they are given, before and after."""

from __future__ import annotations

import numpy as np
import pytest

from cgexp.report.active_figures import (
    BeforeAfter,
    Course,
    CourseOfArm,
    TicaArm,
    TicaRounds,
    before_after_figure,
    course_figure,
    tica_maps_figure,
)

LABELS = [("",), ("a", "b")]


@pytest.mark.parametrize("labels", LABELS)
def test_maps_have_the_same_colours_and_the_new_frames(labels: tuple[str, ...]) -> None:
    energy = np.arange(4.0).reshape(2, 2)
    arm = TicaArm(before=energy + 1.0, after=energy + 2.0, initial=np.zeros((5, 2)), added=np.ones((3, 2)))
    edges = np.array([-1.0, 0.0, 1.0])
    figure = tica_maps_figure(TicaRounds(edges, edges, energy, "truth", highest=5.0, arms=dict.fromkeys(labels, arm)))
    rows = [figure.axes[i : i + 3] for i in range(0, 3 * len(labels), 3)]
    for label, (reference, before, after) in zip(labels, rows, strict=True):
        meshes = [panel.collections[0] for panel in (reference, before, after)]
        assert {mesh.get_clim() for mesh in meshes} == {(0.0, 5.0)}
        assert [mesh.get_array().ravel().tolist() for mesh in meshes] == [
            (energy.T + i).ravel().tolist() for i in range(3)
        ]
        assert [len(before.lines[0].get_xdata()), len(after.lines[0].get_xdata())] == [5, 3]
        assert after.get_title() == (f"{label}: after" if label else "after")


@pytest.mark.parametrize("labels", LABELS)
def test_distributions_of_all_arms_share_a_panel(labels: tuple[str, ...]) -> None:
    x = np.linspace(0.0, 1.0, 4)
    after = {label: (3.0 + i) * x for i, label in enumerate(labels)}
    curve = BeforeAfter(x, "bond", "Å", "truth", reference=x, before=2 * x, after=after)
    figure = before_after_figure(dict.fromkeys(("bond", "angle"), curve))
    drawn = [axes for axes in figure.axes if axes.axison]
    assert len(drawn) == 2
    assert [line.get_ydata()[-1] for line in drawn[0].lines] == [2.0, 3.0, 4.0][: 1 + len(labels)]
    assert drawn[0].get_xlabel() == "bond (Å)"


def course(labels: tuple[str, ...], failed: float) -> Course:
    values = {"w1": np.ones(3), "failed": np.full(3, failed), "energy": -np.ones(3)}
    of_arm = CourseOfArm(**{name: (value, None, None) for name, value in values.items()})
    with_interval = CourseOfArm(**{name: (value, value - 1.0, value + 1.0) for name, value in values.items()})
    before, after = dict.fromkeys(labels, of_arm), dict.fromkeys(labels, with_interval)
    return Course(np.arange(3.0), "ps", "kcal/mol", before, after)


@pytest.mark.parametrize("labels", LABELS)
def test_the_course_shows_both_models_and_says_which(labels: tuple[str, ...]) -> None:
    figure = course_figure(course(labels, 4.0))
    (legend,) = figure.legends
    names = {text.get_text() for text in legend.get_texts()}
    assert names == ({"before", "after"} if labels == ("",) else {"a: after", "b: after", "before"})
    assert [len(panel.lines) for panel in figure.axes] == [2 * len(labels)] * 3
    assert [len(panel.collections) for panel in figure.axes] == [len(labels)] * 3


def test_no_failures_are_a_line_at_the_bottom() -> None:
    panel = course_figure(course(("",), 0.0)).axes[1]
    assert panel.get_ylim()[0] == 0.0
    assert panel.get_ylim()[1] >= 1.0
