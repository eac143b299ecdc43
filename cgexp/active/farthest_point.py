"""FarthestPoint: frames far from all known ones and from each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.active.acquisition import Acquisition, Context, Coords
from cgexp.kernels.superposed import make_coverage


class FarthestPoint(Acquisition):
    """One after the other the candidate farthest from the known frames and from those picked before it.

    The greedy k-centre algorithm (Gonzalez 1985, Theor. Comput. Sci. 38, 293; for active learning Sener and Savarese
    2018, arXiv:1708.00489) in the system's distance. A pick is never a twin of another one or of a known frame while
    others are left. Exact, and without a matrix of all distances.
    """

    def choose(self, candidates: Coords, known: Coords, n: int, context: Context) -> NDArray[np.int64]:
        return make_coverage(context.system, candidates, known).farthest_points(n)
