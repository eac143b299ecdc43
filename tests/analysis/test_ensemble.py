from __future__ import annotations

import numpy as np
import pytest

from cgexp.analysis.ensemble import Ensemble, ReplicaEnsemble
from cgexp.analysis.tica import Tica
from cgexp.systems.peptide import Peptide
from tests.analysis.ensembles import FakeTrajectory, peptide_frames, replicas_of, walkers


def labelled(n_saved: int, n_replicas: int, n_dropped: int = 0) -> ReplicaEnsemble:
    """IC 1 is the saved frame, IC 2 the replica."""
    time, replica = np.meshgrid(np.arange(n_saved), np.arange(n_replicas), indexing="ij")
    return replicas_of(np.stack([time, replica], axis=-1).astype(float), n_dropped)


def test_replicas_are_measured_from_their_first_frame_and_production_begins_after_the_burn_in() -> None:
    frames = peptide_frames()
    tica = Tica.fit(frames, 2.0)
    coords = walkers(20, 12, np.random.default_rng(0))
    alive = np.arange(12) != 3
    trajectory = FakeTrajectory(coords, alive)
    replicas = ReplicaEnsemble.of(trajectory, 0.25, lambda c, b: Ensemble.of(c, Peptide(), tica, 6.5, b))
    assert replicas is not None
    assert (replicas.n_replicas, replicas.n_dropped, len(replicas.time)) == (11, 5, 20)
    production = replicas.production()
    flat = np.moveaxis(trajectory.production(0.25), 1, 0).reshape(-1, 10, 3)
    np.testing.assert_allclose(production.tica, tica.transform(flat))
    np.testing.assert_array_equal(production.block, np.repeat(np.arange(11), 15))
    mirror = Peptide().distance(flat, (Peptide().native() * [1.0, 1.0, -1.0])[None])[:, 0]
    np.testing.assert_allclose(production.mirror_rmsd, mirror)


def test_no_healthy_replica_is_no_simulation() -> None:
    dead = FakeTrajectory(walkers(4, 2, np.random.default_rng(0)), np.zeros(2, dtype=bool))
    assert ReplicaEnsemble.of(dead, 0.0, lambda c, b: pytest.fail("nothing to measure")) is None


def test_a_window_holds_its_frames_of_all_replicas() -> None:
    window = labelled(8, 12).window(2, 5)
    assert sorted(map(tuple, window.tica.astype(int))) == [(t, r) for t in (2, 3, 4) for r in range(12)]
    np.testing.assert_array_equal(window.block, window.tica[:, 1])


def test_few_replicas_are_cut_into_blocks_in_time_but_trajectories_stay_whole() -> None:
    replicas = labelled(101, 2, n_dropped=1)
    production = replicas.production()
    assert len(np.unique(production.block)) == 10
    for unit in range(10):
        times, replica = production.tica[production.block == unit].T
        assert (np.diff(times) == 1).all()
        assert len(set(replica)) == 1
    whole = replicas.trajectories()
    np.testing.assert_array_equal(whole.block, whole.tica[:, 1])
    np.testing.assert_array_equal(whole.tica[:100, 0], np.arange(1, 101))


def test_what_is_selected_keeps_all_that_is_measured() -> None:
    frames = peptide_frames(n_frames=10)
    weights = np.linspace(0.1, 1.0, len(frames))
    ensemble = Ensemble.of(frames.coords, Peptide(), Tica.fit(frames, 1.0), 6.5, frames.block, weights)
    chosen = ensemble.select(np.array([5, 3]))
    assert len(chosen) == 2
    np.testing.assert_array_equal(chosen.weights, weights[[5, 3]])
    np.testing.assert_array_equal(chosen.contacts, ensemble.contacts[[5, 3]])
    np.testing.assert_array_equal(chosen.observables["dihedral"], ensemble.observables["dihedral"][[5, 3]])
