"""Conditions on runs: how they are read, what they hold of, and what is said of a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgexp.errors import InputError
from cgexp.studies.catalogue import Entry, catalogue
from cgexp.studies.query import Condition, chosen, conditions, ordered, select
from tests.studies.synthetic import config_with, put


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outputs = tmp_path_factory.mktemp("outputs")
    put(outputs, "a", config_with(1, model__width=20), {"w1_x": 0.5, "loss_validation": 3.0})
    put(outputs, "b", config_with(2, model__width=40), {"w1_x": float("nan"), "loss_validation": 1.0})
    put(outputs, "c", config_with(3, model__width=80, trainer__gradient_clip=1.0))
    return outputs


@pytest.fixture
def entries(outputs: Path) -> list[Entry]:
    return sorted(catalogue(outputs), key=lambda entry: entry.id)


def test_conditions_are_read() -> None:
    assert conditions("model.n_blocks=2 and w1_tica<0.5") == [
        Condition("model.n_blocks", "=", 2.0),
        Condition("w1_tica", "<", 0.5),
    ]
    assert conditions("a == 'x and y' AND b!=true and c>= -1e-3") == [
        Condition("a", "=", "x and y"),
        Condition("b", "!=", True),
        Condition("c", ">=", -1e-3),
    ]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "cannot read"),
        ("model.width", "cannot read"),
        ("model.width=2 or seed=1", "joined by 'and'"),
        ("model.width=2 and", "joined by 'and'"),
        ("model.width=2 and ", "cannot read"),
        ("model.width<wide", "compares the size of no number"),
        ("seed<true", "compares the size of no number"),
        ("state=don", "did you mean 'done'"),
        ("__import__('os')", "cannot read"),
        ("x" * 10_000, "cannot read"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(text: str, part: str) -> None:
    with pytest.raises(InputError, match=part) as caught:
        conditions(text)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("model.width=20", "a"),
        ("width>=40.0", "bc"),
        ("model=toy_mlp and seed<3", "ab"),
        ("state=done", "ab"),
        ("state!=done", "c"),
        ("experiment=toy_cgnet", "abc"),
        ("id=b", "b"),
        ("w1_x<1", "a"),
        ("loss_validation>0.5 and width!=20", "b"),
        ("trainer.gradient_clip=null", "ab"),
        ("trainer.gradient_clip!=null", "c"),
        ("w1_x=null", "c"),
        ("logger.enabled=false", ""),
    ],
)
def test_conditions_hold_of_the_right_runs(entries: list[Entry], text: str, ids: str) -> None:
    assert "".join(entry.id for entry in select(entries, conditions(text))) == ids


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("model.widht=2", r"did you mean 'model\.width'"),
        ("widht=2", "did you mean 'width'"),
        ("loss_validatoin<2", "did you mean 'loss_validation'"),
        ("n_dims=1", r"the end of several keys: write analysis\.n_dims or dataset\.n_dims"),
    ],
)
def test_a_key_that_no_run_has_is_named(entries: list[Entry], text: str, part: str) -> None:
    with pytest.raises(InputError, match=part):
        select(entries, conditions(text))


def test_runs_are_ordered_by_a_key_and_those_without_it_come_last(entries: list[Entry]) -> None:
    assert "".join(entry.id for entry in ordered(entries, "loss_validation")) == "bac"
    assert "".join(entry.id for entry in ordered(entries, "-loss_validation")) == "abc"
    assert "".join(entry.id for entry in ordered(entries, "w1_x")) == "abc"
    assert "".join(entry.id for entry in ordered(entries, "-width")) == "cba"


def test_places_are_folders_and_ids(outputs: Path) -> None:
    named = [str(outputs / "toy_cgnet" / "a"), "b", str(outputs)]
    assert sorted(entry.id for entry in chosen(outputs, named, [])) == ["a", "b", "c"]
    assert [entry.id for entry in chosen(outputs, ["b"], conditions("seed=2"))] == ["b"]
    for place in ("nothing", "../a", "*"):
        with pytest.raises(InputError, match="is no run, no folder with runs, and no id"):
            chosen(outputs, [place], [])
