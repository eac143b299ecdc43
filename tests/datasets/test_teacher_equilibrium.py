"""A teacher's ensemble: two runs that are told apart, kept whole, and read back as they were made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cgexp.analysis.equilibrium import Equilibrium
from cgexp.build import build
from cgexp.datasets import teacher_equilibrium
from cgexp.datasets.packaged import load_packaged
from cgexp.datasets.teacher_data import TeacherData
from cgexp.datasets.teacher_equilibrium import CARD, FRAMES, TICA, make_equilibrium, read_equilibrium, two_halves
from cgexp.errors import InputError
from cgexp.store import read_json, write_json
from cgexp.systems.cgnet_toy import CGnetToy
from cgexp.systems.metric import superposed_rmsd
from cgexp.systems.peptide import Peptide
from cgexp.testing.configurations import toy_frames
from tests.datasets.teachers import as_run, prior_only, teacher_config


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> TeacherData:
    folder, frames = tmp_path_factory.mktemp("teacher"), load_packaged("chignolin_mini")
    config = teacher_config(folder, "dataset.basin=unfolded")
    as_run(prior_only(folder, config["prior"], frames), frames)
    return build(config["dataset"], TeacherData)


@pytest.fixture(scope="module")
def folder(recipe: TeacherData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ensemble")
    make_equilibrium(recipe, folder)
    return folder


def test_two_runs_of_continuous_replicas(folder: Path) -> None:
    made = read_equilibrium("teacher", folder)
    n_kept = 12 * 32  # of 40 saved frames a replica, 0.2 of which are burn-in
    assert np.bincount(made.run).tolist() == [n_kept, n_kept]
    assert len(np.unique(made.frames.block)) == 24
    assert set(np.unique(made.frames.block[made.run == 0])).isdisjoint(made.frames.block[made.run == 1])
    assert made.tica.data_hash == made.frames.content_hash
    assert made.tica.lag_ps == pytest.approx(0.225, rel=1e-3)  # the next multiple of 10 steps of 0.0075 ps
    resolution = made.resolution(300, 3, np.random.default_rng(0))
    assert resolution["w1_tica_resolution"] > 0
    assert resolution["w1_tica_resolution_sem"] > 0


def test_it_is_made_once(recipe: TeacherData, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher_equilibrium, "simulate_teacher", lambda *_: pytest.fail("made twice"))
    made = make_equilibrium(recipe, folder)
    assert isinstance(made, Equilibrium)
    (folder / "work").rename(folder / "no_longer_needed")
    assert make_equilibrium(recipe, folder).frames.content_hash == made.frames.content_hash
    (folder / "no_longer_needed").rename(folder / "work")


def test_without_its_card_it_is_made_from_the_simulations_that_are_there(recipe: TeacherData, folder: Path) -> None:
    before = read_json(folder / CARD)
    for name in (CARD, TICA, FRAMES):
        (folder / name).unlink()
    make_equilibrium(recipe, folder)
    assert read_json(folder / CARD) == before


def test_files_that_the_card_does_not_describe_are_refused(folder: Path) -> None:
    card = read_json(folder / CARD)
    write_json(folder / CARD, {**card, "content_hash": "0" * 64})
    with pytest.raises(InputError, match=r"card\.json was damaged or edited"):
        read_equilibrium("teacher", folder)
    write_json(folder / CARD, card)


def test_the_runs_start_on_either_side_of_the_data() -> None:
    frames, system = load_packaged("chignolin_mini"), Peptide()
    near, far = two_halves(system, frames)
    assert len(near) + len(far) == len(frames)
    of_near, of_far = (superposed_rmsd(half.coords, system.native()[None]) for half in (near, far))
    assert of_near.max() <= of_far.min()
    toy = toy_frames(100)
    near, far = two_halves(CGnetToy(), toy)
    distances = [np.abs(half.coords - toy.coords[0]) for half in (near, far)]
    assert distances[0].max() <= distances[1].min()
