"""Superposition of small point sets by proper rotations (Kabsch 1976): one onto another, and one against many."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def superpose(moving: Array, target: Array) -> tuple[Array, Array]:
    """Rotation [3, 3] and translation [3] that take ``moving`` [n, 3] best onto ``target`` [n, 3].

    Apply as ``points @ rotation + translation``. The rotation is proper: no mirror image is ever made.
    """
    moving_centre, target_centre = moving.mean(axis=0), target.mean(axis=0)
    left, _, right = np.linalg.svd((moving - moving_centre).T @ (target - target_centre))
    left[:, 2] *= np.sign(np.linalg.det(left @ right))
    rotation = left @ right
    return rotation, target_centre - moving_centre @ rotation


class PointSets:
    """Many sets of the same points, prepared to be compared with one. points: [n, n_points, 3]."""

    def __init__(self, points: NDArray[np.floating]) -> None:
        points = points.astype(np.float64)
        centred = points - points.mean(axis=1, keepdims=True)
        self._size = np.square(centred).sum(axis=(1, 2))
        self._rows = centred.transpose(0, 2, 1).reshape(-1, centred.shape[1])

    def rmsd(self, target: NDArray[np.floating]) -> Array:
        """RMSD of each set after its best proper rotation onto ``target`` [n_points, 3]: [n]."""
        target = target - target.mean(axis=0)
        covariance = (self._rows @ target).reshape(-1, 3, 3)
        singular = np.linalg.svd(covariance, compute_uv=False)
        # A negative determinant means the best match is a reflection: the smallest singular value counts against it.
        singular[:, 2] *= np.sign(np.linalg.det(covariance))
        squared = (self._size + np.square(target).sum() - 2.0 * singular.sum(axis=1)) / len(target)
        return np.sqrt(np.maximum(squared, 0.0))
