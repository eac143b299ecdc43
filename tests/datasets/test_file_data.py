"""FramesFile: units and temperature of one's own frames are tested, unless the frames were selected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgexp.build import build
from cgexp.config.compose import compose
from cgexp.datasets.file_data import FramesFile
from cgexp.datasets.packaged import load_packaged
from cgexp.datasets.recipe import Recipe
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.store import write_frames


@pytest.fixture(scope="module")
def mini() -> Frames:
    return load_packaged("chignolin_mini")


def make(folder: Path, frames: Frames, **changes: Any) -> Frames:
    write_frames(folder / "mine.npz", frames)
    config = compose(["dataset=peptide_file", f"dataset.path={folder / 'mine.npz'}"])["dataset"]
    recipe = build({**config, "force_map": "optimal", "temperature": 350.0, **changes}, Recipe)
    return recipe.make(folder)


def scaled(frames: Frames, coords: float = 1.0, forces: float = 1.0) -> Frames:
    return frames.with_labels(coords=coords * frames.coords, forces=forces * np.asarray(frames.forces))


def test_sound_frames_pass(mini: Frames, tmp_path: Path) -> None:
    assert make(tmp_path, mini).content_hash == mini.content_hash
    assert len(make(tmp_path, mini, n_frames=50)) == 50
    assert len(make(tmp_path, mini.with_labels(forces=None))) == len(mini)
    assert len(make(tmp_path, mini.select(np.arange(0)))) == 0


@pytest.mark.parametrize("content", ["text", "archive"])
def test_a_file_that_holds_no_frames_is_not_to_be_deleted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine.npz"
    if content == "text":
        path.write_text("x y z")
    else:
        np.savez(path, coords=np.zeros((3, 10, 3)))
    recipe = build(compose(["dataset=peptide_file", f"dataset.path={path}"])["dataset"], Recipe)
    assert isinstance(recipe, FramesFile)
    for use in (recipe.require, lambda: recipe.make(tmp_path), lambda: recipe.all_atom_force_field):
        with pytest.raises(InputError, match=r"cannot be used \(.*\): give a file written by .*write_frames$"):
            use()


@pytest.mark.parametrize(
    ("coords", "forces", "sentence"),
    [
        (0.1, 10.0, r"bonded beads of data set '.*npz' are 0\.387 Å apart, .*: multiply coords by 10 if .* nm$"),
        (1.0, 4.184, r"forces of data set '.*npz' .*: divide forces by 4\.184 if they are in kJ/mol/A$"),
        (1.0, 41.84, r"divide forces by 41\.84 if they are in kJ/mol/nm$"),
        (1.0, -1.0, "give forces, not gradients"),
    ],
)
@pytest.mark.parametrize("n_frames", [None, 50])
def test_other_units_are_asked_about(
    mini: Frames, tmp_path: Path, coords: float, forces: float, sentence: str, n_frames: int | None
) -> None:
    with pytest.raises(InputError, match=sentence):
        make(tmp_path, scaled(mini, coords, forces), n_frames=n_frames)


def test_a_wrong_temperature_is_asked_about(mini: Frames, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"set the true temperature if the frames were sampled at 3[45]\d ± \d K$"):
        make(tmp_path, mini.with_labels(temperature=300.0), temperature=300.0)


def test_selected_frames_are_not_judged_by_the_identities(mini: Frames, tmp_path: Path) -> None:
    wrong = scaled(mini, forces=0.3)
    assert len(make(tmp_path, wrong, thermally_sampled=False)) == len(mini)
    labelled = wrong.with_labels(force_sem=np.ones_like(mini.coords))
    assert len(make(tmp_path, labelled)) == len(mini)
    with pytest.raises(InputError, match="multiply coords by 10"):
        make(tmp_path, scaled(labelled, coords=0.1), thermally_sampled=False)


def test_a_biased_map_needs_a_reason(mini: Frames, tmp_path: Path) -> None:
    bond = np.diff(mini.coords, axis=1)
    tension = bond / np.linalg.norm(bond, axis=-1, keepdims=True)  # does no work on average along r - r0
    forces = np.array(mini.forces)
    forces[:, :-1] += tension
    forces[:, 1:] -= tension
    biased = mini.with_labels(forces=forces, force_map="slice")
    with pytest.raises(InputError, match=r"'slice' of .* is biased: .*allow_biased_force_map='<reason>'"):
        make(tmp_path, biased, force_map="slice")
    assert len(make(tmp_path, biased, force_map="slice", allow_biased_force_map="a test of it")) == len(biased)


def test_units_of_more_frames_than_are_tested_are_still_found(
    mini: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cgexp.datasets.file_data.TESTED_BYTES", mini.coords.nbytes // 2 + 1)
    assert len(make(tmp_path, mini)) == len(mini)
    with pytest.raises(InputError, match="nm"):
        make(tmp_path, scaled(mini, coords=0.1))
