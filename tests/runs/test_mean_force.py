"""A run reports the error of its forces against the mean-force set of its system."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cgexp.analysis.forces import mean_force_metrics
from cgexp.analysis.peptide import PeptideAnalysis
from cgexp.cards import DATA, load_card
from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.datasets.packaged import find_packaged, load_packaged, write_packaged
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.models.potential import Potential
from cgexp.priors.prior import Prior
from cgexp.runs import evaluate as evaluation
from cgexp.runs.evaluate import evaluate_mean_force, mean_force_set
from cgexp.runs.pipeline import run
from cgexp.systems.peptide import BASINS, Peptide

SYSTEM = Peptide()


@pytest.fixture(scope="module")
def mini() -> Frames:
    return load_packaged("chignolin_mini")


@pytest.fixture
def labelled(mini: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Frames:
    """A made-up set 'means' that is the only one of mean forces, at configurations that mini does not hold."""
    few = mini.select(np.arange(0, len(mini), 50))
    few = few.with_labels(coords=few.coords + np.float32(1e-3))
    assert few.forces is not None
    means = few.with_labels(
        forces=0.4 * few.forces, force_sem=np.full_like(few.forces, 0.5), force_map="mean_force", notes=""
    )
    write_packaged("means", means, {}, "a test", tmp_path)
    monkeypatch.setattr(
        evaluation,
        "find_packaged",
        lambda system, temperature, force_map: find_packaged(system, temperature, force_map, tmp_path),
    )
    monkeypatch.setattr(
        evaluation, "load_packaged", lambda name: load_packaged(name, tmp_path if name == "means" else DATA)
    )
    monkeypatch.setattr(evaluation, "load_card", lambda name: load_card(name, tmp_path if name == "means" else DATA))
    return means


def analysis(**settings: str | None) -> PeptideAnalysis:
    return PeptideAnalysis(2.0, n_bootstrap=2, **settings)  # type: ignore[arg-type]


def test_the_set_of_the_system_and_temperature_is_found(labelled: Frames, mini: Frames) -> None:
    found = mean_force_set(analysis(), mini)
    assert found is not None
    assert found.content_hash == labelled.content_hash
    assert mean_force_set(analysis(mean_force_set=None), mini) is None
    assert mean_force_set(SimpleNamespace(), mini) is None, "an analysis of a toy has no such setting"
    for other in (mini.with_labels(temperature=300.0), mini.with_labels(system="peptide-AAAAAAAAAA")):
        assert mean_force_set(analysis(), other) is None


def test_a_set_that_does_not_fit_is_refused(labelled: Frames, mini: Frames) -> None:
    with pytest.raises(InputError, match=r"means is of temperature 350.0, but the data set of 300.0: set it to auto"):
        mean_force_set(analysis(mean_force_set="means"), mini.with_labels(temperature=300.0))
    with pytest.raises(InputError, match="is of system peptide-YYDPETGTWY, but the data set of peptide-AC"):
        mean_force_set(analysis(mean_force_set="means"), mini.with_labels(system="peptide-AC"))
    with pytest.raises(InputError, match="chignolin_mini has no forces with standard errors"):
        mean_force_set(analysis(mean_force_set="chignolin_mini"), mini)
    with pytest.raises(InputError, match="no data set 'meens'"):
        mean_force_set(analysis(mean_force_set="meens"), mini)


def test_model_prior_and_zero_force_are_compared(labelled: Frames, mini: Frames) -> None:
    potential = Potential(None, Prior({}, 300.0))
    metrics = evaluate_mean_force(analysis(), SYSTEM, potential, mini)
    assert labelled.forces is not None
    expected = np.sqrt(np.mean(np.square(labelled.forces, dtype=np.float64)) - 0.5**2)
    for kind in ("", "_prior_only", "_zero_force"):
        assert metrics[f"mean_force_rmse{kind}"] == pytest.approx(expected)
        assert {f"mean_force_rmse{kind}_{basin}" for basin in BASINS} <= metrics.keys()
        assert metrics[f"mean_force_rmse{kind}_sem"] > 0
    assert metrics["mean_force_configurations"] == len(labelled)
    assert evaluate_mean_force(analysis(mean_force_set=None), SYSTEM, potential, mini) == {}


def test_configurations_that_a_training_knows_are_left_out(
    labelled: Frames, mini: Frames, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "cgexp")
    potential = Potential(None, Prior({}, 300.0))
    known = np.arange(0, len(labelled), 2)
    metrics = evaluate_mean_force(analysis(), SYSTEM, potential, labelled.select(known))
    rest = labelled.select(np.setdiff1d(np.arange(len(labelled)), known))
    assert rest.forces is not None
    expected = np.sqrt(np.mean(np.square(rest.forces, dtype=np.float64)) - 0.5**2)
    assert metrics["mean_force_rmse"] == pytest.approx(expected)
    assert metrics["mean_force_configurations"] == len(rest) == 50
    assert "are of 50 configurations: the data set holds the other 50" in caplog.text
    for frames, n_known in ((labelled, 100), (labelled.select(np.arange(81)), 81)):
        assert evaluate_mean_force(analysis(), SYSTEM, potential, frames) == {}
        assert f"no mean-force metrics: the data set holds {n_known} of their 100" in caplog.text
    caplog.clear()
    evaluate_mean_force(analysis(), SYSTEM, potential, mini)
    assert not caplog.text


def test_a_run_reports_it(labelled: Frames, tmp_path: Path) -> None:
    fast = ("debug=fast", "figures=none", "analysis.n_bootstrap=2")
    config = compose([*fast, f"outputs={tmp_path}", "experiment=chignolin_first"])
    check(config)
    folder = run(config, say=lambda text: None)
    metrics = json.loads(folder.metrics.read_text())
    names = {f"mean_force_rmse{kind}" for kind in ("", "_prior_only", "_zero_force", "_folded", "_unfolded")}
    assert names <= metrics.keys()
    prior = Potential(None, Prior.load(folder.prior))
    assert labelled.forces is not None
    assert labelled.force_sem is not None
    forces = prior.forces(torch.tensor(labelled.coords).float()).numpy()
    again = mean_force_metrics(
        {"": forces}, labelled.forces, labelled.force_sem, np.zeros(0, np.str_), 0, np.random.default_rng(0)
    )
    assert metrics["mean_force_rmse_prior_only"] == pytest.approx(again["mean_force_rmse"], rel=1e-4)
