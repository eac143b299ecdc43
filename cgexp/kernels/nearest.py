"""Which Coverage compares the configurations of a system by its metric, and those without a kernel of their own."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from cgexp.kernels.coverage import Coverage
from cgexp.kernels.native_library import NoNativeKernel
from cgexp.kernels.superposed import SuperposedCoverage
from cgexp.systems.base import System

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
    """By ``system.distance`` alone: for any system, and what the others are held to.

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
