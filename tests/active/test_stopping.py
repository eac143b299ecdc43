"""Budgets and stop rules."""

from __future__ import annotations

import pytest

from cgexp.active.round import Round
from cgexp.active.settings import ActiveLearning, n_affordable, seconds_left, spent_calls, spent_seconds, stop_reason
from cgexp.errors import InputError
from tests.active.fakes import round_with


def rounds(*w1: float, calls: int = 10, seconds: float = 1.0) -> list[Round]:
    return [round_with(oracle_calls=calls, oracle_s=seconds, metrics={"w1_tica": value}) for value in w1]


def test_the_rounds_come_to_an_end() -> None:
    settings = ActiveLearning(n_rounds=2)
    assert stop_reason(settings, rounds(1.0), {}, 1.0) is None
    assert stop_reason(settings, rounds(1.0, 1.0), {}, 1.0) == "all 2 rounds are done"


def test_the_last_round_gets_what_is_left_of_the_budget() -> None:
    settings = ActiveLearning(n_per_round=20, budget_calls=25)
    assert n_affordable(settings, []) == 20
    assert n_affordable(settings, rounds(1.0)) == 15
    assert n_affordable(settings, rounds(1.0, 1.0)) == 5
    assert stop_reason(settings, rounds(1.0, calls=25), {}, 1.0) == "the budget of 25 configurations is spent"
    assert n_affordable(ActiveLearning(n_per_round=20), rounds(1.0)) == 20


def test_seconds_of_the_oracle() -> None:
    settings = ActiveLearning(budget_s=2.5)
    assert seconds_left(settings, rounds(1.0)) == 1.5
    assert stop_reason(settings, rounds(1.0, 1.0), {}, 1.0) is None
    assert stop_reason(settings, rounds(1.0, 1.0, 1.0), {}, 1.0) == "the budget of 2.5 CPU seconds is spent"
    assert seconds_left(ActiveLearning(), rounds(1.0)) is None
    assert spent_seconds(rounds(1.0, 1.0)) == 2.0
    assert spent_calls(rounds(1.0, 1.0)) == 20


def test_a_covered_pool_ends_it() -> None:
    settings = ActiveLearning(stop_coverage=0.5)
    assert stop_reason(settings, [], {}, 0.6) is None
    assert (
        stop_reason(settings, [], {}, 0.5)
        == "every candidate is within 0.5 of a frame that is labelled or was asked for"
    )


@pytest.mark.parametrize(
    ("before", "now", "goes_on"),
    [
        ((2.0,), 2.0, True),  # too early to say
        ((2.0, 1.9), 1.6, True),  # gained more than 0.3 in two rounds
        ((2.0, 1.9), 1.8, False),
        ((2.0, 1.0, 1.1), 1.2, False),  # the gain is two rounds ago
        ((2.0, 2.1, 1.5), 1.9, True),  # one of the last two gained
    ],
)
def test_a_metric_that_no_longer_gains_more_than_its_resolution(
    before: tuple[float, ...], now: float, goes_on: bool
) -> None:
    settings = ActiveLearning(stop_metric="w1_tica", stop_patience=2, n_rounds=10)
    for metrics in ({"w1_tica_resolution": 0.3}, {"w1_tica_sem": 0.15}):
        reason = stop_reason(settings, rounds(*before), {"w1_tica": now, **metrics}, 1.0)
        assert (reason is None) == goes_on


def test_a_metric_that_does_not_exist() -> None:
    with pytest.raises(InputError, match=r"stop_metric=w1_tico .*did you mean 'w1_tica'"):
        stop_reason(ActiveLearning(stop_metric="w1_tico"), [], {"w1_tica": 1.0}, 1.0)
