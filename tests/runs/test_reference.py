"""A run of Chignolin is compared with the equilibrium ensemble that ships."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cgexp.analysis.equilibrium import Equilibrium, other_force_field
from cgexp.analysis.peptide import PeptideAnalysis
from cgexp.cards import packaged_names
from cgexp.config.checks import check
from cgexp.config.compose import Config, compose
from cgexp.datasets.equilibrium import load_tica
from cgexp.datasets.packaged import load_packaged
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.runs.evaluate import equilibrium_of, mean_force_set
from cgexp.runs.experiment import Experiment
from cgexp.runs.pipeline import run
from cgexp.store import read_arrays
from tests.datasets.teachers import as_run, prior_only, teacher_config

NAME = "chignolin_reference"
pytestmark = pytest.mark.skipif(NAME not in packaged_names(), reason="the set is not made yet")


@pytest.fixture(scope="module")
def mini() -> Frames:
    return load_packaged("chignolin_mini")


SHIPPED = compose(["experiment=chignolin_first"])


def analysis(reference: str | None) -> PeptideAnalysis:
    return PeptideAnalysis(2.0, n_bootstrap=2, reference=reference)


def compared(analysis: Any, frames: Frames, config: Config) -> Equilibrium | None:
    """What a run with this analysis compares with."""
    return equilibrium_of(replace(Experiment.of(config), analysis=analysis), frames)


def test_auto_is_the_ensemble_of_the_system_and_temperature(mini: Frames) -> None:
    assert compared(analysis("auto"), mini, SHIPPED).name == NAME
    assert compared(analysis(NAME), mini, SHIPPED).name == NAME
    assert compared(analysis(None), mini, SHIPPED) is None
    assert compared(SimpleNamespace(), mini, SHIPPED) is None, "an analysis of a toy has no such setting"
    for other in (mini.with_labels(temperature=400.0), mini.with_labels(system="peptide-AAAAAAAAAA")):
        assert compared(analysis("auto"), other, SHIPPED) is None


def test_an_ensemble_that_does_not_fit_is_refused(mini: Frames) -> None:
    with pytest.raises(
        InputError, match=rf"is of temperature {mini.temperature}, but the data set of 400\.0: set it to auto"
    ):
        compared(analysis(NAME), mini.with_labels(temperature=400.0), SHIPPED)
    with pytest.raises(InputError, match="is of system peptide-YYDPETGTWY, but the data set of peptide-AC"):
        compared(analysis(NAME), mini.with_labels(system="peptide-AC"), SHIPPED)
    with pytest.raises(InputError, match="'chignolin_mini' is not an equilibrium ensemble"):
        compared(analysis("chignolin_mini"), mini, SHIPPED)
    with pytest.raises(InputError, match="no data set 'chignolin_refrence'"):
        compared(analysis("chignolin_refrence"), mini, SHIPPED)


def test_a_run_reports_the_resolution_beside_the_distance(tmp_path: Path) -> None:
    overrides = ["experiment=chignolin_first", "debug=fast", f"outputs={tmp_path}", "figures=none"]
    overrides += ["dataset.n_frames=600", "analysis.n_samples_tica=100", "analysis.n_bootstrap=2"]
    config = compose(overrides)
    check(config)
    folder = run(config, say=lambda text: None)
    metrics = json.loads(folder.metrics.read_text())
    assert metrics["w1_tica"] > 0
    assert metrics["w1_tica_resolution"] > 0
    stored = read_arrays(folder.definition("tica"))[1]
    assert stored["data_hash"] == load_tica(NAME).data_hash


@pytest.fixture
def teacher(tmp_path: Path, mini: Frames) -> Path:
    folder = tmp_path / "teacher"
    folder.mkdir()
    return as_run(prior_only(folder, SHIPPED["prior"], mini), mini)


def test_a_student_is_compared_with_its_teacher(tmp_path: Path, mini: Frames, teacher: Path) -> None:
    config = teacher_config(teacher, f"outputs={tmp_path}")
    chosen = compared(analysis("auto"), mini, config)
    assert chosen.name == "teacher"
    assert compared(analysis("teacher"), mini, config).frames.content_hash == (chosen.frames.content_hash)
    assert compared(analysis(NAME), mini, config).name == NAME
    assert compared(analysis(None), mini, config) is None
    assert [path.name[:17] for path in (tmp_path / "data").iterdir()] == ["teacher-ensemble-"]


def test_only_a_student_has_a_teacher(mini: Frames) -> None:
    with pytest.raises(InputError, match="reference=teacher but the data set 'chignolin_mini' is not of a teacher"):
        compared(analysis("teacher"), mini, SHIPPED)


def test_a_student_reports_its_distance_beside_the_teachers_resolution(tmp_path: Path, teacher: Path) -> None:
    config = teacher_config(
        teacher, f"outputs={tmp_path}", "debug=fast", "figures=none", "dataset.n_frames=150", "analysis.n_bootstrap=2",
        "analysis.lag_ps=0.2", "analysis.mean_force_set=null", "trainer.max_epochs=1",
    )  # fmt: skip
    check(config)
    metrics = json.loads(run(config, say=lambda text: None).metrics.read_text())
    assert metrics["w1_tica"] > 0
    assert metrics["w1_tica_resolution"] > 0


def test_data_in_another_force_field_are_not_compared_unasked(mini: Frames, caplog: pytest.LogCaptureFixture) -> None:
    other = mini.with_labels(force_field="CHARMM22* + TIP3P")
    assert compared(analysis("auto"), other, SHIPPED) is None
    assert "not compared with chignolin_reference, which is in ff14SBonlysc + GBn2 + ACE" in caplog.text
    assert mean_force_set(analysis("auto"), other) is None
    named = compared(analysis(NAME), other, SHIPPED)
    assert named is not None
    remark = other_force_field(other, named.frames)
    assert remark is not None
    assert remark.startswith("the data are in CHARMM22* + TIP3P, the reference in ff14SBonlysc + GBn2 + ACE: distances")
    assert other_force_field(mini, named.frames) is None
    caplog.clear()
    unknown = mini.with_labels(force_field="", source="a paper")
    assert compared(analysis("auto"), unknown, SHIPPED) is not None
    assert "do not state their force field" in str(other_force_field(unknown, named.frames))
    assert not caplog.text
