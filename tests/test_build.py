from __future__ import annotations

from typing import Any

import pytest

from cgexp.build import build, problems
from cgexp.errors import InputError
from cgexp.signatures import mismatch, read_signature

HUBER = "cgexp.training.losses.Huber"


def first_problem(spec: dict[str, Any], **kwargs: Any) -> str:
    return next(problems(spec, "loss.terms.force", **kwargs), "")


def test_builds_nested_objects_and_drops_what_is_switched_off() -> None:
    spec = {"_target_": "cgexp.training.losses.Loss", "terms": {"a": {"_target_": HUBER, "delta": 2.0}, "b": None}}
    loss = build(spec)
    assert list(loss.terms) == ["a"]
    assert loss.terms["a"].delta == 2.0


def test_all_terms_may_be_switched_off() -> None:
    prior = build({"_target_": "cgexp.priors.prior.Prior", "temperature": 1.0, "terms": {"wall": None}})
    assert len(prior.terms) == 0
    with pytest.raises(InputError, match="is empty"):
        build({"_target_": "cgexp.training.losses.Loss", "terms": {"force": None}})


def test_a_run_time_argument_is_not_for_the_config() -> None:
    spec = {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 0.1, "total_steps": 3}
    assert "filled in at run time" in next(problems(spec, "scheduler", ("optimizer", "total_steps")))


def test_run_time_arguments_are_passed_where_they_fit() -> None:
    import torch

    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = build({"_target_": "torch.optim.Adam", "lr": 0.1}, params=[parameter], total_steps=10)
    assert optimizer.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"_target_": "os.system"}, "_target_=os.system is not allowed"),
        ({"_target_": "cgexp.store.os.system"}, "is no class"),
        ({"_target_": "cgexp.store.write_json", "path": "x", "content": 1}, "is no class"),
        ({"_target_": "cgexp.training.losses.importlib"}, "is no class"),
        ({"_target_": HUBER, "dleta": 1.0}, "unknown key 'loss.terms.force.dleta' .did you mean 'delta'"),
        ({"_target_": HUBER, "delta": -1.0}, "delta=-1.0 is not valid: expected a positive number"),
        ({"_target_": HUBER, "delta": "big"}, "expected a positive number"),
        ({"_target_": HUBER, "delta": float("nan")}, "expected a positive number"),
        ({"_target_": HUBER, "delta": "???"}, "missing a value"),
        ({"_target_": "cgexp.training.losses.Loss", "terms": {"a": {"weight": 2}}}, "terms.a is no LossTerm"),
        (
            {"_target_": "cgexp.training.losses.Loss", "terms": {"a": {"_target_": "cgexp.config.sweep.Sweep"}}},
            "Sweep is no LossTerm",
        ),
        ({"_target_": "cgexp.training.losses.Loss"}, "loss.terms.force.terms is missing"),
        ({"_target_": "cgexp.training.losses.Loss", "terms": {"a": {"_target_": HUBER, "x": 1}}}, "terms.a.x"),
    ],
)
def test_problems_are_sentences(spec: dict[str, Any], sentence: str) -> None:
    import re

    assert re.search(sentence, first_problem(spec))
    with pytest.raises(InputError):
        build(spec)


def test_signatures_follow_imports_dataclasses_and_bases_without_importing() -> None:
    adam = read_signature("torch.optim.Adam")
    assert adam is not None
    assert {"params", "lr", "betas"} <= adam.parameters.keys()
    assert adam.required == ("params",)
    squared = read_signature("cgexp.training.losses.MeanSquaredError")
    assert squared is not None
    assert squared.parameters == {"weight": "NonNegative"}
    training = read_signature("cgexp.training.fit.Training")
    assert training is not None
    assert training.required == ("max_epochs", "batch_size")


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        ("int", 3, 3.5),
        ("int", 3, True),
        ("float", 3, "3"),
        ("bool", True, 1),
        ("str | None", None, 3),
        ("Fraction", 0.5, 1.5),
        ("PositiveInt", 1, 0),
        ("Literal['a', 'b']", "a", "c"),
        ("list[float]", [1, 2.5], [1, "x"]),
        ("tuple[float, float]", [1, 2], [1, 2, 3]),
        ("dict[str, int]", {"a": 1}, [1]),
        ("Optional[Positive]", None, -1),
        ("System", {"_target_": "x"}, 3),
        ("System", {"_target_": "x"}, None),
        ("System", {"_target_": "x"}, "toy"),
        ("Share", 0, 1),
        ("OpenFraction", 0.5, 0),
        ("Seed", 7, 10**12),
    ],
)
def test_values_are_checked_against_annotations(annotation: str, good: Any, bad: Any) -> None:
    assert mismatch(annotation, good) is None
    assert mismatch(annotation, bad) is not None
