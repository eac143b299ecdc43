"""Figures of active learning draw what they are given, and say what has a level below which nothing is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from cgexp.report.active_figures import (
    PmfArm,
    PmfRounds,
    RoundsOfQuantity,
    arms_figure,
    pmf_rounds_figure,
    rounds_figure,
)
from cgexp.runs.active_figures import round_curves

ARMS = dict.fromkeys(("none", "far"), ([3.0, 2.0], None, None))


def curve(**changed: Any) -> RoundsOfQuantity:
    arms = {"one": (np.array([2.0, 1.0]), np.array([1.5, 0.5]), np.array([2.5, 1.5])), "other": ([3.0], None, None)}
    return replace(RoundsOfQuantity("W1", "Å", log=False, resolution=0.5, arms=arms), **changed)


def test_a_panel_for_each_quantity_and_one_legend() -> None:
    figure = rounds_figure([curve(), curve(log=True, resolution=None), curve(), curve()])
    drawn = [axes for axes in figure.axes if axes.axison]
    assert len(drawn) == 4
    assert [axes.get_yscale() for axes in drawn] == ["linear", "log", "linear", "linear"]
    assert drawn[0].get_ylabel() == "W1 (Å)"
    assert drawn[0].lines[0].get_ydata().tolist() == [2.0, 1.0]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["one", "other", "resolution"]


def test_a_single_run_needs_no_name() -> None:
    figure = rounds_figure([curve(resolution=None, arms={"": ([1.0, 2.0], None, None)})])
    assert not figure.legends


def test_arms_have_panels_of_their_own_beside_one_of_them() -> None:
    values = ([3.0, 2.0], [2.5, 1.5], [3.5, 2.5])
    figure = arms_figure([curve(arms=dict.fromkeys(("none", "random", "far"), values))] * 2, "none")
    assert len(figure.axes) == 4
    assert [axes.get_title() for axes in figure.axes] == ["random", "far", "", ""]
    assert all(len(axes.lines) == 3 and axes.get_ylim()[0] == 0.0 for axes in figure.axes)


def test_what_the_reference_has_is_a_line_of_its_own() -> None:
    quantities = [curve(), curve(resolution=None, reference=0.4)]
    for figure in (rounds_figure(quantities), arms_figure([replace(one, arms=ARMS) for one in quantities], "none")):
        assert [axes.lines[-1].get_ydata()[0] for axes in figure.axes if axes.axison] == [0.5, 0.4]
        assert [text.get_text() for text in figure.legends[0].get_texts()][-2:] == ["resolution", "reference"]


def test_a_resolution_is_no_level_of_what_the_reference_has_itself() -> None:
    metrics = {"folded_fraction": 0.2, "folded_fraction_reference": 0.4, "folded_fraction_resolution": 0.02}
    done = Mock(metrics=metrics, numbers=lambda: {**metrics, "w1_tica": 1.0})
    (w1, folded) = round_curves({"": [[done, done]]}, "molecular")
    assert (w1.name, w1.reference, w1.resolution) == ("W1 in the TICA plane", None, None)
    assert (folded.name, folded.reference, folded.resolution) == ("folded fraction", 0.4, None)


@pytest.mark.parametrize("labels", [("a",), ("a", "b")])
def test_added_frames_are_coloured_by_their_round(labels: tuple[str, ...]) -> None:
    x = np.linspace(-1.0, 1.0, 5)
    arm = PmfArm(before=x, after=-x, added_x=np.array([0.0, 0.5]), added_round=np.array([0, 1]))
    figure = pmf_rounds_figure(PmfRounds(x, x**2, initial_x=x[:2], n_rounds=2, arms=dict.fromkeys(labels, arm)))
    panels = figure.axes[: len(labels)]
    assert [axes.get_title() for axes in panels] == (list(labels) if len(labels) > 1 else [""])
    added = panels[0].collections[0]
    assert added.get_array().tolist() == [0, 1]
    assert added.get_offsets()[:, 0].tolist() == [0.0, 0.5]
