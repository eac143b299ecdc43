from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cgexp.errors import InputError
from cgexp.frames import Frames, concatenate, join


def make(**changes: Any) -> Frames:
    fields: dict[str, Any] = {
        "coords": np.arange(24.0).reshape(4, 2, 3),
        "bead_types": np.array([0, 1]),
        "block": np.array([0, 0, 1, 1]),
        "units": "molecular",
        "temperature": 350.0,
        "system": "two beads",
        "source": "a test",
        "forces": np.ones((4, 2, 3)),
        **changes,
    }
    return Frames(**fields)


def test_facts() -> None:
    frames = make()
    assert (len(frames), frames.n_beads, frames.n_dims) == (4, 2, 3)
    assert frames.kT == pytest.approx(0.69552, rel=1e-4)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"coords": np.zeros((4, 6))}, r"coords have shape \[4, 6\]"),
        ({"coords": np.zeros((4, 2, 3), dtype=int)}, "floating point"),
        ({"forces": np.ones((4, 97, 3))}, "97 beads.*map atoms to beads"),
        ({"block": np.zeros(3, int)}, r"block has shape \[3\]"),
        ({"bead_types": np.zeros(3, int)}, "bead_types has shape"),
        ({"units": "moleculer"}, "did you mean 'molecular'"),
        ({"temperature": 0.0}, "positive"),
        ({"weights": np.array([1.0, -1, 1, 1])}, "frame 1 are negative"),
        ({"force_sem": -np.ones((4, 2, 3))}, "standard error"),
        ({"force_sem": np.full((4, 2, 3), np.nan)}, "no number: expected a standard error, or inf if not known"),
    ],
)
def test_wrong_input_is_refused_in_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        make(**changes)


def test_the_first_frame_that_is_not_finite_is_named() -> None:
    coords = np.zeros((4, 2, 3))
    coords[2, 1, 0] = np.nan
    coords[3, 0, 0] = np.inf
    with pytest.raises(InputError, match=r"coords of frame 2 \(and 1 more\) are not finite"):
        make(coords=coords)


def test_arrays_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        make().coords[0, 0, 0] = 1.0


def test_content_hash_sees_arrays_and_metadata() -> None:
    frames = make()
    assert frames.content_hash == make().content_hash
    assert frames.content_hash != make(temperature=300.0).content_hash
    assert frames.content_hash != make(forces=np.zeros((4, 2, 3))).content_hash


def test_select_keeps_labels_aligned() -> None:
    chosen = make(forces=np.arange(24.0).reshape(4, 2, 3)).select([2, 0])
    assert chosen.block.tolist() == [1, 0]
    assert chosen.forces is not None
    np.testing.assert_array_equal(chosen.forces, chosen.coords)


def test_concatenate_keeps_blocks_apart_and_refuses_mixtures() -> None:
    joined = concatenate([make(), make()])
    assert joined.block.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(InputError, match="temperature differ"):
        concatenate([make(), make(temperature=300.0)])
    with pytest.raises(InputError, match="only some have forces"):
        concatenate([make(), make(forces=None)])
    with pytest.raises(InputError, match="empty list"):
        concatenate([])


def test_join_says_which_errors_are_not_known() -> None:
    instantaneous, precise = make(), make(force_sem=np.full((4, 2, 3), 0.3))
    both = join([instantaneous, precise])
    assert both.force_sem is not None
    assert np.isinf(both.force_sem[:4]).all()
    np.testing.assert_array_equal(both.force_sem[4:], precise.force_sem)
    assert both.block.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert join([both, instantaneous]).content_hash == join([both, make()]).content_hash
    assert join([instantaneous, instantaneous]).force_sem is None
    with pytest.raises(InputError, match="only some have weights"):
        join([instantaneous, precise.with_labels(weights=np.ones(4))])


def test_an_array_that_its_owner_changes_later_moves_no_frames() -> None:
    coords = np.arange(24.0).reshape(4, 2, 3)
    part = coords[:]
    part.setflags(write=False)
    frames = [make(coords=coords), make(coords=part)]
    coords[:] = 7.0
    assert all(found.coords[0, 0, 1] == 1.0 for found in frames)
    assert np.shares_memory(frames[0].coords, frames[0].with_labels(source="other").coords)


def test_numbers_of_another_machine_are_turned_round() -> None:
    frames = make(coords=np.arange(24.0).reshape(4, 2, 3).astype(">f8"))
    assert frames.coords.dtype.isnative
    assert frames.content_hash == make(coords=np.arange(24.0).reshape(4, 2, 3)).content_hash


@pytest.mark.parametrize("temperature", ["300", True, None, np.ones(2), float("nan"), float("inf")])
def test_a_temperature_is_a_number(temperature: object) -> None:
    with pytest.raises(InputError, match="temperature"):
        make(temperature=temperature)


def test_temperatures_of_numpy_and_quantities() -> None:
    class Quantity:
        unit = "kelvin"

        def __float__(self) -> float:
            return 300.0

    assert make(temperature=np.float32(300.0)).content_hash == make(temperature=300.0).content_hash
    with pytest.raises(InputError, match="a Quantity: expected a number"):
        make(temperature=Quantity())


@pytest.mark.parametrize(
    ("index", "told"),
    [([4], "no frame 4: expected 0 to 3"), ([-5], "no frame -5"), ([0.5], "of float64"), ([[0]], "array"),
     ([True], "booleans")],
)  # fmt: skip
def test_frames_that_are_not_there_are_told(index: list[object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        make().select(index)
    assert len(make().select([])) == 0
    assert len(make().select([-1, 0])) == 2
    assert len(make().select([True, False, True, False])) == 2
