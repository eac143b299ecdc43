"""The C++ RMSD against Peptide.distance, the triangle inequality that the search rests on, and the search."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cgexp.kernels import superposed
from cgexp.kernels.superposed import LANES, Packed, SuperposedCoverage
from cgexp.systems.base import farthest_points
from cgexp.systems.metric import superposed_rmsd
from cgexp.systems.peptide import Peptide
from cgexp.testing.configurations import random_chains, random_rotations

Coords = NDArray[np.float64]


def chains(n: int, seed: int = 0, n_beads: int = 10) -> Coords:
    return random_chains(n, n_beads, seed).numpy()


def rmsd(a: Coords, b: Coords) -> Coords:
    """The C++ numbers, [n, m]."""
    left, right = Packed(a), Packed(b)
    return np.sqrt([left.squared(row, right, 0, right.n_frames)[: len(b)] for row in range(len(a))])


class SlowPeptide(Peptide):
    """A peptide whose distances are the C++ numbers, for pairs one by one."""

    metric = "own"

    def distance(self, a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
        return rmsd(a, b)


def near_native(n: int, noise: float, seed: int = 0) -> Coords:
    native = Peptide().native()
    return native + np.random.default_rng(seed).normal(scale=noise, size=(n, *native.shape))


def straight(n: int, noise: float, seed: int = 0) -> Coords:
    line = np.zeros((10, 3))
    line[:, 0] = 3.8 * np.arange(10)
    return line + np.random.default_rng(seed).normal(scale=noise, size=(n, 10, 3))


PAIRS = {
    "chains": (chains(30), chains(40, 1)),
    "near native": (near_native(30, 0.5), near_native(40, 0.5, 1)),
    "mirror images": (near_native(20, 0.3), -near_native(21, 0.3, 1)),
    "long": (chains(5, n_beads=40), chains(9, 1, n_beads=40)),
    "three beads, always flat": (chains(30, n_beads=10)[:, :3], chains(30, 1, n_beads=10)[:, :3]),
    "two beads, always on a line": (chains(30, n_beads=10)[:, :2], chains(30, 1, n_beads=10)[:, :2]),
    "far from the origin": (chains(9) + 3e4, chains(9, 1) - 2e4),
    "exploded": (1e9 * chains(9), chains(9, 1)),
    "exploded both": (1e9 * chains(9), 1e9 * chains(9, 1)),
    "straight and nearly so": (straight(2, 0.0), straight(9, 0.3)),
    "nearly straight": (straight(9, 0.02), straight(9, 0.02, 1)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_numbers_are_those_of_singular_values(name: str) -> None:
    a, b = PAIRS[name]
    expected = superposed_rmsd(a, b)
    scale = a.std(axis=1).max() + b.std(axis=1).max()
    np.testing.assert_allclose(rmsd(a, b), expected, rtol=1e-9, atol=1e-7 * scale)
    assert expected.max() > 1e-3 * scale


def test_a_twin_has_no_distance() -> None:
    a = np.concatenate([chains(20), straight(2, 0.0), near_native(20, 0.1)])
    moved = a @ random_rotations(len(a)).numpy() + 20.0
    assert np.diag(rmsd(a, moved)).max() < 2e-6
    assert np.diag(rmsd(a, a)).max() < 2e-6


def test_one_point_in_space_is_a_configuration_too() -> None:
    nothing, one = np.zeros((1, 10, 3)), chains(1)
    expected = np.sqrt(np.square(one - one.mean(axis=1)).sum() / 10)
    np.testing.assert_allclose(rmsd(nothing, one), expected)
    assert rmsd(nothing, nothing) == 0.0


def test_a_number_does_not_depend_on_its_neighbours() -> None:
    a, b = near_native(3, 0.5), np.concatenate([near_native(20, 0.5, 1), straight(4, 0.0), chains(9)])
    order = np.random.default_rng(0).permutation(len(b))
    np.testing.assert_array_equal(rmsd(a, b)[:, order], rmsd(a, b[order]))
    np.testing.assert_array_equal(rmsd(a, b)[:, 5:6], rmsd(a, b[5:6]))


def test_rmsd_obeys_the_triangle_inequality() -> None:
    """With the right-handed convention too: mirror images are among the frames."""
    frames = np.concatenate([chains(20), -chains(20), near_native(20, 1.0), -near_native(20, 1.0), straight(5, 0.1)])
    distance = rmsd(frames, frames)
    np.testing.assert_allclose(distance, distance.T, atol=2e-6)
    assert (distance[:, None, :] <= distance[:, :, None] + distance[None, :, :] + 2e-6).all()


KNOWN = np.concatenate([near_native(700, 0.4), chains(300), near_native(37, 0.0)])  # twins of one frame among them


@pytest.mark.parametrize(
    "candidates",
    [
        near_native(1500, 0.6, 2),
        chains(1500, 3),
        straight(1000, 0.1),
        np.concatenate([KNOWN[:500], -KNOWN[:500]]),
        np.repeat(chains(100, 4), 9, axis=0),
        np.concatenate([chains(500, 5), 1e9 * chains(3, 6)]),
        chains(1, 7),
    ],
    ids=["near native", "chains", "all alike and far", "known ones and mirror images", "twins", "exploded", "one"],
)
def test_search_finds_what_comparing_all_finds(candidates: Coords) -> None:
    nearest = rmsd(candidates, KNOWN).min(axis=1)
    n = min(40, len(candidates))

    coverage = SuperposedCoverage(candidates, KNOWN)
    assert (coverage.squared >= np.square(nearest) - 1e-9 * (1 + np.square(nearest))).all()
    chosen = coverage.most_distant(n)
    np.testing.assert_allclose(nearest[chosen], np.sort(nearest)[::-1][:n], rtol=1e-9, atol=2e-6)
    chosen = coverage.farthest_points(n)  # goes on with what is exact already
    np.testing.assert_array_equal(chosen, SuperposedCoverage(candidates, KNOWN).farthest_points(n))
    expected = farthest_points(SlowPeptide(), candidates, KNOWN, n)
    np.testing.assert_array_equal(candidates[chosen], candidates[expected])
    found = SuperposedCoverage(candidates, KNOWN).distances()
    np.testing.assert_allclose(found, nearest, rtol=1e-9, atol=2e-6)


def test_most_pairs_are_left_out() -> None:
    candidates = near_native(4000, 0.5, 8)
    coverage = SuperposedCoverage(candidates, KNOWN)
    coverage.most_distant(10)
    assert coverage.exact.mean() < 0.2
    assert coverage.n_pairs < 0.4 * len(candidates) * len(KNOWN)


def test_fewer_known_frames_than_a_block() -> None:
    candidates = chains(50)
    for n_known in (1, 2, LANES - 1, LANES, LANES + 1):
        expected = superposed_rmsd(candidates, KNOWN[-n_known:]).min(axis=1)
        np.testing.assert_allclose(
            SuperposedCoverage(candidates, KNOWN[-n_known:]).distances(), expected, rtol=1e-9, atol=2e-6
        )


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    candidates = chains(300, 9)
    alone = SuperposedCoverage(candidates, KNOWN)
    monkeypatch.setattr(superposed, "CHUNK", 7)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    together = SuperposedCoverage(candidates, KNOWN)
    np.testing.assert_array_equal(together.farthest_points(50), alone.farthest_points(50))
    np.testing.assert_array_equal(together.squared, alone.squared)
    assert together.n_pairs == alone.n_pairs


def test_single_precision_is_taken_as_it_is() -> None:
    candidates = chains(40).astype(np.float32)
    expected = superposed_rmsd(candidates, KNOWN).min(axis=1)
    np.testing.assert_allclose(SuperposedCoverage(candidates, KNOWN).distances(), expected, rtol=1e-9, atol=2e-6)
