"""Tiles of the plane: which are visited, how often, and that the frame shown is the one nearest to the middle."""

from __future__ import annotations

import numpy as np
import pytest

from cgexp.analysis.curves import TicaMaps
from cgexp.analysis.representatives import ALL
from cgexp.analysis.tiles import InPlane, landscape

MAPS = TicaMaps(np.zeros((4, 6)), "data", np.linspace(0.0, 4.0, 5), np.linspace(0.0, 6.0, 7), highest=1.0)
LINE = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0], [6.0, 1.0, 0.0]])


def ensemble(ics: list[tuple[float, float]], weights: list[float] | None = None) -> InPlane:
    trace = LINE * np.arange(1.0, len(ics) + 1.0)[:, None, None]  # frame i is i + 1 times as long
    return InPlane(np.array(ics), trace, np.ones(len(ics)) if weights is None else np.array(weights))


def length(trace: np.ndarray) -> np.ndarray:
    return np.linalg.norm(trace[:, -1] - trace[:, 0], axis=-1) / np.linalg.norm(LINE[-1] - LINE[0])


def test_the_frame_nearest_to_the_middle_stands_for_a_tile() -> None:
    shown = landscape(MAPS, {"a": ensemble([(0.1, 0.1), (0.6, 0.4), (3.5, 5.5), (4.0, 6.0)])}, None, LINE)
    tiles = shown.tiles["a"]
    assert shown.side == 1
    np.testing.assert_array_equal(tiles.place, [[0, 0], [3, 5]])
    np.testing.assert_allclose(tiles.share, [0.5, 0.5])
    np.testing.assert_allclose(length(tiles.trace), [2.0, 3.0])
    assert tiles.basin.tolist() == [ALL, ALL]


def test_frames_beyond_the_map_count_and_frames_without_weight_are_not_shown() -> None:
    one = ensemble([(0.5, 0.5), (0.6, 0.6), (9.0, 1.0), (1.5, 0.5)], [0.0, 1.0, 2.0, 1.0])
    tiles = landscape(MAPS, {"a": one}, None, LINE).tiles["a"]
    np.testing.assert_array_equal(tiles.place, [[0, 0], [1, 0]])
    np.testing.assert_allclose(tiles.share, [0.25, 0.25])
    np.testing.assert_allclose(length(tiles.trace), [2.0, 4.0])


@pytest.mark.parametrize(("most", "side", "n_tiles"), [(24 * 9, 1, 24), (6 * 9, 2, 6), (9, 6, 1)])
def test_tiles_grow_until_all_coordinates_fit_in_a_page(most: int, side: int, n_tiles: int) -> None:
    everywhere = ensemble([(i + 0.5, j + 0.5) for i in range(4) for j in range(6)])
    found = landscape(MAPS, {"a": everywhere}, None, LINE, most)
    assert (found.side, len(found.tiles["a"].share)) == (side, n_tiles)
    assert found.tiles["a"].share.sum() == pytest.approx(1.0)
