from __future__ import annotations

import json
from pathlib import Path

import pytest

from cgexp.config.compose import compose
from cgexp.datasets.toy_data import ExactSamples
from cgexp.errors import InputError
from cgexp.runs.data import DataSet


def test_data_are_made_once_and_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_set = DataSet.of(compose([f"outputs={tmp_path}", "dataset.n_frames=50"]))
    first, path = data_set.get()
    assert path is not None
    card = json.loads((data_set.folder / "card.json").read_text())
    assert card["content_hash"] == first.content_hash
    assert card["n_frames"] == 50
    monkeypatch.setattr(ExactSamples, "make", lambda *_: pytest.fail("made twice"))
    again, _ = data_set.get()
    assert again.content_hash == first.content_hash


def test_truncated_data_are_named(tmp_path: Path) -> None:
    data_set = DataSet.of(compose([f"outputs={tmp_path}", "dataset.n_frames=50"]))
    _, path = data_set.get()
    assert path is not None
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"frames\.npz is truncated"):
        data_set.get()


def test_shipped_data_are_not_copied(tmp_path: Path) -> None:
    config = compose([f"outputs={tmp_path}", "experiment=chignolin_first", "dataset.n_frames=100"])
    frames, path = DataSet.of(config).get()
    assert (len(frames), path) == (100, None)
    assert not list(tmp_path.rglob("*.npz"))
