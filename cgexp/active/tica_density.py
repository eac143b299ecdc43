"""TicaDensity: the frames where the known ones are sparse in the plane of the slow coordinates."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cgexp.active.acquisition import Context, Coords, ScoreRule
from cgexp.errors import InputError
from cgexp.parts.ranges import PositiveInt


class TicaDensity(ScoreRule):
    """The lowest density of known frames in the first two ICs, estimated by the distance to the k-th nearest one.

    With r_k that distance, the density of n known frames is k / (n pi r_k^2) (Loftsgaarden and Quesenberry 1965, Ann.
    Math. Stat. 36, 1049). Unlike a histogram or a kernel it has no bandwidth to choose and still ranks frames that are
    far outside of all known ones. n_neighbours: k; with fewer known frames, all of them.
    """

    needs: ClassVar[tuple[str, ...]] = ("tica",)

    def __init__(self, n_neighbours: PositiveInt = 10) -> None:
        self.n_neighbours = n_neighbours

    def scores(self, candidates: Coords, known: Coords, context: Context) -> NDArray[np.float64]:
        """r_k [m], in the unit of the ICs. Raises InputError without a TICA or known frames."""
        from scipy.spatial import KDTree

        if context.tica is None:
            raise InputError(
                f"TICA density needs the TICA of a reference, which system '{context.system.name}' has none of here: "
                "choose another acquisition"
            )
        if not len(known):
            raise InputError("TICA density needs known frames and there are none: begin with another acquisition")
        tree = KDTree(context.tica.transform(known))
        k = min(self.n_neighbours, len(known))
        distance, _ = tree.query(context.tica.transform(candidates), k=[k])
        return distance[:, 0]
