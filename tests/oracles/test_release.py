"""ReleaseOracle on a tripeptide: other and more frames, each with its parent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgexp.errors import InputError
from cgexp.oracles.averaging import freeze, restrain
from cgexp.oracles.oracle import Labels, joined
from cgexp.oracles.release import ReleaseOracle
from cgexp.systems.peptide import Peptide
from tests.oracles.test_mean_force import BROKEN, COORDS, Counting

mm = pytest.importorskip("openmm")

ORACLE = ReleaseOracle(
    system=Peptide("AGA"), temperature=350.0, n_starts=2, n_attempts=4, drop_ps=0.2, release_ps=0.6, save_ps=0.1
)


@pytest.fixture(scope="module")
def labels() -> Labels:
    return ORACLE.label(np.stack([COORDS[0], BROKEN, COORDS[2]]))


def test_every_start_gives_its_frames_with_their_parent(labels: Labels) -> None:
    frames = labels.frames
    assert frames.coords.shape == (2 * 2 * 6, 3, 3)
    assert labels.parent.tolist() == [0] * 12 + [2] * 12
    assert [index for index, _ in labels.rejected] == [1]
    assert frames.block.tolist() == [block for block in range(4) for _ in range(6)]
    assert frames.time_ps is not None
    np.testing.assert_allclose(frames.time_ps[:6], 0.2 + 0.1 * np.arange(1, 7), rtol=1e-5)
    assert frames.force_map == "constraint_group"
    assert "not an equilibrium ensemble" in frames.notes
    assert labels.cost_s > labels.extra["seconds"].sum() > 0.0


def test_frames_begin_near_their_parent_and_leave_it(labels: Labels) -> None:
    system, frames = Peptide("AGA"), labels.frames
    distance = system.distance(frames.coords, COORDS)
    first = distance[[0, 6, 12, 18], [0, 0, 2, 2]]
    assert first.max() < 1.0
    assert distance[:, 0].max() > 0.02
    bonds = np.linalg.norm(np.diff(frames.coords, axis=1), axis=-1)
    assert 3.5 < bonds.min() < bonds.max() < 4.2
    assert frames.forces is not None
    assert 5.0 < np.sqrt(np.square(frames.forces).mean()) < 60.0


# processes with OpenMM are begun by tests/all_atom/sampling/test_protocol.py
@pytest.mark.parametrize("n_parallel", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_order_batch_and_processes_do_not_matter(labels: Labels, tmp_path: Path, n_parallel: int) -> None:
    backwards = replace(ORACLE, n_parallel=n_parallel).label(COORDS[[2, 0]], folder=tmp_path)
    np.testing.assert_array_equal(backwards.frames.coords[:12], labels.frames.coords[12:])
    np.testing.assert_array_equal(backwards.frames.forces[12:], labels.frames.forces[:12])
    again = ORACLE.label(COORDS[[2, 0]], folder=tmp_path, executor=Counting(stop_after=0))
    assert again.frames.content_hash == backwards.frames.content_hash


def test_batches_join_also_when_one_was_rejected_altogether(labels: Labels) -> None:
    both = joined([labels, ORACLE.label(BROKEN[None])])
    assert both.n_given == 4
    assert [index for index, _ in both.rejected] == [1, 3]
    assert len(both.frames) == len(labels.frames)


def test_a_biased_map_is_refused_unless_the_config_says_why() -> None:
    with pytest.raises(InputError, match=r"oracle\.force_map=slice is biased where bonds to hydrogen are rigid"):
        replace(ORACLE, force_map="slice").label(COORDS)
    allowed = replace(ORACLE, force_map="slice", allow_biased_force_map="to show the bias")
    assert allowed.linear_map().name == "slice"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"save_ps": 0.05001}, "save_ps=0.05001 is not a whole number of time steps"),
        ({"drop_ps": 0.25}, "drop_ps=0.25 is not a whole number of save_ps"),
        ({"release_ps": 0.25}, "release_ps=0.25 is not a whole number of save_ps"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        replace(ORACLE, **changed)


def test_held_beads_stay_and_the_given_system_is_left_alone() -> None:
    system = mm.System()
    for _ in range(2):
        system.addParticle(12.0)
    force = mm.CustomExternalForce("-10*x")
    force.addParticle(0)
    force.addParticle(1)
    system.addForce(force)
    frozen = freeze(system, np.array([1]))
    restrained = restrain(system, np.array([0]), np.array([[1.0, 2.0, 3.0]]), 24.0)
    assert (system.getParticleMass(1)._value, frozen.getParticleMass(1)._value) == (12.0, 0.0)
    assert (system.getNumForces(), restrained.getNumForces()) == (1, 2)
    context = mm.Context(restrained, mm.VerletIntegrator(0.001), mm.Platform.getPlatformByName("Reference"))
    context.setPositions([[0.2, 0.2, 0.3], [0.0, 0.0, 0.0]])
    energy = context.getState(energy=True).getPotentialEnergy()._value
    assert energy == pytest.approx(-2.0 + 0.5 * 24.0 * 4.184 * 100.0 * 0.1**2)
