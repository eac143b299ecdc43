"""Markov chains against chains whose matrix, timescales and sets are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import fractional_matrix_power

from cgexp.analysis.msm import Chain, Discrete, chapman_kolmogorov, cluster

# two pairs of states: fast within (0.3 a step), slow between (0.01); reversible, stationary uniform
MATRIX = np.array([[0.69, 0.3, 0.01, 0.0], [0.3, 0.69, 0.0, 0.01], [0.01, 0.0, 0.69, 0.3], [0.0, 0.01, 0.3, 0.69]])


def walk(matrix: np.ndarray, n_steps: int, n_walks: int, seed: int = 0) -> Discrete:
    """Trajectories drawn from a transition matrix, from a uniform start."""
    rng = np.random.default_rng(seed)
    state = rng.integers(len(matrix), size=n_walks)
    limits = matrix.cumsum(axis=1)
    saved = [state]
    for _ in range(n_steps - 1):
        state = np.minimum((rng.random(n_walks)[:, None] > limits[state]).sum(axis=1), len(matrix) - 1)
        saved.append(state)
    return Discrete(np.stack(saved, axis=1).ravel(), np.repeat(np.arange(n_walks), n_steps), len(matrix))


def chain_of(walks: Discrete, lag: int = 1) -> Chain:
    chain = Chain.of(walks.counts(lag))
    assert chain is not None
    return chain


def test_counts_are_sliding_and_never_cross_from_one_walk_into_the_next() -> None:
    walks = Discrete(np.array([0, 1, 1, 0, 1, 0]), np.array([0, 0, 0, 1, 1, 1]), 2)
    np.testing.assert_array_equal(walks.counts(1), [[0, 2], [1, 1]])
    np.testing.assert_array_equal(walks.counts(2), [[1, 1], [0, 0]])
    np.testing.assert_array_equal(walks.counts(1, np.array([3, 0])), [[0, 3], [0, 3]])
    assert not walks.counts(3).any()


def test_the_chain_is_the_one_that_made_the_walks() -> None:
    chain = chain_of(walk(MATRIX, 2000, 50))
    np.testing.assert_allclose(chain.transition, MATRIX, atol=0.01)
    np.testing.assert_allclose(chain.stationary, 0.25, atol=0.04)
    flow = chain.stationary[:, None] * chain.transition
    np.testing.assert_allclose(flow, flow.T, atol=1e-6)
    exact = np.sort(np.linalg.eigvals(MATRIX).real)[::-1]
    np.testing.assert_allclose(chain.eigenvalues, exact, atol=0.01)


@pytest.mark.parametrize("lag", [1, 3])
def test_implied_timescales_do_not_depend_on_the_lag_of_a_markov_chain(lag: int) -> None:
    found = chain_of(walk(MATRIX, 2000, 50), lag).timescales(0.5 * lag)  # frames are 0.5 ps apart
    slow, fast = -0.5 / np.log(0.98), -0.5 / np.log(0.4)  # by hand: 0.99 - 0.01, and 0.69 - 0.3 + 0.01
    assert found[0] == pytest.approx(slow, rel=0.12)
    assert found[1] == pytest.approx(fast, rel=0.12)


def test_two_states_have_one_timescale() -> None:
    found = chain_of(walk(np.array([[0.9, 0.1], [0.2, 0.8]]), 1000, 20)).timescales(1.0)
    assert found[0] == pytest.approx(-1.0 / np.log(0.7), rel=0.05)
    assert np.isnan(found[1])


def test_metastable_sets_are_the_slow_ones_the_most_populated_first() -> None:
    tilted = MATRIX.copy()
    tilted[:2, 2:] *= 4.0  # leave the first pair faster
    tilted[np.arange(4), np.arange(4)] += 1.0 - tilted.sum(axis=1)
    sets = chain_of(walk(tilted, 2000, 50)).metastable(2)
    np.testing.assert_array_equal(sets, [1, 1, 0, 0])
    assert chain_of(walk(tilted, 2000, 5)).metastable(5) is None


def test_states_that_are_not_connected_are_left_out() -> None:
    walks = Discrete(np.array([0, 1, 0, 1, 0, 2]), np.zeros(6, dtype=int), 4)  # 2 is entered and never left
    np.testing.assert_array_equal(chain_of(walks).states, [0, 1])
    assert Chain.of(np.diag([5.0, 3.0])) is None


def test_a_markov_chain_passes_the_chapman_kolmogorov_test() -> None:
    walks = walk(MATRIX, 3000, 100)
    chain, sets = chain_of(walks), np.array([0, 0, 1, 1])
    multiples = [1, 2, 5]
    predicted, observed = chapman_kolmogorov(chain, [walks.counts(m) for m in multiples], multiples, sets, 2)
    exact = [0.5 * fractional_matrix_power(MATRIX, m)[:2, :2].sum() for m in multiples]
    np.testing.assert_allclose(predicted[:, 0], exact, atol=0.01)
    np.testing.assert_allclose(observed, predicted, atol=0.01)


def test_a_process_with_memory_fails_it() -> None:
    walks = walk(MATRIX, 3000, 100)
    lumped = Discrete(
        np.array([0, 1, 0, 1])[walks.state], walks.walk, 2
    )  # one of each pair: only the fast process is left
    slow = walk(np.array([[0.99, 0.01], [0.01, 0.99]]), 3000, 100, seed=1).state
    noisy = Discrete(np.where(np.random.default_rng(2).random(len(slow)) < 0.3, 1 - slow, slow), walks.walk, 2)
    sets = np.array([0, 1])
    errors = []
    for walked in (lumped, noisy):
        chain = chain_of(walked)
        predicted, observed = chapman_kolmogorov(chain, [walked.counts(m) for m in (1, 5)], [1, 5], sets, 2)
        errors.append(np.abs(predicted - observed)[1].max())
    assert errors[0] < 0.02 < 0.05 < errors[1], "misread states have memory"


def test_clustering_leaves_torch_its_threads() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        cluster(np.random.default_rng(0).random((100, 2)), 5, 0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_clusters_are_cells_around_their_centres() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal((x, 0.0), 0.05, size=(200, 2)) for x in (2.0, 0.0, 1.0)])
    state, centres = cluster(points, 3, seed=0)
    np.testing.assert_allclose(centres, [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]], atol=0.02)
    np.testing.assert_array_equal(state, np.repeat([2, 0, 1], 200))
    np.testing.assert_array_equal(cluster(points, 3, seed=0)[1], centres)
