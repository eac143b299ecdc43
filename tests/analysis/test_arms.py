"""Arms of runs: the statistics are scipy's, and what is marked is what they allow."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cgexp.analysis.arms import LESS, MORE, ArmRuns, Spread, compare_arms, direction_of, paired
from cgexp.analysis.bootstrap import holm, p_of_mean

RNG = np.random.default_rng(0)
BASE = RNG.normal(5.0, 1.0, 8)
NOISE = np.array([0.3, -0.2, 0.1, -0.4, 0.2, -0.3, 0.4, -0.1])
NEAR, FAR = BASE - 0.01 + NOISE, BASE - 4.0 + NOISE[::-1]


def arm(label: str, values: object, seeds: object = None, metric: str = "w1_x") -> ArmRuns:
    found = np.asarray(values, dtype=float)
    keys = range(len(found)) if seeds is None else seeds
    return ArmRuns(label, {"arm": label}, {(key,): {metric: float(v)} for key, v in zip(keys, found, strict=True)})  # type: ignore[call-overload]


def test_p_values_are_scipys() -> None:
    for values in (BASE - NEAR, BASE - FAR, RNG.normal(size=(5, 3))):
        assert p_of_mean(values) == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue)
    assert p_of_mean(np.array([2.0])) == 1.0
    assert p_of_mean(np.array([0.0, 0.0])) == 1.0
    assert p_of_mean(np.array([0.3, 0.3, 0.3])) == 0.0


@pytest.mark.parametrize(
    ("p", "corrected"),
    [
        # by hand: 3 x 0.01, 2 x 0.02, 1 x 0.03 and no less than the one before
        ([0.01, 0.03, 0.02], [0.03, 0.04, 0.04]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.04], [0.04]),
        ([], []),
    ],
)
def test_holms_correction_is_that_of_the_paper(p: list[float], corrected: list[float]) -> None:
    assert holm(np.array(p)) == pytest.approx(np.array(corrected))


def test_more_tests_than_were_done_may_be_corrected_for() -> None:
    assert holm(np.array([0.001, 0.01]), n_tests=6) == pytest.approx(np.array([0.006, 0.05]))


def test_differences_are_scipys_paired_test() -> None:
    found = compare_arms([arm("base", BASE), arm("near", NEAR), arm("far", FAR)], ["arm"], ["w1_x"], 0)
    p = [stats.ttest_rel(other, BASE).pvalue for other in (NEAR, FAR)]
    near, far = found.differences[1]["w1_x"], found.differences[2]["w1_x"]
    low, high = stats.ttest_rel(NEAR, BASE).confidence_interval(0.95)
    assert (near.n, near.mean) == (8, pytest.approx(np.mean(NEAR - BASE)))
    assert (near.low, near.high) == (pytest.approx(low), pytest.approx(high))
    assert [near.p, far.p] == pytest.approx(p)
    assert [near.p_holm, far.p_holm] == pytest.approx([p[0], 2 * p[1]])
    assert found.differences[0] == {}
    assert (near.is_significant, far.is_significant) == (False, True)
    assert found.spreads[0]["w1_x"] == Spread(8, pytest.approx(BASE.mean()), pytest.approx(BASE.std(ddof=1)))


def test_only_seeds_of_both_are_paired() -> None:
    first, second = arm("a", [1.0, 2.0, 3.0], [1, 2, 3]), arm("b", [5.0, 7.0, 9.0], [3, 2, 9])
    assert paired(first, second, "w1_x") == [-5.0, -2.0]
    none = compare_arms([first, arm("c", [1.0, 2.0], [8, 9])], ["arm"], ["w1_x"], 0)
    assert none.differences == ({}, {})
    assert none.best == {}


def test_the_best_is_marked_only_where_it_beats_every_other_arm() -> None:
    far, near, base = arm("far", FAR), arm("near", NEAR), arm("base", BASE)
    assert compare_arms([base, far], ["arm"], ["w1_x"], 0).best == {"w1_x": 1}
    assert compare_arms([base, near, far], ["arm"], ["w1_x"], 0).best == {"w1_x": 2}
    assert compare_arms([base, near], ["arm"], ["w1_x"], 0).best == {}
    assert compare_arms([far, arm("as far", FAR + RNG.normal(0.0, 0.5, 8))], ["arm"], ["w1_x"], 0).best == {}


def test_the_best_is_corrected_for_all_pairs() -> None:
    """Of ten arms that are alike, one is seldom found best: in less than one case of twenty."""
    rng = np.random.default_rng(1)
    found = [
        compare_arms([arm(str(i), rng.normal(size=5)) for i in range(10)], ["arm"], ["w1_x"], 0).best
        for _ in range(100)
    ]
    assert sum(map(bool, found)) <= 5


def test_a_metric_of_which_more_is_better_has_its_best_at_the_top() -> None:
    arms = [arm("slow", BASE, metric="round_trips"), arm("fast", BASE + 9.0 + NEAR, metric="round_trips")]
    assert compare_arms(arms, ["arm"], ["round_trips"], 0).best == {"round_trips": 1}
    shares = [arm("a", FAR, metric="folded_fraction"), arm("b", BASE, metric="folded_fraction")]
    assert compare_arms(shares, ["arm"], ["folded_fraction"], 0).best == {}


def test_what_is_not_finite_counts_for_nothing() -> None:
    found = compare_arms([arm("a", [1.0, np.nan, 3.0]), arm("b", [2.0, 9.0, np.inf])], ["arm"], ["w1_x"], 0)
    assert found.spreads[0]["w1_x"].n == 2
    assert found.spreads[1]["w1_x"] == Spread(2, 5.5, pytest.approx(3.5 * 2**0.5))
    assert found.differences[1] == {}


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("loss_validation", LESS),
        ("loss_noise_floor", None),
        ("w1_tica", LESS),
        ("w1_tica_sem", None),
        ("w1_rg_resolution", None),
        ("train_frames_per_second", MORE),
        ("folded_fraction", None),
        ("something_of_ones_own", None),
    ],
)
def test_directions(metric: str, direction: int | None) -> None:
    assert direction_of(metric) == direction
