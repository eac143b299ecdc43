"""The interval of a mean is Student's, holds the truth as often as it says, and does not exist for one run."""

from __future__ import annotations

import numpy as np
from scipy.stats import ttest_1samp

from cgexp.analysis.bootstrap import mean_and_interval


def test_it_is_that_of_a_t_test() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, (7, 4))
    mean, low, high = mean_and_interval(values)
    expected = ttest_1samp(values, 0.0, axis=0).confidence_interval(0.95)
    np.testing.assert_allclose(mean, values.mean(axis=0))
    np.testing.assert_allclose([low, high], [expected.low, expected.high])


def test_it_holds_the_truth_nineteen_times_of_twenty() -> None:
    _, low, high = mean_and_interval(np.random.default_rng(1).normal(size=(3, 20000)))
    assert low is not None
    assert high is not None
    assert abs(np.mean((low < 0.0) & (high > 0.0)) - 0.95) < 0.006  # four standard errors


def test_one_run_has_none() -> None:
    mean, low, high = mean_and_interval(np.array([[1.0, 2.0]]))
    assert mean.tolist() == [1.0, 2.0]
    assert (low, high) == (None, None)
