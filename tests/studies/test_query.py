"""Conditions on runs: how they are read, what they hold of, and what is said of a mistake."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from cgexp.errors import InputError
from cgexp.runs.sweeps import record_folder, recorded
from cgexp.studies.catalogue import Entry, catalogue
from cgexp.studies.query import Condition, chosen, conditions, ordered, select, unmet
from tests.studies.synthetic import config_with, put

TEXTS = {"analysis__lags": [1, 2], "model__activation": "none"}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    outputs = tmp_path_factory.mktemp("outputs")
    put(outputs, "a", config_with(1, model__width=20), {"w1_x": 0.5, "loss_validation": 3.0})
    put(outputs, "b", config_with(2, model__width=40), {"w1_x": float("nan"), "loss_validation": 1.0})
    put(outputs, "c", config_with(3, model__width=80, trainer__gradient_clip=1.0, **TEXTS))
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
        ("state=done,don", "did you mean 'done'"),
        ("seed<1,2", "where=seed<1,2 compares the size of no number"),
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
        ("sweep.over=[]", "abc"),
        ("analysis.lags=[1,2]", "c"),
        ("analysis.lags!=[1,3]", "abc"),
        ("analysis.lags=[1,]", ""),
        ("model.activation=none", "c"),
        ("size>1 and age<86400", "abc"),
        ("seed=1,3", "ac"),
        ("seed!=1,3", "b"),
        ("state=done,failed and seed=2,3", "b"),
        ("trainer.gradient_clip=null,7", "ab"),
        ("model='toy_mlp,x'", ""),
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


def test_an_id_of_figures_alone_is_found(tmp_path: Path) -> None:
    for name in ("1234567890", "12345e6789", "0x"):
        put(tmp_path, name, config_with())
    entries = catalogue(tmp_path)
    assert [entry.id for entry in select(entries, conditions("id=1234567890"))] == ["1234567890"]
    assert [entry.id for entry in select(entries, conditions("id=12345e6789"))] == ["12345e6789"]


def test_conditions_that_hold_of_no_run_are_told(entries: list[Entry]) -> None:
    where = conditions("width=99 and seed=1 and model=cgnet and w1_x<0.1 and trainer.gradient_clip=2 and run!=null")
    assert unmet(entries, where) == [
        "no run has width=99: model.width is 20, 40, 80",
        "no run has model=cgnet: model is toy_mlp",
        "no run has w1_x<0.1: w1_x is 0.5",
        "no run has trainer.gradient_clip=2: trainer.gradient_clip is 1",
        "no run has run!=null: run is null in all",
    ]
    assert unmet([], where[:0]) == []


def test_runs_are_those_of_a_sweep_by_its_name_or_folder(tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        put(tmp_path, f"run{seed}", config_with(seed))
    folder = record_folder(tmp_path, "mine")
    jobs = [(f"seed={seed}", tmp_path / "toy_cgnet" / f"run{seed}") for seed in (1, 3, 4)]
    with recorded(folder, tmp_path, jobs):
        pass
    for place in ("mine", str(folder)):
        assert sorted(entry.id for entry in chosen(tmp_path, [place], [])) == ["run1", "run3"]
    os.utime(tmp_path / "toy_cgnet" / "run2" / "config.yaml", (2e9, 2e9))
    assert [entry.id for entry in chosen(tmp_path, ["latest"], [])] == ["run2"]
    with pytest.raises(InputError, match="did you mean 'mine'"):
        chosen(tmp_path, ["mime"], [])


def test_places_are_folders_and_ids(outputs: Path) -> None:
    named = [str(outputs / "toy_cgnet" / "a"), "b", str(outputs)]
    assert sorted(entry.id for entry in chosen(outputs, named, [])) == ["a", "b", "c"]
    assert [entry.id for entry in chosen(outputs, ["b"], conditions("seed=2"))] == ["b"]
    for place in ("nothing", "../a", "*", ""):
        with pytest.raises(
            InputError, match=f"'{re.escape(place)}' is no run, no folder with runs, no sweep and no id"
        ):
            chosen(outputs, [place], [])
