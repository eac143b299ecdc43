"""Back-mapping: what is accepted is sound, what is not is rejected in words, and both repeat exactly."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.all_atom.backmapping.back_mapper import BackMapJob, BackMapped, BackMapper, back_map_job
from cgexp.all_atom.backmapping.library import FragmentLibrary
from cgexp.all_atom.backmapping.quality import torsions
from cgexp.all_atom.structure import AllAtom, Torsions, build_native, build_peptide
from cgexp.errors import InputError
from cgexp.systems.peptide import Peptide

SMALL = "GPSGK"
HELIX = Torsions([-60.0] * 4, [-45.0] * 4)


@lru_cache(maxsize=None)
def mapper(sequence: str = SMALL, max_ca_shift: float = 0.1) -> BackMapper:
    pytest.importorskip("openmm")
    return BackMapper(build_peptide(sequence), FragmentLibrary.default(sequence), max_ca_shift=max_ca_shift)


@lru_cache(maxsize=None)
def trace() -> NDArray[np.float64]:
    """A turn of a helix, far from the extended chain that is the whole library."""
    helix = build_peptide(SMALL, HELIX)
    return helix.positions[helix.ca]


@lru_cache(maxsize=None)
def mapped(seed: int = 0) -> BackMapped:
    return mapper().back_map(trace(), seed)


def assert_sound(peptide: AllAtom, result: BackMapped, ca: NDArray[np.float64], max_ca_rms: float = 0.1) -> None:
    """The criteria, measured without the code that accepts."""
    assert result.accepted, result.reason
    assert result.positions is not None
    assert result.record is not None
    assert result.reason == ""
    where = dict(zip(peptide.atoms, result.positions, strict=True))
    for residue, letter in enumerate(peptide.sequence):
        n, alpha, c = (where[residue, name] for name in ("N", "CA", "C"))
        if letter != "G":
            assert np.cross(n - alpha, c - alpha) @ (where[residue, "CB"] - alpha) > 1.0
        if residue:
            before = [where[residue - 1, "CA"], where[residue - 1, "C"]]
            omega = torsions(np.array([*before, n, alpha]), np.array([[0, 1, 2, 3]]))
            assert np.degrees(np.abs(omega)) > 150.0
    for bond in peptide.topology.bonds():
        assert np.linalg.norm(result.positions[bond[0].index] - result.positions[bond[1].index]) < 2.0
    rms = np.sqrt(np.square(result.positions[peptide.ca] - ca).sum(axis=1).mean())
    assert rms < max_ca_rms
    assert rms == pytest.approx(result.record.ca_rms)
    assert result.record.strain < 0.9


def test_a_helix_comes_from_an_extended_library() -> None:
    for seed in range(3):
        assert_sound(mapper().peptide, mapped(seed), trace())


def test_the_native_hairpin_goes_round() -> None:
    peptide = build_native("YYDPETGTWY") if pytest.importorskip("openmm") else None
    assert peptide is not None
    system = Peptide("YYDPETGTWY")
    result = mapper("YYDPETGTWY").back_map(system.native(), seed=1)
    assert_sound(peptide, result, system.native())
    assert result.record is not None
    assert result.record.energy < -900.0 / 4.184


def test_every_residue_can_be_back_mapped() -> None:
    pytest.importorskip("openmm")
    sequence = "HCPMTWIRV"  # of the awkward kinds: rings, sulphur, second stereocentres, long side chains
    bent = build_peptide(sequence, Torsions([-80.0] * 8, [120.0, -40.0] * 4))
    ca = bent.positions[bent.ca]
    assert_sound(bent, mapper(sequence).back_map(ca, seed=2), ca)


def test_the_same_seed_gives_the_same_structure_whatever_came_before() -> None:
    first = mapped(5).positions
    mapper().back_map(trace() + 1.0, seed=6)
    np.testing.assert_array_equal(mapper().back_map(trace(), 5).positions, first)
    copy = pickle.loads(pickle.dumps(mapper()))
    np.testing.assert_array_equal(copy.back_map(trace(), 5).positions, first)


def test_other_seeds_give_other_side_chains() -> None:
    atoms = mapper().peptide.atoms
    chi = np.array([[atoms.index((4, name)) for name in ("N", "CA", "CB", "CG")]])
    angles = []
    for seed in range(6):
        positions = mapped(seed).positions
        assert positions is not None
        angles.append(np.degrees(torsions(positions, chi)[0]))
    assert np.ptp(angles) > 60.0


def test_threads_share_a_mapper_and_jobs_need_plain_data_alone(tmp_path: Path) -> None:
    path = tmp_path / "library.npz"
    mapper().library.write(path)
    jobs = [BackMapJob(SMALL, trace(), seed, path) for seed in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(back_map_job, pickle.loads(pickle.dumps(jobs))))
    for seed, result in enumerate(results):
        np.testing.assert_array_equal(result.positions, mapped(seed).positions)


def test_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match=rf"shape \[4, 3\]: expected \[5, 3\], the CA atoms of '{SMALL}' in Å"):
        mapper().back_map(trace()[1:])


def test_traces_of_no_peptide_are_rejected_before_any_work() -> None:
    broken = trace().copy()
    broken[2, 1] = np.nan
    torn = trace().copy()
    torn[3:] += 9.0
    for ca, reason in (
        (broken, "the CA position of residue 3 is not finite"),
        (torn, "the CA atoms of residues 3 and 4 are "),
        (trace() / 10.0, "are 0.38 Å apart: expected 3.4 to 4.3 Å, a trans peptide bond"),
    ):
        result = mapper().back_map(ca)
        assert reason in result.reason
        assert (result.accepted, result.positions, result.record, result.n_attempts) == (False, None, None, 0)


def test_a_trace_no_structure_fits_is_rejected_with_a_number() -> None:
    folded = trace().copy()
    folded[4] = folded[2] + [0.0, 0.0, 0.3]  # two residues on one another, neighbours at possible distances
    folded[3] = folded[2] + [3.7, 0.0, 0.0]
    quick = BackMapper(mapper().peptide, mapper().library, n_attempts=2)
    result = quick.back_map(folded)
    assert not result.accepted
    assert result.positions is None
    assert result.record is not None
    assert result.n_attempts == 2
    assert any(character.isdigit() for character in result.reason.split("(")[0])
    assert result.reason.endswith("(the best of 2 attempts)")


def test_noise_is_rejected_or_relaxed_as_far_as_allowed() -> None:
    noisy = trace() + np.random.default_rng(0).normal(0.0, 0.3, (5, 3))
    assert not mapper().back_map(noisy).accepted
    relaxed = mapper(max_ca_shift=0.6).back_map(noisy)
    assert_sound(mapper().peptide, relaxed, noisy, max_ca_rms=0.6)
    assert relaxed.record is not None
    assert 0.1 < relaxed.record.ca_rms < relaxed.record.ca_shift


def test_a_trace_that_fits_is_not_relaxed_though_it_may_be() -> None:
    np.testing.assert_array_equal(mapper(max_ca_shift=0.6).back_map(trace(), 0).positions, mapped(0).positions)


def test_bad_settings_are_refused() -> None:
    peptide, library = mapper().peptide, mapper().library
    with pytest.raises(InputError, match="max_ca_shift=0"):
        BackMapper(peptide, library, max_ca_shift=0.0)
    with pytest.raises(InputError, match="belongs to the sequence"):
        BackMapper(build_peptide("GA"), library)
    mirror = AllAtom(peptide.sequence, peptide.topology, peptide.positions * [1.0, 1.0, -1.0])
    with pytest.raises(InputError, match="residue 2 of the peptide 'GPSGK' is the mirror image"):
        BackMapper(mirror, library)
