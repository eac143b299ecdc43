from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cgexp.analysis.observables import pair_distances
from cgexp.analysis.peptide import PeptideAnalysis
from cgexp.analysis.tica import Tica, chosen_pairs
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.store import read_arrays, write_arrays
from cgexp.systems.peptide import Peptide
from tests.analysis.ensembles import FakeTrajectory, peptide_frames

RHO_SLOW, RHO_FAST = 0.98, 0.9  # per frame of 0.5 ps, see ensembles.walkers


def test_finds_the_slow_process_with_its_autocorrelation() -> None:
    frames = peptide_frames(n_frames=1500, n_walkers=8)
    tica = Tica.fit(frames, lag_ps=2.0, scaling="none")
    assert tica.lag_ps == 2.0
    assert tica.n_pairs == 8 * (1500 - 4)
    assert tica.eigenvalues[0] == pytest.approx(RHO_SLOW**4, abs=0.03)
    assert tica.eigenvalues[1] == pytest.approx(RHO_FAST**4, abs=0.06)
    ics = tica.transform(frames.coords)
    assert ics.mean(axis=0) == pytest.approx([0, 0], abs=0.02)
    assert ics.std(axis=0) == pytest.approx([1, 1], abs=0.02)
    assert np.corrcoef(ics[:, 0], ics[:, 1])[0, 1] == pytest.approx(0, abs=0.02)
    size = pair_distances(frames.coords).mean(axis=1)
    assert np.corrcoef(ics[:, 0], size)[0, 1] > 0.9, "the slow process is swelling, and its sign is fixed"


def test_kinetic_map_scales_each_ic_by_its_eigenvalue() -> None:
    frames = peptide_frames()
    plain, scaled = (Tica.fit(frames, 2.0, scaling) for scaling in ("none", "kinetic_map"))  # type: ignore[arg-type]
    assert scaled.transform(frames.coords) == pytest.approx(plain.transform(frames.coords) * plain.eigenvalues)


def test_does_not_cross_from_one_walker_into_the_next() -> None:
    frames = peptide_frames(n_frames=60)
    order = np.random.default_rng(3).permutation(len(frames))
    assert Tica.fit(frames.select(order), 2.0).eigenvalues == pytest.approx(Tica.fit(frames, 2.0).eigenvalues)
    shifted = frames.with_labels(time_ps=frames.time_ps + 1000.0 * frames.block)  # type: ignore[operator]
    assert Tica.fit(shifted, 2.0).n_pairs == Tica.fit(frames, 2.0).n_pairs == 8 * 56


def test_lag_is_rounded_up_to_the_spacing_of_the_frames() -> None:
    frames = peptide_frames()
    assert Tica.fit(frames, 1.7).lag_ps == 2.0
    assert Tica.fit(frames.select(slice(0, None, 3)), 1.0).lag_ps == 1.5
    single = frames.with_labels(time_ps=frames.time_ps.astype(np.float32) + np.float32(0.1))  # type: ignore[union-attr]
    assert Tica.fit(single, 2.0).lag_ps == pytest.approx(2.0)


def test_survives_the_store(tmp_path: Path) -> None:
    frames = peptide_frames()
    tica = Tica.fit(frames, 2.0)
    assert tica.data_hash == frames.content_hash
    write_arrays(tmp_path / "tica.npz", *tica.to_arrays())
    again = Tica.from_arrays(*read_arrays(tmp_path / "tica.npz"))
    assert np.array_equal(again.transform(frames.coords), tica.transform(frames.coords))
    assert (again.lag_ps, again.scaling, again.data_hash) == (2.0, "kinetic_map", frames.content_hash)
    arrays, meta = tica.to_arrays()
    with pytest.raises(InputError, match="fit it again"):
        Tica.from_arrays(arrays, meta | {"features": "dihedrals"})


