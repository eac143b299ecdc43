"""The pool: what replicas visited, those that failed included, and nothing twice."""

from __future__ import annotations

import numpy as np

from cgexp.active.selection import Candidates
from tests.active.fakes import trajectory_of

WALKS = np.arange(24, dtype=np.float32).reshape(6, 4, 1, 1)


def test_all_saved_frames_of_healthy_replicas_are_candidates() -> None:
    pool = Candidates.of_trajectory(trajectory_of(WALKS))
    assert len(pool) == 24
    assert not pool.failed.any()
    for coords, replica, time in zip(pool.coords, pool.replica, pool.time, strict=True):
        assert coords == WALKS[round(time) - 1, replica]


def test_a_failed_replica_counts_up_to_where_it_failed_and_no_copy_of_it() -> None:
    trajectory = trajectory_of(WALKS, failing={2: 3})
    pool = Candidates.of_trajectory(trajectory)
    of_it = pool.replica == 2
    assert pool.coords[of_it, 0, 0].tolist() == [2.0, 6.0, 10.0, 10.25]
    assert pool.failed[of_it].tolist() == [False, False, False, True]
    assert len(pool) == 3 * 6 + 4


def test_a_state_that_was_saved_when_it_was_checked_is_there_once() -> None:
    walks = WALKS.copy()
    trajectory = trajectory_of(walks, failing={0: 2})
    trajectory.coords[2:, 0] = trajectory.coords[1, 0]
    pool = Candidates.of_trajectory(trajectory)
    assert pool.coords[pool.replica == 0, 0, 0].tolist() == [0.0, 4.0]
    assert pool.failed[pool.replica == 0].tolist() == [False, True]


def test_a_pool_is_thinned_but_keeps_where_replicas_failed() -> None:
    trajectory = trajectory_of(WALKS, failing={1: 4})
    assert set(Candidates.of_trajectory(trajectory, stride=2).time) <= {1.0, 3.0, 5.0}
    pool = Candidates.of_trajectory(trajectory, size=5)
    assert len(pool) == 6
    assert pool.failed.sum() == 1
    assert len(np.unique(pool.coords)) == 6


def test_of_a_ladder_only_the_study_rung_is_saved() -> None:
    trajectory = trajectory_of(WALKS)
    trajectory.failures.append({"replica": 1, "rung": 3, "step": 10, "time": 1.0, "reason": "hot"})
    assert len(Candidates.of_trajectory(trajectory)) == 24


def test_configurations_that_no_model_made() -> None:
    pool = Candidates.of_coords(np.zeros((3, 1, 1)))
    assert pool.replica.tolist() == [-1, -1, -1]
    assert pool.coords.dtype == np.float32
