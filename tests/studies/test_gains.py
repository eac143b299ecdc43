"""Paired gains: their interval is Student's, and what cannot be bounded is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cgexp.studies.gains import gains_figure, paired_gain


def test_the_interval_is_that_of_the_paired_differences() -> None:
    control, arm = np.array([1.0, 2.0, 4.0]), np.array([0.5, 1.0, 3.5])
    found = paired_gain("far.w1_gain", control, arm)
    expected = stats.ttest_rel(control, arm).confidence_interval(0.95)
    assert found["far.w1_gain"] == [0.5, 1.0, 0.5]
    assert found["far.w1_gain_low"] == pytest.approx([expected.low])
    assert found["far.w1_gain_high"] == pytest.approx([expected.high])


@pytest.mark.parametrize("control", [[1.0], [1.0, np.inf], [np.inf, np.inf]])
def test_one_seed_or_an_infinite_value_bounds_nothing(control: list[float]) -> None:
    found = paired_gain("gain", control, [np.inf] * len(control))
    assert found["gain_low"] == [-np.inf]
    assert found["gain_high"] == [np.inf]


def test_every_arm_has_a_line_and_every_control_a_panel() -> None:
    gains = {"far": [0.5, 1.0, 0.5], "near": [0.1]}
    figure = gains_figure({"over none": gains, "over random": {"near": [0.1]}}, "gain", "Å")
    none, random = figure.axes
    assert [label.get_text() for label in none.get_yticklabels()] == ["near", "far"]
    assert len(none.collections) == 1, "one seed has no interval"
    assert random.get_title() == "over random"
    assert figure.get_supxlabel() == "gain (Å)"
