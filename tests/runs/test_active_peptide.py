"""cgexp active on a peptide: rounds with a teacher as the oracle, and the figures of what they changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cgexp.active.rounds import rounds_of
from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.datasets.packaged import load_packaged
from cgexp.models.potential import load_potential
from cgexp.runs.active import frames_of, run_active
from cgexp.runs.active_figures import before_after_curves, course_curve, have_curves, tica_maps_curve
from cgexp.runs.folder import RunFolder
from tests.datasets.teachers import as_run, prior_only, teacher_config

TINY = [
    *("experiment=active_teacher", "debug=fast", "dataset.n_frames=100", "trainer.steps_per_epoch=2"),
    *("dataset.simulation.n_replicas=20", "dataset.simulation.n_steps=400", "dataset.simulation.save_every=20"),
    *(
        "dataset.reference_steps=400",
        "dataset.reference_lag_ps=0.2",
        "dataset.basin=null",
        "analysis.msm=false",
        "analysis.n_bootstrap=0",
    ),
    *("simulation.n_replicas=8", "simulation.n_steps=40", "simulation.save_every=4", "active.n_rounds=2"),
    *("active.n_per_round=3", "model.n_blocks=1", "model.n_features=8", "model.n_filters=8", "figures=png"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    frames = load_packaged("chignolin_mini")
    teacher = tmp_path_factory.mktemp("teacher")
    prior_only(teacher, teacher_config(teacher)["prior"], frames)
    as_run(teacher, frames)
    outputs = tmp_path_factory.mktemp("outputs")
    config = compose([*TINY, f"dataset.path={teacher}", f"outputs={outputs}"])
    check(config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cgexp.runs.page.draw", lambda *_: {})  # of each round, which take most of the time
        return run_active(config, say=lambda _: None)


def test_each_round_is_judged_against_the_teachers_ensemble(finished: RunFolder) -> None:
    records = rounds_of(finished.path)
    assert [record.n_frames for record in records] == [100, 103, 106]
    assert all("w1_tica_resolution" in record.metrics for record in records)


def test_labels_are_the_teachers_forces(finished: RunFolder) -> None:
    frames = frames_of(finished.path)
    assert frames.round is not None
    assert frames.forces is not None
    assert frames.round[-6:].tolist() == [0, 0, 0, 1, 1, 1]
    config = finished.read_config()
    teacher = load_potential(RunFolder(Path(config["dataset"]["path"])).potential).double()
    expected = teacher.forces(torch.tensor(frames.coords[-6:], dtype=torch.float64)).numpy()
    np.testing.assert_allclose(frames.forces[-6:], expected, rtol=1e-3, atol=1e-3)


def test_figures_are_drawn_before_and_after(finished: RunFolder) -> None:
    drawn = {path.stem for path in finished.figures.glob("*.png")}
    assert drawn == {"rounds", "tica_maps", "before_after", "course"}


def test_curves_are_of_the_first_and_the_last_round(finished: RunFolder) -> None:
    arms = {"": [(finished.path, frames_of(finished.path))]}
    maps = tica_maps_curve(arms).arms[""]
    assert (len(maps.initial), len(maps.added)) == (100, 6)
    for curve in before_after_curves(arms).values():
        assert np.trapezoid(curve.reference, curve.x) == pytest.approx(1.0, abs=0.05)
    course = course_curve(arms)
    assert course is not None
    assert course.time_unit == "ps"
    w1, low, high = course.after[""].w1
    assert w1.shape == course.time.shape
    assert (low, high) == (None, None)
    assert np.all(np.isfinite(course.before[""].energy[0]))


def test_a_round_without_survivors_has_no_curves(finished: RunFolder) -> None:
    (finished.path / "rounds" / "02" / "curves.npz").rename(finished.path / "kept.npz")
    assert not have_curves(finished.path)
    (finished.path / "kept.npz").rename(finished.path / "rounds" / "02" / "curves.npz")
    assert have_curves(finished.path)
