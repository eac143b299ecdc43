"""The energy landscape in a page: maps as vector drawings that stand alone, and what a script shows of their tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from cgexp.analysis.representatives import ALL
from cgexp.analysis.structures import REFERENCE
from cgexp.analysis.tiles import Landscape, Tiles

Array = NDArray[np.float64]
N_LEVELS = 24  # colours of a map
APART = 0.06  # of the edge of a map: two numbers on it that are nearer than this cover each other
# where a number may stand instead, in these lengths, the nearest first; there are far fewer basins than places
ASIDE = sorted(product(range(-3, 4), repeat=2), key=lambda step: (step[0] ** 2 + step[1] ** 2, step))
LOWEST = "lowest"  # what a map's most visited place is called where no basins are known


@dataclass(frozen=True)
class Mark:
    """A number on a map, at the most visited tile of a basin: the basin; the tile; x, y: of the number, in bins."""

    text: str
    tile: int
    x: float
    y: float


@dataclass(frozen=True)
class Map:
    """One map, its origin in the upper left corner. levels: (colour, path of the bins of that free energy), in bins.

    ticks_1, ticks_2: (place in bins, label).
    """

    name: str
    title: str
    levels: Sequence[tuple[str, str]]
    marks: Sequence[Mark]
    ticks_1: Sequence[tuple[float, str]]
    ticks_2: Sequence[tuple[float, str]]
    n_1: int
    n_2: int


@dataclass(frozen=True)
class LandscapeView:
    """What landscape.html needs: maps, the colours of their scale, the highest free energy, and data of a script."""

    maps: Sequence[Map]
    colours: Sequence[str]
    highest: float
    data: dict[str, Any]


def landscape_view(found: Landscape) -> LandscapeView:
    """The maps of a run's reference and, if there is one, of its simulation."""
    energies = {name: found.maps.reference if name == REFERENCE else found.maps.model for name in found.tiles}
    colours = [to_hex(colour) for colour in colormaps["viridis"](np.linspace(0.0, 1.0, N_LEVELS))]
    highest = found.maps.highest or 1.0
    maps = [_map(name, energy, found, colours, highest) for name, energy in energies.items() if energy is not None]
    data = {"side": found.side, "maps": [_data(found.tiles[one.name], one) for one in maps]}
    return LandscapeView(maps, colours, highest, data)


def _map(name: str, energy: Array, found: Landscape, colours: Sequence[str], highest: float) -> Map:
    n_1, n_2 = energy.shape
    level = np.minimum(np.nan_to_num(energy / highest, nan=0.0) * N_LEVELS, N_LEVELS - 1).astype(int)
    paths = [(colour, _path(np.isfinite(energy) & (level == i))) for i, colour in enumerate(colours)]
    title = f"{name}: {found.maps.reference_name}" if name == REFERENCE else name
    return Map(
        name,
        title,
        [(colour, path) for colour, path in paths if path],
        _marks(found.tiles[name], found.side, n_1, n_2),
        _ticks(found.maps.edges_ic1),
        [(n_2 - place, label) for place, label in _ticks(found.maps.edges_ic2)],
        n_1,
        n_2,
    )


def _path(bins: NDArray[np.bool_]) -> str:
    """An SVG path of the bins [n_1, n_2] that are true, neighbours along IC 1 as one strip; IC 2 runs upwards."""
    strips = []
    for row in range(bins.shape[1]):
        ends = np.flatnonzero(np.diff(np.concatenate([[False], bins[:, row], [False]]).astype(int)))
        strips += [
            f"M{start} {bins.shape[1] - 1 - row}h{stop - start}v1H{start}z"
            for start, stop in zip(ends[::2], ends[1::2], strict=True)
        ]
    return "".join(strips)


def _marks(tiles: Tiles, side: int, n_1: int, n_2: int) -> list[Mark]:
    """One for each basin, the most visited place first; one that would lie on another stands beside it."""
    marks: list[Mark] = []
    for basin in dict.fromkeys(tiles.basin[np.argsort(-tiles.share, kind="stable")].tolist()):
        members = np.flatnonzero(tiles.basin == basin)
        tile = int(members[tiles.share[members].argmax()])
        x, y = (tiles.place[tile] + 0.5) * side
        at_tile = Mark(LOWEST if basin == ALL else basin, tile, float(x), float(n_2 - y))
        moved = (replace(at_tile, x=at_tile.x + i * APART * n_1, y=at_tile.y + j * APART * n_2) for i, j in ASIDE)
        marks.append(next(mark for mark in moved if not any(_cover(mark, other, n_1, n_2) for other in marks)))
    return marks


def _cover(a: Mark, b: Mark, n_1: int, n_2: int) -> bool:
    nearly = 0.999 * APART  # those that were moved apart are not nearer for rounding
    return abs(a.x - b.x) < nearly * n_1 and abs(a.y - b.y) < nearly * n_2


def _ticks(edges: Array) -> list[tuple[float, str]]:
    """Round numbers between the edges [n_bins + 1]: where they are in bins, and how they are written."""
    values = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(edges[0], edges[-1])
    inside = values[(values >= edges[0]) & (values <= edges[-1])]
    places = (inside - edges[0]) / (edges[-1] - edges[0]) * (len(edges) - 1)
    return [(round(float(place), 3), f"{value:g}") for place, value in zip(places, inside, strict=True)]


def _data(tiles: Tiles, one: Map) -> dict[str, Any]:
    """What a script shows of the tiles; coordinates in tenths of Å, as whole numbers."""
    above = np.log(tiles.share.max() / tiles.share)
    notes = [
        f"{'' if basin == ALL else f'{basin}; '}{100.0 * share:.2g} % of the frames lie in this tile, "
        f"{energy:.1f} kT above the most visited one"
        for basin, share, energy in zip(tiles.basin, tiles.share, above, strict=True)
    ]
    traces = np.round(10.0 * tiles.trace).astype(int).reshape(len(tiles.trace), -1).tolist()
    start = int(tiles.share.argmax())
    places = {"places": tiles.place.tolist(), "notes": notes, "ca": traces, "start": start}
    return {"name": one.name, "n1": one.n_1, "n2": one.n_2, **places}
