"""Bad configs are refused in one sentence that names the key, whichever key and whatever stands there."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from tests.fuzz.cases import ABSENT, Case, all_bases, bad_values, cases, some_bases
from tests.fuzz.judge import judge, verdicts

N_SAMPLED = 150  # of the default tests; `make test-slow` tries all


def wrong(found: Sequence[Case]) -> list[str]:
    """What is wrong with the answers to cases, a line each."""
    failed = [verdict for verdict in verdicts(found) if verdict.wrong]
    return [f"{verdict.wrong}: {verdict.case}\n    {verdict.answer}" for verdict in failed]


def test_a_sample_of_bad_configs_is_refused_in_a_sentence() -> None:
    some = list(cases(some_bases()))
    assert len(some) > 2000
    assert wrong(random.Random(0).sample(some, N_SAMPLED)) == []


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_every_bad_config_is_refused_in_a_sentence() -> None:
    every = list(cases(all_bases()))
    assert len(every) > 3500
    assert wrong(every) == []


def test_each_fault_of_an_answer_is_seen() -> None:
    case = Case((), ("model", "width"), "nonsense", True)
    good = "cgexp: model.width=nonsense is not valid: expected a positive integer\n"
    assert judge(case, 2, good) == ""
    assert judge(case, 1, good) == "exit code 1"
    assert judge(case, 0, "") == "accepted nonsense"
    assert judge(case, 2, "cgexp: something is wrong\n") == "without the key's name"
    assert judge(case, 2, good + good) == "not one sentence"
    assert judge(case, 2, f"cgexp: width {'a' * 2000}\n") == "a sentence of more than 2,000 letters"


def test_a_case_changes_its_key_alone() -> None:
    config = {"a": {"b": 1, "c": 2}}
    assert Case((), ("a", "b"), 3, False).apply(config) == {"a": {"b": 3, "c": 2}}
    assert Case((), ("a", "b"), ABSENT, False).apply(config) == {"a": {"c": 2}}
    assert config == {"a": {"b": 1, "c": 2}}


@pytest.mark.parametrize("value", [True, 1, 1.0, "a", [1], {"_target_": "a"}, None])
def test_nothing_that_belongs_to_a_key_is_called_nonsense(value: object) -> None:
    nonsense = [bad for bad, is_nonsense in bad_values(value) if is_nonsense]
    assert value not in [bad for bad in nonsense if type(bad) is type(value)]
