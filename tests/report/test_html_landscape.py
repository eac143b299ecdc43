"""The maps of a page: every visited bin is drawn once, numbers do not cover each other, data fit the maps."""

from __future__ import annotations

import re

import numpy as np

from cgexp.analysis.structures import REFERENCE, SIMULATION
from cgexp.report.html_landscape import APART, landscape_view
from tests.report.pages import maps, plane


def area(path: str) -> int:
    """Bins under the strips of a path."""
    return sum(int(width) for width in re.findall(r"M\d+ \d+h(\d+)v1H\d+z", path))


def test_every_visited_bin_is_drawn_once() -> None:
    view = landscape_view(plane())
    assert [one.name for one in view.maps] == [REFERENCE, SIMULATION]
    for one, energy in zip(view.maps, (maps().reference, maps().model), strict=True):
        assert sum(area(path) for _, path in one.levels) == np.isfinite(energy).sum() == 32
    assert view.maps[0].levels[0][1].startswith("M0 7h"), "the lowest energies, at the lower left"
    assert view.maps[0].title == "reference: some_ensemble"


def test_numbers_stand_at_basins_and_beside_each_other() -> None:
    for one in landscape_view(plane()).maps:
        assert len({mark.text for mark in one.marks}) == len(one.marks) > 1
        for i, a in enumerate(one.marks):
            for b in one.marks[:i]:
                assert abs(a.x - b.x) >= 0.99 * APART * one.n_1 or abs(a.y - b.y) >= 0.99 * APART * one.n_2


def test_a_script_knows_where_tiles_are_and_what_is_in_them() -> None:
    found = plane()
    for one, tiles in zip(landscape_view(found).data["maps"], found.tiles.values(), strict=True):
        assert len(one["places"]) == len(one["notes"]) == len(one["ca"]) == len(tiles.share)
        assert "0.0 kT above" in one["notes"][one["start"]]
        np.testing.assert_allclose(np.array(one["ca"][0]) / 10.0, tiles.trace[0].ravel(), atol=0.051)


def test_axes_have_round_numbers() -> None:
    (one, _) = landscape_view(plane()).maps
    assert [label for _, label in one.ticks_1] == ["-2", "-1", "0", "1", "2"]
    assert [place for place, _ in one.ticks_1] == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert [place for place, _ in one.ticks_2] == [8.0, 6.0, 4.0, 2.0, 0.0]
