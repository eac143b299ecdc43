"""MeanForceOracle on a tripeptide: labels at the given configurations, the same in any order, batch and process."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.all_atom.mapping.linear_map import LinearMap, write_map
from cgexp.all_atom.structure import build_peptide
from cgexp.build import build
from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.errors import InputError
from cgexp.executor.local import InlineExecutor
from cgexp.oracles.fitted_map import fit_map
from cgexp.oracles.mean_force import MeanForceOracle
from cgexp.oracles.oracle import Labels, Oracle
from cgexp.oracles.release import ReleaseOracle
from cgexp.systems.cgnet_toy import CGnetToy
from cgexp.systems.peptide import Peptide

pytest.importorskip("openmm")

BOND = 3.84  # Å
ORACLE = MeanForceOracle(
    system=Peptide("AGA"),
    temperature=350.0,
    n_starts=2,
    n_attempts=4,
    force_map="slice",
    anneal_ps=0.1,
    equilibrate_ps=0.2,
    ps_per_start=0.8,
    save_ps=0.1,
)


def bent(degrees: float) -> NDArray[np.float64]:
    """Three CA atoms with this angle, in a frame of their own."""
    turn = np.radians(degrees)
    coords = BOND * np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [np.cos(turn), np.sin(turn), 0.0]])
    return coords + degrees  # a place of its own


COORDS = np.stack([bent(degrees) for degrees in (95.0, 110.0, 130.0)])
BROKEN = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 9.0, 0.0]])


class Counting(InlineExecutor):
    def __init__(self, stop_after: int = 10**9) -> None:
        self.n_submitted, self.stop_after = 0, stop_after

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.n_submitted == self.stop_after:
            raise KeyboardInterrupt
        self.n_submitted += 1
        return super().submit(fn, *args, **kwargs)


def assert_same(left: Labels, right: Labels) -> None:
    assert left.frames.content_hash == right.frames.content_hash
    np.testing.assert_array_equal(left.parent, right.parent)
    assert left.rejected == right.rejected
    for name in ("sem_between", "sem_within", "n_attempts"):
        np.testing.assert_array_equal(left.extra[name], right.extra[name])


@pytest.fixture(scope="module")
def labels() -> Labels:
    return ORACLE.label(COORDS)


def test_every_configuration_has_its_mean_force_and_error(labels: Labels) -> None:
    frames = labels.frames
    np.testing.assert_array_equal(frames.coords, COORDS.astype(np.float32))
    assert (labels.parent.tolist(), labels.rejected) == ([0, 1, 2], ())
    assert frames.forces is not None
    assert frames.force_sem is not None
    assert frames.forces.dtype == np.float32
    assert 0.0 < frames.force_sem.min() <= frames.force_sem.max() < 100.0
    assert 0.5 < np.abs(frames.forces).max() < 200.0
    assert len(np.unique(frames.block)) == 3


def test_facts_and_further_numbers_are_recorded(labels: Labels) -> None:
    frames = labels.frames
    assert (frames.system, frames.temperature, frames.force_map) == ("peptide-AGA", 350.0, "mean_force")
    assert "OpenMM, ff14SBonlysc + GBn2 + ACE" in frames.source
    assert frames.force_field == "ff14SBonlysc + GBn2 + ACE"
    assert "flexible bonds to hydrogen" in frames.notes
    assert labels.extra["sem_between"].shape == labels.extra["sem_within"].shape == frames.coords.shape
    assert (labels.extra["n_attempts"] >= 2).all()
    assert labels.cost_s == pytest.approx(labels.extra["seconds"].sum())
    assert labels.extra["seconds"].min() > 0.0


def test_order_batch_and_duplicates_do_not_matter(labels: Labels) -> None:
    mixed = ORACLE.label(COORDS[[2, 0, 2]])
    assert mixed.parent.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(mixed.frames.forces, labels.frames.with_labels().select([2, 0, 2]).forces)
    assert mixed.cost_s < mixed.extra["seconds"].sum()  # a duplicate is labelled once


@pytest.mark.slow  # executors are tried below, and processes with OpenMM in tests/all_atom/sampling/test_protocol.py
def test_two_processes_give_the_same_labels_as_one(labels: Labels) -> None:
    assert_same(replace(ORACLE, n_parallel=2).label(COORDS), labels)


def test_interrupted_and_repeated_it_gives_the_same_labels(labels: Labels, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        ORACLE.label(COORDS, folder=tmp_path, executor=Counting(stop_after=2))
    there = [(tmp_path / f"{key}.npz").is_file() for key in ORACLE.keys(COORDS)]
    assert there == [True, True, False]
    rest, nothing = Counting(), Counting()
    assert_same(ORACLE.label(COORDS, folder=tmp_path, executor=rest), labels)
    again = ORACLE.label(COORDS, folder=tmp_path, executor=nothing)
    assert (rest.n_submitted, nothing.n_submitted) == (1, 0)
    assert_same(again, labels)
    assert again.cost_s > 0.0


def test_other_settings_make_other_labels_in_the_same_folder(labels: Labels, tmp_path: Path) -> None:
    ORACLE.label(COORDS[:1], folder=tmp_path)
    counting = Counting()
    other = replace(ORACLE, seed=1).label(COORDS[:1], folder=tmp_path, executor=counting)
    assert counting.n_submitted == 1
    assert labels.frames.forces is not None
    assert other.frames.forces is not None
    assert np.abs(other.frames.forces[0] - labels.frames.forces[0]).max() > 0.01


def test_what_cannot_be_back_mapped_is_rejected_with_a_reason_and_its_cost(labels: Labels, tmp_path: Path) -> None:
    mixed = np.stack([COORDS[0], BROKEN])
    found = ORACLE.label(mixed, folder=tmp_path)
    assert found.parent.tolist() == [0]
    ((index, reason),) = found.rejected
    assert index == 1
    assert reason.startswith("back-mapping gave 0 of 2 starts in 3 attempts: ")
    assert found.cost_s > found.extra["seconds"].sum()
    assert_same(ORACLE.label(mixed, folder=tmp_path, executor=Counting(stop_after=0)), found)
    nothing = ORACLE.label(BROKEN[None])
    assert (len(nothing.frames), nothing.n_given) == (0, 1)


@pytest.mark.slow
def test_a_map_changes_the_noise_and_not_the_fact_that_it_is_stored(tmp_path: Path) -> None:
    oracle = replace(ORACLE, force_map="optimal", ps_per_start=1.6)
    oracle.label(COORDS[:1], folder=tmp_path)
    (stored,) = tmp_path.glob("force_map-*.npz")
    sliced = replace(oracle, force_map="slice").label(COORDS[:1])
    from_file = replace(oracle, force_map=str(stored)).label(COORDS[:1])
    noise = [np.square(found.extra["sem_within"]).mean() for found in (from_file, sliced)]
    assert noise[0] < 0.5 * noise[1]
    again = replace(oracle, force_map="optimal").label(COORDS[:1], folder=tmp_path)
    np.testing.assert_array_equal(again.frames.forces, from_file.frames.forces)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"system": CGnetToy()}, "'toy_cgnet': expected a peptide"),
        ({"system": Peptide("AGA", "backbone5")}, "expected C-alpha beads"),
        ({"n_starts": 1}, "expected at least 2"),
        ({"n_attempts": 1}, r"oracle\.n_attempts=1 back-mappings cannot give oracle\.n_starts=2"),
        ({"ps_per_start": 0.3}, "fewer than 8 forces"),
        ({"surface_term": "acs"}, "did you mean 'ace'"),
    ],
)
def test_settings_that_cannot_work_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        replace(ORACLE, **changed)


def test_labels_of_another_force_field_than_the_datas_are_refused(labels: Labels) -> None:
    ORACLE.check_joins(labels.frames)
    ORACLE.check_joins(labels.frames.with_labels(force_field="", source="elsewhere"))  # not known
    old = labels.frames.with_labels(force_field="", source="OpenMM, ff14SB + OBC2")
    with pytest.raises(
        InputError, match=r"labels in ff14SBonlysc \+ GBn2 \+ ACE, but .* in ff14SB \+ OBC2 \+ ACE: set"
    ):
        ORACLE.check_joins(old)
    replace(ORACLE, force_field="ff14SB", solvent="obc2").check_joins(old)


def test_a_force_field_is_part_of_the_label() -> None:
    others = [ORACLE, replace(ORACLE, force_field="ff14SB"), replace(ORACLE, surface_term="none")]
    assert len({oracle.keys(COORDS)[0] for oracle in others}) == 3


def test_a_map_that_does_not_exist_or_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither the name of a map nor a file"):
        replace(ORACLE, force_map="optimum").label(COORDS)
    other = build_peptide("AG")
    beads, n_atoms = other.ca, len(other.positions)
    matrix = (beads[:, None] == np.arange(n_atoms)).astype(np.float64)
    write_map(tmp_path / "map.npz", LinearMap("other", matrix, beads, other.atoms, False, "a test"))
    with pytest.raises(InputError, match=r"is for .* atoms, not"):
        replace(ORACLE, force_map=str(tmp_path / "map.npz")).label(COORDS)


@pytest.mark.parametrize(
    ("option", "kind"), [("openmm_mean_force", MeanForceOracle), ("openmm_release", ReleaseOracle)]
)
def test_the_config_builds_the_oracle(option: str, kind: type) -> None:
    config = compose(["experiment=chignolin_first", f"oracle={option}", "oracle.n_starts=3"])
    check(config)
    made = build(config["oracle"], Oracle)
    assert isinstance(made, kind)
    assert (made.system.name, made.temperature, made.n_starts) == (
        "peptide-YYDPETGTWY",
        config["dataset"]["temperature"],
        3,
    )
    with pytest.raises(InputError, match=r"unknown key 'oracle\.n_start'"):
        check(compose(["experiment=chignolin_first", f"oracle={option}", "oracle.n_start=3"]))


def test_a_fitted_map_is_valid_for_the_dynamics_it_is_for() -> None:
    rigid = fit_map("AG", 350.0, constrained=True)
    flexible = fit_map("AG", 350.0, constrained=False)
    assert rigid.constrained
    assert not flexible.constrained
    assert rigid.name == flexible.name == "optimal"
