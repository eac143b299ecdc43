from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cgexp.analysis.observables import pair_distances
from cgexp.analysis.tica import Tica
from cgexp.errors import InputError
from cgexp.store import read_arrays, write_arrays
from tests.analysis.ensembles import peptide_frames

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
    with pytest.raises(InputError, match="more pairs than features"):
        Tica.fit(frames.select(slice(0, 40)), 2.0)
    again = frames.with_labels(block=np.zeros(len(frames), dtype=np.int64))
    with pytest.raises(InputError, match="time_ps of block 0 of the reference is the same twice, as where"):
        Tica.fit(again, 2.0)
    still = frames.with_labels(coords=np.repeat(frames.coords[:1], len(frames), axis=0))
    with pytest.raises(InputError, match="hardly moves"):
        Tica.fit(still, 2.0)