def test_a_reference_that_cannot_carry_tica_is_refused() -> None:
    frames = peptide_frames(n_frames=30)
    with pytest.raises(InputError, match="no time_ps"):
        Tica.fit(frames.with_labels(time_ps=None), 2.0)
    with pytest.raises(InputError, match=r"lag_ps=20 is longer than every block.*14\.5 ps"):
        Tica.fit(frames, 20.0)
    with pytest.raises(InputError, match="32 pairs of frames 2 ps apart, too few to fit TICA on: expected at least 40"):
        Tica.fit(frames.select(slice(0, 40)), 2.0)
    again = frames.with_labels(block=np.zeros(len(frames), dtype=np.int64))
    with pytest.raises(InputError, match="time_ps of block 0 of the reference is the same twice, as where"):
        Tica.fit(again, 2.0)
    still = frames.with_labels(coords=np.repeat(frames.coords[:1], len(frames), axis=0))
    with pytest.raises(InputError, match="hardly moves"):
        Tica.fit(still, 2.0)


def test_few_beads_have_all_distances_and_many_have_what_the_frames_determine() -> None:
    assert chosen_pairs(10, 46, 2.0) is None
    assert chosen_pairs(32, 10_000, 2.0) is None
    for n_beads, n_frame_pairs, most in ((40, 291, 72), (40, 10_000, 500), (160, 5000, 500), (5000, 5000, 500)):
        pairs = chosen_pairs(n_beads, n_frame_pairs, 2.0)
        assert pairs is not None
        assert 0.8 * most <= len(pairs) <= most
        assert (pairs[:, 1] - pairs[:, 0]).min() >= 3
        assert pairs.min() == 0
        assert pairs.max() == n_beads - 1


def test_data_that_no_tica_can_be_fitted_on_are_refused_by_the_check() -> None:
    analysis = PeptideAnalysis(2.0)
    analysis.check(peptide_frames(n_frames=30))
    with pytest.raises(InputError, match="too few to fit TICA on"):
        analysis.check(peptide_frames(n_frames=8))


def chain_of(n_beads: int, n_frames: int, n_walkers: int) -> Frames:
    """A helix that swells slowly and wobbles fast, one block a walker, 0.5 ps apart."""
    rng = np.random.default_rng(0)
    i = np.arange(n_beads)
    helix = np.stack([2.3 * np.cos(1.7 * i), 2.3 * np.sin(1.7 * i), 1.5 * i], axis=-1)
    slow = np.zeros((n_walkers, n_frames))
    for k in range(1, n_frames):
        slow[:, k] = 0.98 * slow[:, k - 1] + 0.2 * rng.normal(size=n_walkers)
    stretched = 1.0 + 0.1 * slow.reshape(-1, 1, 1) * np.array([0.0, 0.0, 1.0])
    coords = helix * stretched + 0.1 * rng.normal(size=(n_walkers * n_frames, n_beads, 3))
    system = Peptide("A" * n_beads)
    return Frames(
        coords=coords, bead_types=system.bead_types, units="molecular", temperature=300.0, system=system.name,
        system_spec=system.spec, source="synthetic", block=np.repeat(np.arange(n_walkers), n_frames),
        time_ps=np.tile(0.5 * np.arange(n_frames), n_walkers),
    )  # fmt: skip


def test_forty_residues_on_few_frames_find_the_slow_process(tmp_path: Path) -> None:
    frames = chain_of(40, 101, 3)
    tica = Tica.fit(frames, 2.0, "none")
    assert tica.n_pairs == 291
    size = np.linalg.norm(frames.coords[:, -1] - frames.coords[:, 0], axis=1)
    assert abs(np.corrcoef(tica.transform(frames.coords)[:, 0], size)[0, 1]) > 0.9
    write_arrays(tmp_path / "tica.npz", *tica.to_arrays())
    again = Tica.from_arrays(*read_arrays(tmp_path / "tica.npz"))
    assert np.array_equal(again.transform(frames.coords), tica.transform(frames.coords))


def test_a_peptide_of_forty_residues_is_analysed() -> None:
    frames = chain_of(40, 101, 3)
    analysis = PeptideAnalysis(2.0, n_samples_tica=50, n_bootstrap=2, msm=False)
    analysis.check(frames)
    coords = np.moveaxis(frames.coords.reshape(3, 101, 40, 3), 0, 1)
    simulated = FakeTrajectory(coords, np.ones(3, dtype=bool))
    metrics = analysis.evaluate(Peptide("A" * 40), None, frames, simulated, 0.0).metrics
    assert metrics["w1_tica_sliced"] < 0.02
    assert {"contact_rmse", "w1_dihedral", "w1_rg"} <= metrics.keys()
