"""What a search is told: defaults, and a sentence for each mistake."""

from __future__ import annotations

from typing import Any

import pytest

from cgexp.config.compose import Config
from cgexp.errors import InputError
from cgexp.studies.search.settings import Settings, read_settings, sorted_words


def config(**trainer: Any) -> Config:
    return {
        "choices": {"experiment": "toy_cgnet"},
        "seed": 3,
        "trainer": {"max_epochs": 12, "validation_fraction": 0.1, **trainer},
        "active": None,
    }


def settings(*words: str, **trainer: Any) -> Settings:
    objective = [] if any(word.startswith("objective=") for word in words) else ["objective=w1_x"]
    given, overrides = sorted_words([*objective, *words])
    return read_settings(given, overrides, config(**trainer))


def test_defaults() -> None:
    found = settings()
    assert (found.space, found.direction, found.sampler, found.pruner) == ("toy_cgnet", "minimize", "tpe", "none")
    assert (found.seeds, found.n_jobs, found.timeout, found.confirm, found.min_epochs) == ((3,), 1, None, 0, 3)
    assert found.name.startswith("toy_cgnet-")


def test_what_is_given_is_taken() -> None:
    found = settings(
        "seeds=[1,2]", "constraints=replicas_failed=0 and w1_x<0.5", "timeout=60", "pruner=halving", "min_epochs=2",
        "direction=maximize", "name=mine", "n_trials=7", "n_jobs=2", "confirm=5", "sampler=gp",
    )  # fmt: skip
    assert found.seeds == (1, 2)
    assert [(one.key, one.sign, one.value) for one in found.constraints] == [
        ("replicas_failed", "=", 0.0),
        ("w1_x", "<", 0.5),
    ]
    assert (found.name, found.sign, found.n_trials, found.timeout) == ("mine", -1.0, 7, 60.0)


def test_the_name_is_that_of_what_is_searched() -> None:
    """How many trials and how they run is of no matter to it; what they are is."""
    assert settings("n_trials=5", "n_jobs=2", "timeout=9").name == settings().name
    assert len({settings(word).name for word in ("sampler=gp", "seeds=1", "model.depth=3", "pruner=halving")}) == 4


def test_more_of_some_metrics_is_better() -> None:
    given, overrides = sorted_words(["objective=round_trips"])
    assert read_settings(given, overrides, config()).direction == "maximize"


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["sampler=tpee"], "sampler=tpee is not valid (did you mean 'tpe'?): expected one of tpe, gp, random"),
        (["n_trials=0"], "n_trials=0 is not valid: expected a whole number from 1 on"),
        (["n_trials=x"], "n_trials=x is not valid"),
        (["timeout=-1"], "timeout=-1 is not valid: expected seconds above 0"),
        (["timeout=nan"], "timeout=nan is not valid"),
        (["seeds=1,1"], "expected different whole numbers"),
        (["seeds="], "seeds= lacks a value"),
        (["seed=1"], "seed=1 is not for a search: give seeds=1,2"),
        (["run=outputs/x"], "run=outputs/x is not for a search"),
        (["launcher=joblib"], "launcher=joblib is not for a search: give n_jobs=2"),
        (["halving"], "'halving' is no key=value"),
        (["constraints=replicas_failed!=0"], "expected metrics with = < <= > >= and a number"),
        (["constraints=replicas_failed=0,1"], "expected metrics with = < <= > >= and a number"),
        (["constraints=replicas_failed"], "cannot read"),
        (["objective=folded_fraction"], "add direction=minimize or direction=maximize"),
        (["name=../x"], "expected a plain name"),
        (["pruner=halving", "min_epochs=12"], "is not below trainer.max_epochs=12"),
    ],
)
def test_a_mistake_is_a_sentence(words: list[str], part: str) -> None:
    with pytest.raises(InputError) as caught:
        settings(*words)
    assert part in str(caught.value)


def test_without_validation_nothing_is_pruned() -> None:
    with pytest.raises(InputError, match="judges trials by their validation loss"):
        settings("pruner=halving", validation_fraction=0)


def test_objective_and_space_must_be_known() -> None:
    with pytest.raises(InputError, match="say what to search for: objective="):
        read_settings({}, [], config())
    other = {**config(), "choices": {"experiment": "toy_polymer"}}
    with pytest.raises(InputError, match="say what to search over: space="):
        read_settings({"objective": "w1_x"}, [], other)
