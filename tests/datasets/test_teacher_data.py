"""TeacherData: the ensemble and the forces of a known potential, regions, noise, resuming, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgexp.build import build
from cgexp.config.checks import check
from cgexp.config.identity import data_id, run_id, teacher_id
from cgexp.datasets import teacher_run
from cgexp.datasets.packaged import load_packaged
from cgexp.datasets.teacher_data import TeacherData
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.store import write_frames
from cgexp.systems.peptide import Peptide, basin_of
from cgexp.testing.configurations import toy_frames
from tests.datasets.teachers import as_run, prior_only, teacher_config, well

SPRING = 2.0  # kT/length^2


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = prior_only(tmp_path_factory.mktemp("toy"), well(SPRING), toy_frames(50))
    write_frames(folder / "starts.npz", toy_frames(400).with_labels(system="toy_cgnet"))
    return folder


@pytest.fixture(scope="module")
def peptide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = load_packaged("chignolin_mini")
    folder = tmp_path_factory.mktemp("peptide")
    prior_only(folder, teacher_config(folder)["prior"], frames)
    return as_run(folder, frames)


def recipe(path: Path, *overrides: str, option: str = "toy_teacher") -> TeacherData:
    if option == "toy_teacher":
        overrides = (f"dataset.starts={path / 'starts.npz'}", *overrides)
    config = teacher_config(path, *overrides, option=option)
    check(config)
    return build(config["dataset"], TeacherData)


def test_frames_are_the_teachers_ensemble_with_its_forces(toy: Path, tmp_path: Path) -> None:
    settings = [
        "dataset.simulation.n_replicas=400",
        "dataset.simulation.n_steps=1000",
        "dataset.simulation.burn_in=0.5",
    ]
    frames = recipe(toy, *settings).make(tmp_path)
    assert len(frames) == 400 * 50
    assert frames.coords.var() == pytest.approx(1.0 / SPRING, rel=0.05)
    np.testing.assert_allclose(frames.forces, -SPRING * frames.coords, rtol=1e-5, atol=1e-6)
    assert frames.force_sem is not None
    assert not frames.force_sem.any()
    assert np.bincount(frames.block).tolist() == [50] * 400
    assert frames.time_ps is not None
    np.testing.assert_allclose(frames.time_ps[:50], 0.04 * 10 * np.arange(51, 101), rtol=1e-5)


def test_noise_is_added_to_the_forces_alone(toy: Path, tmp_path: Path) -> None:
    exact = recipe(toy).make(tmp_path)
    noisy = recipe(toy, "dataset.force_noise=3.0").make(tmp_path)
    np.testing.assert_array_equal(noisy.coords, exact.coords)
    assert noisy.force_sem is None, "the error of instantaneous labels is not known"
    assert (np.asarray(noisy.forces) - np.asarray(exact.forces)).std() == pytest.approx(3.0, rel=0.1)
    again = recipe(toy, "dataset.force_noise=3.0").make(tmp_path)
    assert again.content_hash == noisy.content_hash
    assert "noise of 3" in noisy.notes


def test_a_killed_simulation_goes_on(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killing(label: str) -> Any:
        def progress(done: int, total: int, text: str = "") -> None:
            if done > 120:
                raise KeyboardInterrupt

        return progress

    undisturbed = recipe(toy).make(tmp_path / "a")
    with monkeypatch.context() as patch:
        patch.setattr(teacher_run, "Progress", killing)
        with pytest.raises(KeyboardInterrupt):
            recipe(toy).make(tmp_path / "b")
    assert recipe(toy).make(tmp_path / "b").content_hash == undisturbed.content_hash


def test_a_toys_data_can_lack_a_region(toy: Path, tmp_path: Path) -> None:
    frames = recipe(toy, "dataset.x_range=[0.2,3.0]").make(tmp_path)
    assert frames.coords.min() >= 0.2
    assert len(frames) < 12 * 16
    with pytest.raises(InputError, match=r"none of 400 frames to start from is in x_range=.*: choose another one"):
        recipe(toy, "dataset.x_range=[50,60]").make(tmp_path)


def test_a_peptides_data_can_lack_a_basin(peptide: Path, tmp_path: Path) -> None:
    frames = recipe(peptide, "dataset.basin=folded", option="teacher").make(tmp_path)
    system = Peptide()
    assert set(basin_of(frames.coords, system.native())) == {"folded"}
    assert frames.system == system.name
    assert "only folded" in frames.notes


def test_frames_are_thinned_or_too_few(toy: Path, tmp_path: Path) -> None:
    assert len(recipe(toy, "dataset.n_frames=50").make(tmp_path)) == 50
    with pytest.raises(InputError, match=r"gave 192 frames but dataset\.n_frames=1000: raise"):
        recipe(toy, "dataset.n_frames=1000").make(tmp_path)


def test_the_teachers_content_is_part_of_the_identity(toy: Path, tmp_path: Path) -> None:
    def ids(path: Path, *overrides: str) -> tuple[str, str, str]:
        config = teacher_config(path, *overrides, option="toy_teacher")
        return data_id(config), run_id(config), teacher_id(config)

    copy = tmp_path / "moved.npz"
    copy.write_bytes((toy / "potential.npz").read_bytes())
    assert ids(copy) == ids(toy)
    retrained = prior_only(tmp_path, well(SPRING + 1.0), toy_frames(50))
    assert all(a != b for a, b in zip(ids(retrained), ids(toy), strict=True))
    noisy, plain = ids(toy, "dataset.force_noise=1.0"), ids(toy)
    assert noisy[:2] != plain[:2]
    assert noisy[2] == plain[2], "the ensemble is the teacher's, whatever a data set takes of it"
    longer, plain = ids(toy, "dataset.reference_steps=800"), ids(toy)
    assert (longer[0], longer[1] != plain[1], longer[2] != plain[2]) == (plain[0], True, True)
    assert ids(tmp_path / "not_trained_yet") == ids(tmp_path / "elsewhere" / "not_trained_yet")


def test_what_does_not_fit_is_refused(toy: Path, peptide: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^dataset\.path=.* holds no potential: give a finished run's folder"):
        recipe(tmp_path, option="teacher").make(tmp_path)
    (tmp_path / "notes.txt").write_text("a text")
    with pytest.raises(InputError, match=r"^dataset\.path=.*notes\.txt holds no potential: give"):
        recipe(tmp_path / "notes.txt", option="teacher").make(tmp_path)
    with pytest.raises(InputError, match=r"dataset\.temperature=300\.0 but the potential .* is of 350\.0"):
        recipe(peptide, "dataset.temperature=300.0", option="teacher").make(tmp_path)
    with pytest.raises(InputError, match="is no finished run's folder, so that there are no frames to start from"):
        recipe(peptide / "potential.npz", option="teacher").make(tmp_path)
    with pytest.raises(InputError, match="frames to start from are of system 'toy_cgnet' but the data set of 'pep"):
        recipe(peptide, f"dataset.starts={toy / 'starts.npz'}", option="teacher").make(tmp_path)
    with pytest.raises(InputError, match=r"dataset\.simulation\.dt=0\.5 is too long for the stiffest bond"):
        recipe(peptide, "dataset.simulation.dt=0.5", option="teacher").make(tmp_path)


@pytest.mark.parametrize(
    ("option", "override", "sentence"),
    [
        ("teacher", "dataset.x_range=[0,1]", r"x_range=\[0, 1\] is not valid for 'peptide-YYDPETGTWY'"),
        ("toy_teacher", "dataset.x_range=[1,0]", r"x_range=\[1, 0\] is not valid for 'toy_cgnet': expected \[lowest"),
        ("toy_teacher", "dataset.basin=folded", r"dataset\.basin=folded but 'toy_cgnet' tells no such basin apart"),
        ("teacher", "dataset.basin=foldd", r"dataset\.basin=foldd is not valid: expected .*folded, misfolded"),
        ("teacher", "dataset.reference_steps=405", r"reference_steps=405 is not a multiple of .*save_every=10"),
        ("teacher", "dataset.simulation.temperature=310", r"simulation\.temperature=310 but dataset\.temperature=350"),
        ("teacher", "dataset.force_noise=-1", r"dataset\.force_noise=-1 is not valid: expected a number >= 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, option: str, override: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        recipe(tmp_path, override, option=option)


def test_starts_must_be_what_the_teacher_was_trained_on(peptide: Path, tmp_path: Path) -> None:
    assert isinstance(recipe(peptide, option="teacher").starting_frames(), Frames)
    other = load_packaged("chignolin_mini").select(np.arange(100))
    copy = tmp_path / "run"
    copy.mkdir()
    (copy / "potential.npz").write_bytes((peptide / "potential.npz").read_bytes())
    as_run(copy, other)
    with pytest.raises(InputError, match="has changed since the run: make the data again"):
        recipe(copy, option="teacher").starting_frames()
