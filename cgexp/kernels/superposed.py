"""Coverage by the metric of a system: superposed RMSD in C++, most pairs never computed; any other in numpy.

Superposed RMSD is a metric of configurations up to rigid motions. Proper rotations and translations keep |a - b| and
form a group, so with the best g of (a, b) and the best h of (b, c), d(a, c) <= |a - gh c| <= |a - g b| + |b - h c|,
divided by sqrt(n_beads), is d(a, b) + d(b, c). Reflections play no part in it. Hence d(a, b) >= |d(a, z) - d(b, z)| for
any third frame z: known frames are kept in clusters around some of them, by distance to their centre z, so that whole
clusters and whole stretches of one are never looked at. Of the others, most are dismissed by the sign of a polynomial
(see native/superposed.cpp) before their RMSD is found.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import isqrt
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp.kernels.coverage import Coverage
from cgexp.kernels.native_library import NoNativeKernel, native_library
from cgexp.systems.base import System

Result = TypeVar("Result")

LANES = 8  # frames in a block, as in native/superposed.cpp
CHUNK = 512  # candidates, or blocks of them, that a thread takes at a time
CENTRES = 2  # clusters, in roots of the number of known frames: as long to find the nearest as to look through it
NO_LIMIT = 2**62


class SuperposedCoverage(Coverage):
    """Coverage of candidates [m, n_beads, 3] by known [k, n_beads, 3], k >= 1, in one length unit.

    The first bounds are the distances to the centres of all clusters and to the members of the nearest one. Raises
    NoNativeKernel if the C++ cannot be had here.
    """

    def __init__(self, candidates: NDArray[np.floating], known: NDArray[np.floating]) -> None:
        super().__init__(len(candidates))
        self._library = native_library("superposed")
        self._candidates = Packed(candidates)
        self._padded = np.full(self._candidates.n_frames, np.inf)
        self.squared = self._padded[: len(candidates)]
        self._cluster(known)
        self._search(np.arange(len(candidates)), -np.inf, n_visits=1)

    def refine(self, rows: NDArray[np.int64], floor: float) -> None:
        self._search(rows, floor, NO_LIMIT)

    def add(self, row: int) -> None:
        frames = self._candidates.reference

        def work(first: int, last: int) -> None:
            self._library.superposed_lower(
                frames, ctypes.c_int64(row), frames, ctypes.c_int64(first), ctypes.c_int64(last), _address(self._padded)
            )

        _in_threads(work, len(self._padded), CHUNK * LANES)
        self.n_pairs += len(self.squared)

    def _search(self, rows: NDArray[np.int64], floor: float, n_visits: int) -> None:
        rows = np.ascontiguousarray(rows, dtype=np.int64)
        best, exact = self.squared[rows], np.zeros(len(rows), dtype=np.int8)
        search = self._library.superposed_nearest
        search.restype = ctypes.c_int64

        def work(first: int, last: int) -> int:
            return search(
                self._candidates.reference, _address(rows[first:]), ctypes.c_int64(last - first),
                self._centres.reference, self._known.reference, ctypes.byref(self._clusters),
                ctypes.c_int64(n_visits), ctypes.c_double(floor), _address(best[first:]), _address(exact[first:]),
            )  # fmt: skip

        self.n_pairs += LANES * sum(_in_threads(work, len(rows), CHUNK))
        self.squared[rows] = best
        self.exact[rows] = exact.astype(bool)

    def _cluster(self, known: NDArray[np.floating]) -> None:
        """Put known frames into clusters of whole blocks; the last member of a cluster fills up its last block."""
        chosen = np.linspace(0, len(known) - 1, min(len(known), CENTRES * isqrt(len(known)) + 1)).astype(np.int64)
        nearest, distance = self._nearest_of(Packed(known), chosen)
        self.n_pairs += len(chosen) * len(known)
        used, nearest, counts = np.unique(nearest, return_inverse=True, return_counts=True)  # twins leave one empty
        order = np.lexsort((-distance, nearest))
        ends = np.cumsum(counts)
        padded = [
            np.minimum(np.arange(end - count, end - count + _blocks(count) * LANES), end - 1)
            for count, end in zip(counts, ends, strict=True)
        ]
        order = order[np.concatenate(padded)]
        distance = distance[order].reshape(-1, LANES)
        self._known, self._centres = Packed(known[order]), Packed(known[chosen[used]])
        self._bounds = (np.cumsum([0, *map(_blocks, counts)]), distance.max(axis=1), distance.min(axis=1))
        self._clusters = _Clusters(len(used), *map(_address, self._bounds))

    def _nearest_of(self, frames: Packed, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """For each frame, which of the chosen ones is nearest, and its distance."""
        nearest, squared = np.zeros(frames.n_frames, dtype=np.int64), np.full(frames.n_frames, np.inf)

        def work(first: int, last: int) -> None:
            for number, row in enumerate(chosen):
                found = frames.squared(row, frames, first, last)
                closer = found < squared[first:last]
                nearest[first:last][closer] = number
                squared[first:last][closer] = found[closer]

        _in_threads(work, frames.n_frames, CHUNK * LANES)
        return nearest[: frames.n], np.sqrt(squared[: frames.n])


class Packed:
    """Centred frames [n, n_beads, 3] in blocks [n_blocks, n_beads, 3, LANES], filled up with the last, and |x|^2.

    n_frames: those that fill up included. reference: what the C++ is given.
    """

    def __init__(self, coords: NDArray[np.floating]) -> None:
        self.n, n_beads, n_dims = coords.shape
        n_blocks = _blocks(self.n)
        self.n_frames = n_blocks * LANES
        self.coords, self.sizes = np.empty((n_blocks, n_beads * n_dims, LANES)), np.empty((n_blocks, LANES))
        for first in range(0, n_blocks, CHUNK):
            last = min(first + CHUNK, n_blocks)
            rows = np.minimum(np.arange(first * LANES, last * LANES), self.n - 1)
            frames = coords[rows].astype(np.float64)
            frames -= frames.mean(axis=1, keepdims=True)
            self.coords[first:last] = frames.reshape(last - first, LANES, -1).transpose(0, 2, 1)
            self.sizes[first:last] = np.square(frames).sum(axis=(1, 2)).reshape(-1, LANES)
        self._frames = _Frames(n_beads, n_blocks, _address(self.coords), _address(self.sizes))
        self.reference = ctypes.byref(self._frames)

    def squared(self, row: int, other: Packed, first: int, last: int) -> NDArray[np.float64]:
        """Squared RMSD [last - first] of a frame to frames first ... last - 1 of another; multiples of LANES."""
        found = np.empty(last - first)
        native_library("superposed").superposed_row(
            self.reference, ctypes.c_int64(row), other.reference, ctypes.c_int64(first), ctypes.c_int64(last),
            _address(found),
        )  # fmt: skip
        return found


class _Frames(ctypes.Structure):
    _fields_ = [
        ("n_beads", ctypes.c_int64), ("n_blocks", ctypes.c_int64), ("coords", ctypes.c_void_p),
        ("sizes", ctypes.c_void_p),
    ]  # fmt: skip


class _Clusters(ctypes.Structure):
    _fields_ = [
        ("n_clusters", ctypes.c_int64), ("first_block", ctypes.c_void_p), ("farthest", ctypes.c_void_p),
        ("nearest", ctypes.c_void_p),
    ]  # fmt: skip


def _blocks(n_frames: int) -> int:
    return -(-int(n_frames) // LANES)


def _address(array: NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _in_threads(work: Callable[[int, int], Result], n: int, size: int) -> list[Result]:
    """Call work(first, last) for all stretches of ``size`` in n: ctypes lets go of Python's lock."""
    stretches = list(pairwise([*range(0, n, size), n]))
    with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="superposed") as pool:
        return list(pool.map(lambda stretch: work(*stretch), stretches))


