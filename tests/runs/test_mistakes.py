"""Mistakes in later stages are told before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgexp.errors import InputError
from cgexp.runs.pipeline import run
from tests.runs.small import configure, quiet


def test_mistakes_in_later_stages_are_found_before_training(tmp_path: Path) -> None:
    for override in ("simulation.n_steps=205", "analysis.grid=[3,-3]"):
        with pytest.raises(InputError):
            run(configure(tmp_path, override), say=quiet)
    with pytest.raises(InputError, match="longer than every block"):
        run(
            configure(tmp_path, "experiment=chignolin_first", "analysis.reference=null", "analysis.lag_ps=1000"),
            say=quiet,
        )
    assert not list(tmp_path.rglob("potential.npz"))


def test_a_time_step_that_the_fitted_prior_forbids_is_refused_before_training(tmp_path: Path) -> None:
    config = configure(tmp_path, "experiment=chignolin_first")
    config["simulation"]["dt"] = 0.2  # past the check of the config, which knows the stiffness from the data card
    with pytest.raises(InputError, match="stiffest bond"):
        run(config, "train", say=quiet)
    assert not list(tmp_path.rglob("potential.npz"))


def test_an_analysis_that_needs_a_simulation_says_so_first(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="compares a simulation"):
        run(configure(tmp_path, "experiment=chignolin_first", "simulation=none"), say=quiet)
    assert not list(tmp_path.rglob("potential.npz"))
