"""Bad configs are refused in one sentence that names the key, whichever key and whatever stands there."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from tests.fuzz.cases import ABSENT, Case, all_bases, bad_values, cases, some_bases
from tests.fuzz.judge import judge, verdicts

N_SAMPLED = 300  # of the default tests; `make test-slow` tries all
# answers that are not yet as they should be: why, and which cases these are
NOT_YET: dict[str, Callable[[Case], bool]] = {
    "a number beyond reason reaches torch, or is accepted": lambda case: is_huge(case.value),
    "an empty mapping stands for an object": lambda case: case.value == {},
    "a group is taken away": lambda case: case.value is ABSENT and len(case.path) == 1,
    "a long text is repeated whole": lambda case: isinstance(case.value, str) and len(case.value) > 1000,
    "true equals 1 where values are listed": lambda case: case.value is True and case.path[-1] == "n_dims",
    "the sentence names the time step that follows from it": lambda case: case.path[-1] in FACTS_OF_BONDS,
}
FACTS_OF_BONDS = ("stiffness", "lightest_mass")


def is_huge(value: object) -> bool:
    """Whether a value is a number that no experiment has."""
    return isinstance(value, int | float) and not 1e-200 < abs(value) < 2**31 and value != 0


def wrong(found: Sequence[Case]) -> list[str]:
    """What is wrong with the answers to cases, a line each; without what is known to be."""
    failed = [verdict for verdict in verdicts(found) if verdict.wrong]
    unknown = [verdict for verdict in failed if not any(known(verdict.case) for known in NOT_YET.values())]
    return [f"{verdict.wrong}: {verdict.case}\n    {verdict.answer}" for verdict in unknown]


def test_a_sample_of_bad_configs_is_refused_in_a_sentence() -> None:
    some = [case for case in cases(some_bases()) if not any(known(case) for known in NOT_YET.values())]
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
    assert judge(case, 2, good, "") == ""
    assert judge(case, 1, good, "") == "exit code 1"
    assert judge(case, 0, "", "") == "accepted nonsense"
    assert judge(case, 2, "cgexp: something is wrong\n", "") == "without the key's name"
    assert judge(case, 2, good + good, "") == "not one sentence"
    assert judge(case, 2, f"cgexp: width {'a' * 2000}\n", "") == "a sentence of more than 2,000 letters"
    assert "finite" in judge(Case((), ("a",), 1.0, False), 0, "", "forces [64, 1, 1], finite: False")


def test_a_case_changes_its_key_alone() -> None:
    config = {"a": {"b": 1, "c": 2}}
    assert Case((), ("a", "b"), 3, False).apply(config) == {"a": {"b": 3, "c": 2}}
    assert Case((), ("a", "b"), ABSENT, False).apply(config) == {"a": {"c": 2}}
    assert config == {"a": {"b": 1, "c": 2}}


@pytest.mark.parametrize("value", [True, 1, 1.0, "a", [1], {"_target_": "a"}, None])
def test_nothing_that_belongs_to_a_key_is_called_nonsense(value: object) -> None:
    nonsense = [bad for bad, is_nonsense in bad_values(value) if is_nonsense]
    assert value not in [bad for bad in nonsense if type(bad) is type(value)]
