"""Random: frames of the pool without looking at them, the control of every other rule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.active.acquisition import Acquisition, Context, Coords


class Random(Acquisition):
    """``n`` frames of the pool, each as likely as any other."""

    def choose(self, candidates: Coords, known: Coords, n: int, context: Context) -> NDArray[np.int64]:
        return np.random.default_rng(context.seed).choice(len(candidates), size=n, replace=False).astype(np.int64)
