"""Runs on frames of one's own, and what is wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import cgexp
from cgexp.config.compose import Config, compose
from cgexp.errors import InputError
from cgexp.runs.check import report
from cgexp.runs.pipeline import run
from cgexp.store import write_frames
from tests.runs.small import configure, quiet


def peptide_file(folder: Path, path: Path, *overrides: str) -> Config:
    own = ("dataset=peptide_file", f"dataset.path={path}", "dataset.force_map=optimal", "dataset.temperature=350")
    return configure(folder, "experiment=chignolin_first", *own, *overrides)


def test_frames_of_ones_own_and_what_is_wrong_with_them(tmp_path: Path) -> None:
    mini = cgexp.load_dataset("chignolin_mini").select(slice(0, 2000, 4))
    path = tmp_path / "mine.npz"
    write_frames(path, mini)
    config = peptide_file(tmp_path, path)
    folder = run(config, "train", say=quiet)
    assert folder.potential.is_file()
    write_frames(path, mini.with_labels(notes="changed"))
    with pytest.raises(InputError, match="another data set"):
        run(config, say=quiet)
    shutil.rmtree(folder.path)
    write_frames(path, mini)
    parent = run(config, say=quiet)
    write_frames(path, mini.with_labels(notes="changed"))
    with pytest.raises(InputError, match="another data set"):  # although the run is finished
        run(config, say=quiet)
    with pytest.raises(InputError, match="another data set"):  # nor does a run that starts from it take other data
        run(compose([f"run={parent.path}", "simulation.n_steps=100"]), "simulate", say=quiet)
    for changes, sentence in (
        ({"temperature": 300.0}, "states temperature=350 but its frames have 300.0"),
        ({"force_map": "slice"}, "states force_map=optimal"),
        ({"forces": None}, "has no forces"),
    ):
        write_frames(path, mini.with_labels(**changes))
        with pytest.raises(InputError, match=sentence):
            run(peptide_file(tmp_path, path, "seed=3"), say=quiet)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="truncated"):
        run(peptide_file(tmp_path, path, "seed=3"), say=quiet)


def test_a_wrong_sequence_is_told_by_check(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    write_frames(path, cgexp.load_dataset("chignolin_mini").select(slice(0, 40)))
    config = peptide_file(tmp_path, path, "dataset.system.sequence=YYDPETGTWA")
    with pytest.raises(
        InputError, match="holds frames of 'peptide-YYDPETGTWY' but the data set's system is 'peptide-YYD"
    ):
        list(report(config))
