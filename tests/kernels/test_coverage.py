"""Coverage: that choices are exact although few candidates are, and the order of equal ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.kernels.coverage import Coverage, largest


class Loose(Coverage):
    """Points on a line with bounds that are too large by a random amount, until they are asked for."""

    def __init__(self, points: NDArray[np.float64], known: NDArray[np.float64], slack: float) -> None:
        super().__init__(len(points))
        self.points, self.known = points, known
        self.squared = self.true() + slack * np.random.default_rng(0).random(len(points))
        self.n_refined = 0

    def true(self) -> NDArray[np.float64]:
        return np.square(self.points[:, None] - self.known).min(axis=1)

    def refine(self, rows: NDArray[np.int64], floor: float) -> None:
        true = np.minimum(self.squared[rows], self.true()[rows])
        below = true < floor
        self.exact[rows] = ~below
        # a bound below the floor is all that is promised
        self.squared[rows] = np.where(below, np.minimum(self.squared[rows], 0.5 * (true + floor)), true)
        self.n_refined += len(rows)

    def add(self, row: int) -> None:
        self.squared = np.minimum(self.squared, np.square(self.points - self.points[row]))


@pytest.fixture
def points() -> NDArray[np.float64]:
    values = np.random.default_rng(1).normal(size=5000)
    values[100:200] = values[:100]  # twins
    return values


KNOWN = np.array([-0.5, 0.1, 1.0])


@pytest.mark.parametrize("slack", [0.0, 0.1, 100.0])
@pytest.mark.parametrize("n", [1, 30, 5000])
def test_most_distant_ones(points: NDArray[np.float64], slack: float, n: int) -> None:
    loose = Loose(points, KNOWN, slack)
    expected = np.argsort(-loose.true(), kind="stable")[:n]
    np.testing.assert_array_equal(loose.most_distant(n), expected)


@pytest.mark.parametrize("slack", [0.0, 0.1, 100.0])
def test_farthest_points(points: NDArray[np.float64], slack: float) -> None:
    nearest = np.square(points[:, None] - KNOWN).min(axis=1)
    expected = []
    for _ in range(60):
        expected.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.square(points - points[expected[-1]]))
        nearest[expected] = -1.0
    np.testing.assert_array_equal(Loose(points, KNOWN, slack).farthest_points(60), expected)


def test_all_points_are_chosen_once_although_they_are_twins() -> None:
    assert Loose(np.zeros(5), np.zeros(1), 0.1).farthest_points(5).tolist() == [0, 1, 2, 3, 4]


def test_good_bounds_spare_work(points: NDArray[np.float64]) -> None:
    loose = Loose(points, KNOWN, 0.01)
    loose.most_distant(10)
    assert loose.n_refined < len(points) / 10
    np.testing.assert_allclose(loose.distances(), np.sqrt(loose.true()))


def test_largest_of_equal_ones_are_the_first() -> None:
    values = np.array([1.0, 3.0, -np.inf, 3.0, 2.0, 3.0, np.inf])
    assert largest(values, 3).tolist() == [6, 1, 3]
    assert largest(values, 7).tolist() == [6, 1, 3, 5, 4, 0, 2]
