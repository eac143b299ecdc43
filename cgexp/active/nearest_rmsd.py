"""NearestRmsd: the frames that are farthest from all known ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.active.acquisition import Context, Coords, ScoreRule
from cgexp.kernels.superposed import make_coverage


class NearestRmsd(ScoreRule):
    """The highest distances to the nearest known frame: the RMSD proxy of Bachelor et al. 2025 (arXiv:2509.17208).

    The distance is the system's: superposed RMSD for peptides, Euclidean for toys. Each candidate is judged by itself,
    so picks may be near each other; FarthestPoint's are not. Exact, and without a matrix of all distances.
    """

    def choose(self, candidates: Coords, known: Coords, n: int, context: Context) -> NDArray[np.int64]:
        return make_coverage(context.system, candidates, known).most_distant(n)

    def scores(self, candidates: Coords, known: Coords, context: Context) -> NDArray[np.float64]:
        return make_coverage(context.system, candidates, known).distances()
