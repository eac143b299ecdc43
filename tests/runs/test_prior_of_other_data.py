"""prior.fitted_on: the prior of a run comes from a shipped set, where its own frames were selected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgexp.config.checks import check
from cgexp.config.compose import Config, compose
from cgexp.datasets.packaged import load_packaged
from cgexp.errors import InputError
from cgexp.priors.prior import Prior
from cgexp.report.tracker import Tracker
from cgexp.runs.check import made_up_frames, report
from cgexp.runs.experiment import Experiment
from cgexp.runs.folder import RunFolder
from cgexp.runs.pipeline import run
from cgexp.runs.stages import Context, fit_prior
from cgexp.store import read_json
from tests.datasets.teachers import prior_only
from tests.report.pages import Reader

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


def test_figure_and_page_are_of_the_frames_that_the_prior_was_fitted_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Any] = {}
    monkeypatch.setattr("cgexp.runs.page.draw", lambda curves, own: drawn.update(curves) or {})
    config = configure(tmp_path, *FEW, "model=none", "prior.fitted_on=chignolin_mini")
    config["figures"] = "png"
    folder = run(config, say=quiet)
    mini = load_packaged("chignolin_mini")
    expected = Prior.load(folder.prior).fit_quality(mini)["bonds"].energy_data
    np.testing.assert_array_equal(drawn["prior_fit"]["bonds"].energy_data, expected)
    page = Reader(folder.report.read_bytes())
    assert f"fitted to {len(mini):,} frames of chignolin_mini; nothing was trained" in page.text


def test_a_set_of_another_system_is_refused(tmp_path: Path) -> None:
    other = ["dataset.system.sequence=YYDPETGTWA", "prior.fitted_on=chignolin_mini"]
    with pytest.raises(InputError, match="name a set of the same system"):
        list(report(compose(["experiment=chignolin_first", *other])))
    config = compose([*FEW, *other, "logger=csv", f"outputs={tmp_path}", "dataset=peptide_file", "dataset.path=x"])
    frames = load_packaged("chignolin_mini").with_labels(system="peptide-YYDPETGTWA")
    context = Context(Experiment.of(config), RunFolder(tmp_path), frames, Tracker())
    with pytest.raises(InputError, match="name a set of the same system"):
        fit_prior(context)
    with pytest.raises(InputError, match="has units molecular but dataset toy_julia has reduced"):
        configure(tmp_path, "experiment=toy_julia", "prior.fitted_on=chignolin_mini")


def test_a_time_step_of_proposals_is_refused_when_the_prior_is_fitted(tmp_path: Path) -> None:
    experiment = Experiment.of(compose(["experiment=active_toy", "active.proposals={dt: 10}", f"outputs={tmp_path}"]))
    context = Context(experiment, RunFolder(tmp_path), made_up_frames(experiment.dataset), Tracker())
    with pytest.raises(InputError, match=r"active\.proposals\.dt=10 is too long for the stiffest wall"):
        fit_prior(context)


def test_a_check_refuses_data_that_are_not_there_or_unfit(tmp_path: Path) -> None:
    missing = f"dataset.path={tmp_path}/nothing"
    with pytest.raises(InputError, match="holds no potential"):
        list(report(compose(["experiment=chignolin_first", "dataset=teacher", missing])))
    with pytest.raises(InputError, match="is no file"):
        list(report(compose(["experiment=chignolin_first", "dataset=peptide_file", missing])))
    path = prior_only(tmp_path, compose(["experiment=chignolin_first"])["prior"], load_packaged("chignolin_mini"))
    given = ["experiment=chignolin_first", "dataset=teacher", f"dataset.path={path}", "dataset.simulation.dt=0.001"]
    assert list(report(compose(given)))
    with pytest.raises(InputError, match=r"is of 350\.0: set dataset\.temperature=350\.0"):
        list(report(compose([*given, "dataset.temperature=300"])))


def test_an_unknown_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'chignolin_mini'"):
        run(configure(tmp_path, *FEW, "prior.fitted_on=chignolin_mine"), "train", say=quiet)
