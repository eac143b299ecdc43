"""Oracle and Labels: what is refused, what is rejected, and how batches join."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.oracles.oracle import Coords, DirectOracle, Forces, Labels, fingerprint, joined
from cgexp.systems.peptide import Peptide


class Spring(DirectOracle):
    """Pulls every bead to the origin; has no force for a bead far out."""

    name = "spring"
    source = "a test"

    def forces(self, coords: Coords) -> Forces:
        forces = np.where(np.abs(coords) > 100.0, np.nan, -coords.astype(np.float64))
        return Forces(forces, np.full(coords.shape, 0.5))


ORACLE = Spring(system=Peptide("AGA"), temperature=300.0, force_map="spring")


def configurations(n: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(n, 3, 3))


def test_frames_carry_the_facts_of_the_system() -> None:
    coords = configurations(4)
    labels = ORACLE.label(coords)
    frames = labels.frames
    assert (frames.system, frames.units, frames.temperature) == ("peptide-AGA", "molecular", 300.0)
    assert (frames.source, frames.force_map) == ("a test", "spring")
    assert frames.coords.dtype == np.float32
    np.testing.assert_array_equal(frames.coords, coords.astype(np.float32))
    assert frames.forces is not None
    np.testing.assert_array_equal(frames.forces, -frames.coords)
    assert (labels.parent.tolist(), labels.rejected, labels.n_given) == ([0, 1, 2, 3], (), 4)
    assert len(np.unique(frames.block)) == 4
    assert labels.cost_s >= 0.0


def test_a_configuration_without_a_force_is_rejected_and_the_others_are_not() -> None:
    coords = configurations(4)
    coords[[1, 3], 0, 0] = 1e6
    labels = ORACLE.label(coords)
    assert labels.parent.tolist() == [0, 2]
    assert labels.rejected == ((1, "its force is not finite"), (3, "its force is not finite"))
    assert labels.n_given == 4


def test_all_rejected_and_none_given_leave_no_frames() -> None:
    rejected = ORACLE.label(np.full((2, 3, 3), 1e6))
    assert (len(rejected.frames), len(rejected.rejected)) == (0, 2)
    assert len(ORACLE.label(np.zeros((0, 3, 3))).frames) == 0


@pytest.mark.parametrize(
    ("coords", "words"),
    [
        (np.zeros((3, 3)), r"coords of shape \[3, 3\]"),
        (np.zeros((2, 10, 3)), r"coords of shape \[2, 10, 3\] and type float64: expected .* \[n, 3, 3\]"),
        (np.zeros((2, 3, 3), dtype=np.int64), "type int64"),
        (np.stack([np.zeros((3, 3)), np.full((3, 3), np.nan)]), "configuration 1 given to the oracle is not finite"),
    ],
)
def test_bad_coords_are_refused(coords: NDArray[np.float64], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        ORACLE.label(coords)
    assert "\n" not in str(caught.value)


def test_batches_join_as_if_given_at_once() -> None:
    coords = configurations(6)
    coords[[0, 4], 0, 0] = 1e6
    whole, parts = ORACLE.label(coords), joined([ORACLE.label(coords[:3]), ORACLE.label(coords[3:])])
    assert parts.parent.tolist() == whole.parent.tolist()
    assert parts.rejected == whole.rejected
    assert parts.frames.content_hash == whole.frames.content_hash


def test_extra_numbers_and_cost_join() -> None:
    labels = ORACLE.label(configurations(2))
    first = Labels(labels.frames, labels.parent, (), 1.0, {"seconds": np.array([0.25, 0.75]), "only here": np.zeros(2)})
    second = Labels(labels.frames, labels.parent, (), 2.0, {"seconds": np.array([1.0, 1.0])})
    both = joined([first, second])
    assert both.cost_s == 3.0
    assert {name: values.tolist() for name, values in both.extra.items()} == {"seconds": [0.25, 0.75, 1.0, 1.0]}


@pytest.mark.parametrize(
    ("parent", "rejected"),
    [([0, 1, 2], ()), ([0, 2], ()), ([0, 1], ((1, "why"),)), ([0, 1], ((2, "why"), (2, "again")))],
)
def test_labels_that_contradict_themselves_are_refused(parent: list[int], rejected: tuple) -> None:
    frames = ORACLE.label(configurations(2)).frames
    with pytest.raises(ValueError, match=r"expected as many|either labelled or rejected"):
        Labels(frames, np.array(parent), rejected, 0.0)


def test_a_fingerprint_is_of_the_numbers_alone() -> None:
    coords = configurations(3).astype(np.float32)
    whole = [fingerprint(configuration) for configuration in coords]
    assert len(set(whole)) == 3
    assert fingerprint(np.asfortranarray(coords[1])) == whole[1]
    assert fingerprint(np.nextafter(coords[1], np.float32(np.inf))) != whole[1]