log = logging.getLogger(__name__)
KNOWN_AT_ONCE = 256  # known frames after which a candidate may be given up
PAIRS_AT_ONCE = 1_000_000


def make_coverage(system: System, candidates: NDArray[np.floating], known: NDArray[np.floating]) -> Coverage:
    """Coverage of candidates [m, n_beads, n_dims] by known [k, n_beads, n_dims] in the system's distance.

    Values are those of ``system.distance`` within rounding. Without known frames all distances are infinite.
    """
    if not len(candidates) or not len(known):
        return PlainCoverage(system, candidates, known)
    if system.metric == "superposed":
        try:
            return SuperposedCoverage(candidates, known)
        except NoNativeKernel as error:
            log.warning("frames are compared without the C++ kernel, which takes much longer: %s", error)
    if system.metric == "euclidean":
        return EuclideanCoverage(candidates, known)
    return PlainCoverage(system, candidates, known)


class EuclideanCoverage(Coverage):
    """Distances of points, all exact at once by a k-d tree."""

    def __init__(self, candidates: NDArray[np.floating], known: NDArray[np.floating]) -> None:
        from scipy.spatial import KDTree

        super().__init__(len(candidates))
        self._points = _flat(candidates)
        self.squared = np.square(KDTree(_flat(known)).query(self._points)[0])
        self.exact[:] = True

    def refine(self, rows: NDArray[np.int64], floor: float) -> None:
        pass

    def add(self, row: int) -> None:
        np.minimum(self.squared, np.square(self._points - self._points[row]).sum(axis=1), out=self.squared)
        self.n_pairs += len(self.squared)


class PlainCoverage(Coverage):
    """By ``system.distance`` alone: for any system; tests compare the others with it.

    A candidate is compared with known frames in no order until its bound is below the floor, as outliers are found by
    Bay and Schwabacher (2003, KDD '03, 29).
    """

    def __init__(self, system: System, candidates: NDArray[np.floating], known: NDArray[np.floating]) -> None:
        super().__init__(len(candidates))
        self._system, self._candidates = system, candidates
        self._known = known[np.random.default_rng(0).permutation(len(known))]  # neighbours in time are alike
        self.exact[:] = not len(known)

    def refine(self, rows: NDArray[np.int64], floor: float) -> None:
        for start in range(0, len(self._known), KNOWN_AT_ONCE):
            if not len(rows):
                return
            known = self._known[start : start + KNOWN_AT_ONCE]
            size = max(1, PAIRS_AT_ONCE // len(known))
            for some in np.split(rows, range(size, len(rows), size)):
                self._lower(some, known)
            rows = rows[self.squared[rows] >= floor]
        self.exact[rows] = True

    def add(self, row: int) -> None:
        for start in range(0, len(self.squared), PAIRS_AT_ONCE):
            self._lower(slice(start, start + PAIRS_AT_ONCE), self._candidates[[row]])

    def _lower(self, rows: NDArray[np.int64] | slice, known: NDArray[np.floating]) -> None:
        distance = self._system.distance(self._candidates[rows], known)
        self.squared[rows] = np.minimum(self.squared[rows], np.square(distance.min(axis=1, initial=np.inf)))
        self.n_pairs += distance.size


def _flat(coords: NDArray[np.floating]) -> NDArray[np.float64]:
    return coords.reshape(len(coords), -1).astype(np.float64)
