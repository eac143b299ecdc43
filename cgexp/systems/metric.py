"""How far configurations are apart, as points or after the best superposition; and superpositions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_PAIRS_AT_ONCE = 200_000  # superpositions held in memory at a time (about 30 MB)


def euclidean(a: NDArray[np.floating], b: NDArray[np.floating]) -> Array:
    """Distance of all coordinates together: a [n, n_beads, n_dims], b [m, n_beads, n_dims] -> [n, m]."""
    flat_a, flat_b = (np.asarray(c, dtype=np.float64).reshape(len(c), -1) for c in (a, b))
    return np.linalg.norm(flat_a[:, None] - flat_b[None], axis=-1)


def superposed_rmsd(a: NDArray[np.floating], b: NDArray[np.floating]) -> Array:
    """RMSD after the best rotation and translation, no reflection: a [n, n_beads, 3], b [m, n_beads, 3] -> [n, m]."""
    left, right = _centred(a), _centred(b)
    rows = max(1, _PAIRS_AT_ONCE // max(1, len(right)))
    parts = [_rmsd(left[start : start + rows], right) for start in range(0, len(left), rows)]
    return np.concatenate(parts) if parts else np.zeros((0, len(right)))


def mutual_rmsd(coords: NDArray[np.floating]) -> Array:
    """``superposed_rmsd`` of each of coords [n, n_beads, 3] to each, every pair once: [n, n], zero on the diagonal."""
    centred, (first, second) = _centred(coords), np.triu_indices(len(coords), 1)
    covariance = np.einsum("nbi,mbj->nmij", centred, centred, optimize=True)[first, second]
    sizes = np.square(centred).sum(axis=(1, 2))
    found = np.zeros((len(coords), len(coords)))
    found[first, second] = _least_rmsd(covariance, sizes[first] + sizes[second], centred.shape[1])
    return found + found.T


def _centred(coords: NDArray[np.floating]) -> Array:
    coords = np.asarray(coords, dtype=np.float64)
    return coords - coords.mean(axis=1, keepdims=True)


def _rmsd(a: Array, b: Array) -> Array:
    """Of centred configurations a [n, n_beads, 3] and b [m, n_beads, 3] -> [n, m]."""
    covariance = np.einsum("nbi,mbj->nmij", a, b, optimize=True)
    sizes = np.square(a).sum(axis=(1, 2))[:, None] + np.square(b).sum(axis=(1, 2))[None, :]
    return _least_rmsd(covariance, sizes, a.shape[1])


def _least_rmsd(covariance: Array, sizes: Array, n_points: int) -> Array:
    """RMSD [...] after the best proper rotation, by the singular values of the covariance [..., 3, 3] (Kabsch 1976).

    sizes: [...], sums of squares of both centred configurations.
    """
    singular = np.linalg.svd(covariance, compute_uv=False)
    # A negative determinant means the best match is a reflection: the smallest singular value then counts against it.
    singular[..., 2] *= np.sign(np.linalg.det(covariance))
    squared = (sizes - 2.0 * singular.sum(axis=-1)) / n_points
    return np.sqrt(np.maximum(squared, 0.0))


def _best_rotation(covariance: Array) -> Array:
    """The proper rotations [..., 3, 3], applied as ``points @ rotation``, of the covariances of moving and target."""
    left, _, right = np.linalg.svd(covariance)
    left[..., 2] *= np.sign(np.linalg.det(left @ right))[..., None]  # no mirror image
    return left @ right


def superpose(moving: Array, target: Array) -> tuple[Array, Array]:
    """Rotation [3, 3] and translation [3] that take ``moving`` [n, 3] best onto ``target`` [n, 3].

    Apply as ``points @ rotation + translation``. The rotation is proper: no mirror image is ever made.
    """
    moving_centre, target_centre = moving.mean(axis=0), target.mean(axis=0)
    rotation = _best_rotation((moving - moving_centre).T @ (target - target_centre))
    return rotation, target_centre - moving_centre @ rotation


def superposed(coords: NDArray[np.floating], target: Array) -> Array:
    """Every configuration [n, n_points, 3] turned and moved best onto ``target`` [n_points, 3]; no mirror images."""
    centre, centred = target.mean(axis=0), _centred(coords)
    return centred @ _best_rotation(np.einsum("npi,pj->nij", centred, target - centre)) + centre


class PointSets:
    """Many sets of the same points, prepared to be compared with one. points: [n, n_points, 3]."""

    def __init__(self, points: NDArray[np.floating]) -> None:
        centred = _centred(points)
        self._size = np.square(centred).sum(axis=(1, 2))
        self._rows = centred.transpose(0, 2, 1).reshape(-1, centred.shape[1])

    def rmsd(self, target: NDArray[np.floating]) -> Array:
        """RMSD of each set after its best proper rotation onto ``target`` [n_points, 3]: [n]."""
        target = target - target.mean(axis=0)
        covariance = (self._rows @ target).reshape(-1, 3, 3)
        return _least_rmsd(covariance, self._size + np.square(target).sum(), len(target))
