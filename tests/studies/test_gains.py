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


def test_gains_are_drawn_with_a_line_where_nothing_is_gained() -> None:
    (axes,) = gains_figure({"over none": {"far": [0.5, 1.0, 0.5], "near": [0.1]}}, "gain", "Å").axes
    assert any(np.allclose(line.get_ydata(), 0.0) for line in axes.lines)
