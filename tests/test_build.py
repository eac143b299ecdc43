from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from cgexp.build import build, imported, problems
from cgexp.errors import InputError
from cgexp.parts import ranges
from cgexp.parts.signatures import read_signature
from cgexp.priors.prior import Prior
from cgexp.training.losses import Loss, LossTerm

HUBER = "cgexp.training.losses.Huber"
SCHEDULER = "torch.optim.lr_scheduler.LRScheduler"
TERM, LOSS = "cgexp.training.losses.LossTerm", "cgexp.training.losses.Loss"


def first_problem(spec: dict[str, Any]) -> str:
    kind = LOSS if spec["_target_"] == LOSS else TERM
    return next(problems(spec, (kind,), "loss.terms.force"), "")


def test_builds_nested_objects_and_drops_what_is_switched_off() -> None:
    spec = {"_target_": "cgexp.training.losses.Loss", "terms": {"a": {"_target_": HUBER, "delta": 2.0}, "b": None}}
    loss = build(spec, Loss)
    assert list(loss.terms) == ["a"]
    assert loss.terms["a"].delta == 2.0


def test_all_terms_may_be_switched_off() -> None:
    prior = build({"_target_": "cgexp.priors.prior.Prior", "temperature": 1.0, "terms": {"wall": None}}, Prior)
    assert len(prior.terms) == 0
    with pytest.raises(InputError, match="is empty"):
        build({"_target_": "cgexp.training.losses.Loss", "terms": {"force": None}}, Loss)


def test_a_run_time_argument_is_not_for_the_config() -> None:
    spec = {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 0.1, "total_steps": 3}
    assert "filled in at run time" in next(problems(spec, (SCHEDULER,), "scheduler", ("optimizer", "total_steps")))


def test_run_time_arguments_are_passed_where_they_fit() -> None:
    import torch

    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = build(
        {"_target_": "torch.optim.Adam", "lr": 0.1}, torch.optim.Optimizer, params=[parameter], total_steps=10
    )
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
        build(spec, Loss if spec["_target_"] == LOSS else LossTerm)


def test_signatures_follow_imports_dataclasses_and_bases_without_importing() -> None:
    adam = read_signature("torch.optim.Adam")
    assert adam is not None
    assert {"params", "lr", "betas"} <= adam.parameters.keys()
    assert adam.required == ("params",)
    squared = read_signature("cgexp.training.losses.MeanSquaredError")
    assert squared is not None
    assert squared.parameters == {"weight": ranges.Weight}
    training = read_signature("cgexp.training.fit.Training")
    assert training is not None
    assert training.required == ("max_epochs", "batch_size")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "x = y",
            r"cannot import broken_parts\.Part: NameError: name 'y' is not defined \(.*broken_parts\.py, line 1\)",
        ),
        ("def x(:", r"cannot import broken_parts\.Part: SyntaxError: "),
        ("x = 1", r"cannot import broken_parts\.Part: module 'broken_parts' has no attribute 'Part'"),
    ],
)
def test_a_module_that_fails_as_it_is_run_is_named(
    source: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_parts.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "broken_parts", raising=False)
    with pytest.raises(InputError, match=words):
        imported("broken_parts.Part")
