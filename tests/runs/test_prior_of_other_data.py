"""prior.fitted_on: the prior of a run comes from a shipped set, where its own frames were selected."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgexp.config.checks import check
from cgexp.config.compose import Config, compose
from cgexp.errors import InputError
from cgexp.reference.packaged import load_packaged
from cgexp.runs.pipeline import run
from cgexp.store import read_json

FEW = ["experiment=chignolin_first", "dataset=chignolin_maps", "debug=fast", "simulation=none", "analysis=forces"]


def configure(outputs: Path, *overrides: str) -> Config:
    config = compose([*overrides, "logger=csv", "figures=none", f"outputs={outputs}"])
    check(config)
    return config


def quiet(text: str) -> None:
    """Say nothing."""


def test_the_prior_is_fitted_on_the_set_that_is_named(tmp_path: Path) -> None:
    own = read_json(run(configure(tmp_path, *FEW), "train", say=quiet).prior)
    other = read_json(run(configure(tmp_path, *FEW, "prior.fitted_on=chignolin_mini"), "train", say=quiet).prior)
    assert other["data_hash"] == load_packaged("chignolin_mini").content_hash
    assert own["data_hash"] != other["data_hash"]
    assert own["terms"]["bonds"]["parameters"] != other["terms"]["bonds"]["parameters"]


def test_a_set_of_another_system_is_refused(tmp_path: Path) -> None:
    config = configure(tmp_path, "experiment=toy_julia", "debug=fast", "prior.fitted_on=chignolin_mini")
    with pytest.raises(InputError, match="name a set of the same system"):
        run(config, "train", say=quiet)


def test_an_unknown_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'chignolin_mini'"):
        run(configure(tmp_path, *FEW, "prior.fitted_on=chignolin_mine"), "train", say=quiet)
