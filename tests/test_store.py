from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cgexp.errors import InputError, MachineError
from cgexp.quantised import dequantise, quantise
from cgexp.store import (
    Chunks,
    claim,
    read_arrays,
    read_frames,
    read_header,
    read_json,
    read_record,
    write_arrays,
    write_frames,
    write_json,
)
from tests.test_frames import make


def test_arrays_and_metadata_come_back(tmp_path: Path) -> None:
    arrays = {"a": np.arange(5), "b": np.ones((2, 3), dtype=np.float32)}
    write_arrays(tmp_path / "x.npz", arrays, {"note": "hello", "n": 3})
    back, meta = read_arrays(tmp_path / "x.npz")
    assert meta == {"note": "hello", "n": 3}
    for name, value in arrays.items():
        np.testing.assert_array_equal(back[name], value)
        assert back[name].dtype == value.dtype


def test_frames_come_back_with_their_hash(tmp_path: Path) -> None:
    frames = make()
    write_frames(tmp_path / "f.npz", frames, compress=True)
    assert read_frames(tmp_path / "f.npz").content_hash == frames.content_hash


def test_another_archive_is_not_called_truncated(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", x=np.zeros(3))
    for read in (read_arrays, read_header):
        with pytest.raises(InputError, match=r"f\.npz is a NumPy archive that cgexp did not write"):
            read(tmp_path / "f.npz")


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_truncated_file_is_named(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "f.npz"
    write_frames(path, make())
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if keep < 1 else int(keep)])
    with pytest.raises(InputError, match=r"f\.npz is truncated or not a cgexp store file"):
        read_frames(path)


def test_a_flipped_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    write_arrays(path, {"a": np.zeros(1000)})
    content = bytearray(path.read_bytes())
    content[700] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"truncated|damaged"):
        read_arrays(path)


def test_objects_are_not_stored(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="Python objects"):
        write_arrays(tmp_path / "x.npz", {"a": np.array([object()])})


def test_a_directory_that_is_not_writable_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="choose a writable directory"):
        write_json(tmp_path / "file" / "x.json", {})


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "x.json", {"old": True})

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(MachineError, match="No space left"):
        write_json(tmp_path / "x.json", {"new": True})
    monkeypatch.undo()
    assert read_json(tmp_path / "x.json") == {"old": True}
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_chunks_append_truncate_and_read(tmp_path: Path) -> None:
    chunks = Chunks(tmp_path / "t")
    for i in range(3):
        chunks.append({"x": np.full(2, i)}, {"i": i})
    assert chunks.read("x").tolist() == [0, 0, 1, 1, 2, 2]
    assert [meta["i"] for _, meta in chunks] == [0, 1, 2]
    chunks.truncate(1)
    assert len(Chunks(tmp_path / "t")) == 1


def test_a_missing_chunk_is_noticed(tmp_path: Path) -> None:
    chunks = Chunks(tmp_path)
    for i in range(3):
        chunks.append({"x": np.array([i])})
    chunks.paths[1].unlink()
    with pytest.raises(InputError, match="lacks chunk-000001"):
        chunks.read("x")


def test_broken_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        read_json(tmp_path / "x.json")
    with pytest.raises(InputError, match="is missing"):
        read_json(tmp_path / "y.json")


def test_values_too_large_for_16_bits_are_refused() -> None:
    with pytest.raises(InputError, match=r"values up to 40 do not fit 16 bits.*take steps of at least"):
        quantise(np.array([40.0]), 0.001)


def test_quantised_values_come_back_within_half_a_step() -> None:
    values = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    back = dequantise(quantise(values, 0.01), 0.01)
    assert back.dtype == np.float32
    assert np.abs(back - values).max() <= 0.005 + 1e-6


def test_a_folder_is_claimed_once_and_for_the_same_settings_again(tmp_path: Path) -> None:
    path = tmp_path / "run" / "settings.json"
    settings = {"ladder": (300.0, 350.0), "seed": 1, "tempering": None}
    claim(path, settings)
    claim(path, settings)  # a tuple is read back as a list
    claim(path, {"ladder": [300.0, 350.0], "seed": 1})  # null is as good as nothing
    with pytest.raises(
        InputError, match=r"run was begun with seed=1, not with seed=2: choose another folder or delete this one"
    ):
        claim(path, {**settings, "seed": 2})
    with pytest.raises(InputError, match=r"was begun with seed=1, not with seed=None"):
        claim(path, {"ladder": [300.0, 350.0]})
    claim(path, {**settings, "force_field": "ff14SB"}, later=("force_field",))  # begun by an older version
    with pytest.raises(InputError, match=r"was begun with force_field=None, not with force_field=ff14SB"):
        claim(path, {**settings, "force_field": "ff14SB"})
    assert read_record(path)["seed"] == 1


def test_an_archive_that_fills_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgexp.mapped.LARGE", 10**6)
    write_arrays(tmp_path / "bomb.npz", {"x": np.zeros(10**6)}, compress=True)
    with pytest.raises(InputError, match=r"bomb\.npz is truncated or not a"):
        read_arrays(tmp_path / "bomb.npz")
