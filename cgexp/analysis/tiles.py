"""The plane of the ICs in tiles, with one frame for each tile that an ensemble visits: what lies where, to look at.

A tile is a square of bins of the free energy maps. Its frame is the one nearest to its middle: a frame that was
visited, and one of many; where the landscape is rough, others of the same tile differ from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.curves import TicaMaps
from cgexp.analysis.representatives import basins_of
from cgexp.systems.metric import superposed

Array = NDArray[np.float64]
MOST_NUMBERS = 24_000  # coordinates in all tiles of a page together; of a longer chain tiles are larger


@dataclass(frozen=True)
class InPlane:
    """An ensemble in the plane: ics [n_frames, 2]; its trace [n_frames, n_residues, 3], Å; weights [n_frames]."""

    ics: Array
    trace: NDArray[np.floating]
    weights: NDArray[np.floating]


@dataclass(frozen=True)
class Tiles:
    """The visited tiles of one ensemble, row by row.

    place: along IC 1 and IC 2, counted from 0, [n, 2]. share: of all frames, by weight, [n]. basin: of the frame shown,
    [n]. trace: of that frame, superposed, [n, n_residues, 3], Å.
    """

    place: NDArray[np.intp]
    share: Array
    basin: NDArray[np.str_]
    trace: Array


@dataclass(frozen=True)
class Landscape:
    """maps: the free energies; side: bins along the edge of a tile; tiles: name of an ensemble -> where it has been."""

    maps: TicaMaps
    side: int
    tiles: Mapping[str, Tiles]


def landscape(
    maps: TicaMaps, ensembles: Mapping[str, InPlane], native: Array | None, target: Array, most: int = MOST_NUMBERS
) -> Landscape:
    """The tiles of some ensembles: the smallest with which all their coordinates are at most ``most`` numbers.

    native: [n_residues, 3], None if it is not known. target: what frames are superposed on, [n_residues, 3].
    """
    n_bins = max(maps.reference.shape)
    for side in range(1, n_bins + 1):
        tiled = {name: _tile_of(maps, one, side) for name, one in ensembles.items()}
        n_tiles = sum(len(np.unique(tile[tile >= 0])) for tile in tiled.values())
        if n_tiles * target.size <= most:
            break
    found = {name: _tiles(maps, one, tiled[name], side, native, target) for name, one in ensembles.items()}
    return Landscape(maps, side, found)


def _bins(maps: TicaMaps, ics: Array) -> NDArray[np.intp]:
    """The bin of every frame along both ICs, [n_frames, 2]; -1 or the number of bins for one beyond the map."""
    edges = maps.edges_ic1, maps.edges_ic2
    bins = [np.searchsorted(e, ic, side="right") - 1 for e, ic in zip(edges, ics.T, strict=True)]
    for bin_, e, ic in zip(bins, edges, ics.T, strict=True):
        bin_[ic == e[-1]] = len(e) - 2  # the last bin has its upper edge, as in numpy.histogram
    return np.stack(bins, axis=-1)


def _n_tiles(maps: TicaMaps, side: int) -> tuple[int, int]:
    n_1, n_2 = maps.reference.shape
    return -(-n_1 // side), -(-n_2 // side)


def _tile_of(maps: TicaMaps, ensemble: InPlane, side: int) -> NDArray[np.intp]:
    """The number of every frame's tile, -1 for frames beyond the map and for those without weight, [n_frames]."""
    bins = _bins(maps, ensemble.ics)
    inside = ((bins >= 0) & (bins < maps.reference.shape)).all(axis=1) & (ensemble.weights > 0.0)
    first, second = (bins // side).T
    return np.where(inside, first * _n_tiles(maps, side)[1] + second, -1)


def _tiles(
    maps: TicaMaps, ensemble: InPlane, tile: NDArray[np.intp], side: int, native: Array | None, target: Array
) -> Tiles:
    widths = np.array([(e[-1] - e[0]) / (len(e) - 1) for e in (maps.edges_ic1, maps.edges_ic2)])
    in_tiles = (ensemble.ics - [maps.edges_ic1[0], maps.edges_ic2[0]]) / (side * widths)
    from_middle = np.square(in_tiles - np.floor(in_tiles) - 0.5).sum(axis=1)
    order = np.lexsort((from_middle, tile))
    visited, first = np.unique(tile[order], return_index=True)
    shown = order[first[visited >= 0]]
    visited = visited[visited >= 0]
    weight = np.bincount(tile[tile >= 0], ensemble.weights[tile >= 0], minlength=int(tile.max(initial=0)) + 1)
    trace = np.asarray(ensemble.trace[shown], dtype=np.float64)
    return Tiles(
        np.stack(np.divmod(visited, _n_tiles(maps, side)[1]), axis=-1),
        weight[visited] / ensemble.weights.sum(),
        basins_of(trace, native),
        superposed(trace, target),
    )
