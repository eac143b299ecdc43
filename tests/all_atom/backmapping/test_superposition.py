"""Superposition by proper rotations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cgexp.systems.metric import PointSets, superpose

RANDOM = np.random.default_rng(0)
POINTS = RANDOM.normal(0.0, 4.0, (5, 3))


def test_a_moved_copy_is_taken_back() -> None:
    moved = Rotation.from_rotvec([0.4, -1.0, 2.0]).apply(POINTS) + np.array([3.0, -7.0, 1.0])
    rotation, translation = superpose(moved, POINTS)
    np.testing.assert_allclose(moved @ rotation + translation, POINTS, atol=1e-12)
    assert PointSets(moved[None]).rmsd(POINTS) == pytest.approx(0.0, abs=1e-6)


def test_a_mirror_image_is_never_made() -> None:
    mirrored = POINTS * [1.0, 1.0, -1.0]
    rotation, _ = superpose(mirrored, POINTS)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    assert PointSets(mirrored[None]).rmsd(POINTS)[0] > 0.5


def test_rmsd_of_many_is_that_of_superposing_each() -> None:
    many = RANDOM.normal(0.0, 4.0, (50, 5, 3))
    expected = []
    for points in many:
        rotation, translation = superpose(points, POINTS)
        expected.append(np.sqrt(np.square(points @ rotation + translation - POINTS).sum(axis=1).mean()))
    np.testing.assert_allclose(PointSets(many).rmsd(POINTS), expected, atol=1e-9)


@pytest.mark.parametrize("n", [2, 3])
def test_few_points_have_a_proper_rotation_too(n: int) -> None:
    moved = Rotation.from_rotvec([0.0, 0.5, 0.0]).apply(POINTS[:n])
    rotation, translation = superpose(moved, POINTS[:n])
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    np.testing.assert_allclose(moved @ rotation + translation, POINTS[:n], atol=1e-9)
