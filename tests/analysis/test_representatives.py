"""Representative structures: real frames, weights respected, superposed without mirror images."""

from __future__ import annotations

import numpy as np
import pytest

from cgexp.analysis.representatives import (
    ALL,
    basins_of,
    medoid,
    principal,
    representatives,
    short_trajectory,
)
from cgexp.systems.metric import mutual_rmsd, superposed, superposed_rmsd
from cgexp.systems.peptide import BASINS, Peptide

NATIVE = Peptide().native()
STRETCHED = np.stack([3.8 * np.arange(10), np.zeros(10), np.zeros(10)], axis=1)
RNG = np.random.default_rng(0)


def rotation(rng: np.random.Generator) -> np.ndarray:
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return turned * np.sign(np.linalg.det(turned))


def noisy(structure: np.ndarray, n: int, size: float = 0.1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([(structure + size * rng.normal(size=structure.shape)) @ rotation(rng) + 5.0 for _ in range(n)])


def test_superposed_undoes_turning_and_moving() -> None:
    moved = noisy(NATIVE, 5, size=0.0)
    np.testing.assert_allclose(superposed(moved, NATIVE), np.broadcast_to(NATIVE, moved.shape), atol=1e-9)


def test_superposed_leaves_the_rmsd_that_the_system_measures_and_makes_no_mirror_image() -> None:
    moved = np.concatenate([noisy(NATIVE, 5, size=0.5), NATIVE[None] * [-1.0, 1.0, 1.0]])
    left = np.sqrt(np.square(superposed(moved, NATIVE) - NATIVE).sum(axis=-1).mean(axis=-1))
    np.testing.assert_allclose(left, superposed_rmsd(moved, NATIVE[None])[:, 0], atol=1e-9)
    assert left[-1] > 1.0


def test_mutual_rmsd_is_that_of_every_pair() -> None:
    coords = np.random.default_rng(0).normal(size=(7, 5, 3))
    np.testing.assert_allclose(mutual_rmsd(coords), superposed_rmsd(coords, coords), rtol=1e-12, atol=1e-6)
    assert not mutual_rmsd(coords).diagonal().any()
    assert mutual_rmsd(coords[:1]).tolist() == [[0.0]]


@pytest.mark.parametrize("n_points", [2, 10])
def test_principal_turns_the_longest_extent_along_x_whatever_the_orientation(n_points: int) -> None:
    turned = principal(NATIVE[:n_points])
    np.testing.assert_allclose(superposed_rmsd(turned[None], NATIVE[None, :n_points]), 0.0, atol=1e-6)
    assert turned[:, 0].std() >= turned[:, 1].std() >= turned[:, 2].std()
    if n_points == 10:
        np.testing.assert_allclose(principal(NATIVE @ rotation(np.random.default_rng(1)) + 3.0), turned, atol=1e-9)


def test_the_medoid_is_the_frame_in_the_middle() -> None:
    chain = np.stack([NATIVE * scale for scale in (0.8, 0.9, 1.0, 1.05, 1.5)])
    best, spread = medoid(chain, np.ones(5))
    distances = superposed_rmsd(chain, chain).mean(axis=1)
    assert best == 2 == distances.argmin()
    assert spread == pytest.approx(distances.min())


def test_the_medoid_follows_the_weights_and_a_bounded_search_finds_as_good_a_frame() -> None:
    frames = np.concatenate([noisy(NATIVE, 40), noisy(STRETCHED, 60, seed=1)])
    weights = np.where(np.arange(100) < 40, 10.0, 1.0)
    assert medoid(frames, np.ones(100))[0] >= 40
    for n_max in (200, 50):  # all frames, and fewer than there are
        assert medoid(frames, weights, n_max)[0] < 40


def test_every_visited_basin_has_a_representative_in_it_and_shares_add_up() -> None:
    frames = np.concatenate([noisy(NATIVE, 30), noisy(STRETCHED, 10, seed=1)])
    found, coords = representatives(frames, np.arange(40) // 5, NATIVE, 50, np.random.default_rng(0))
    assert [one.basin for one in found] == ["folded", "unfolded"]
    assert [one.share for one in found] == pytest.approx([0.75, 0.25])
    assert [one.n_frames for one in found] == [30, 10]
    assert all(one.share_sem is not None and one.share_sem > 0.0 for one in found)
    assert list(basins_of(coords, NATIVE)) == ["folded", "unfolded"]
    for one, structure in zip(found, coords, strict=True):
        assert (superposed_rmsd(frames, structure[None]) < 1e-5).any(), "a representative is a frame"
        assert one.rmsd == pytest.approx(superposed_rmsd(structure[None], NATIVE[None])[0, 0])


def test_weights_make_the_shares_and_frames_without_weight_are_none() -> None:
    frames = np.concatenate([noisy(NATIVE, 30), noisy(STRETCHED, 10, seed=1)])
    weights = np.concatenate([np.zeros(29), np.ones(11)])
    found, coords = representatives(frames, np.zeros(40, dtype=int), NATIVE, 50, np.random.default_rng(0), weights)
    assert [one.share for one in found] == pytest.approx([1 / 11, 10 / 11])
    assert found[0].n_frames == 1
    assert found[0].share_sem is None  # a single block
    np.testing.assert_allclose(coords[0], frames[29])


def test_without_a_native_structure_all_frames_are_one_basin() -> None:
    found, coords = representatives(noisy(NATIVE, 8), np.arange(8), None, 50, RNG)
    assert [(one.basin, one.share, one.rmsd) for one in found] == [(ALL, 1.0, None)]
    assert ALL not in BASINS
    assert coords.shape == (1, 10, 3)


def test_no_frames_have_no_representatives() -> None:
    found, coords = representatives(np.zeros((0, 10, 3)), np.zeros(0, dtype=int), NATIVE, 50, RNG)
    assert found == []
    assert coords.shape == (0, 10, 3)


def test_the_replica_that_is_shown_visits_the_most_basins() -> None:
    still, folding = noisy(NATIVE, 200), np.concatenate([noisy(STRETCHED, 100), noisy(NATIVE, 100)])
    replica, shown = short_trajectory(np.stack([still, folding, folding], axis=1), NATIVE, n_shown=20)
    assert replica == 1
    assert (len(shown), shown[0], shown[-1]) == (20, 0, 199)
    assert short_trajectory(np.stack([still, folding], axis=1)[:3], None) == (0, pytest.approx([0, 1, 2]))
