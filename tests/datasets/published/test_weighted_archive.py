"""WeightedArchive: coords, forces and weights of one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgexp.datasets.published.weighted_archive import WeightedArchive
from cgexp.errors import InputError
from cgexp.frames import Frames
from tests.datasets.published.chains import exact_chain, recipe

FILE = "cln_charmm22star_basic_force_aggr_CA_MSM_weight.npz"
N = 1000


class TestWeightedArchive:
    @pytest.fixture(scope="class")
    def arrays(self) -> dict[str, np.ndarray]:
        coords, forces = exact_chain(N, seed=1)
        return {"coords": coords, "aaFs": forces, "weights": np.random.default_rng(0).random(N)}

    def make(self, folder: Path, arrays: dict[str, Any], **changes: Any) -> Frames:
        np.savez(folder / FILE, **arrays)
        return recipe("chignolin_flowm", WeightedArchive, folder, **changes).make(folder / "work")

    def test_the_file_becomes_frames_with_weights(self, tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
        frames = self.make(tmp_path, arrays, n_frames=100)
        index = np.linspace(0, N - 1, 100).round().astype(int)
        assert frames.weights is not None
        np.testing.assert_array_equal(frames.weights, arrays["weights"][index])
        np.testing.assert_allclose(np.asarray(frames.forces), arrays["aaFs"][index], atol=1e-4)
        assert frames.force_map == "constraint_group"

    def test_weights_may_be_a_column_or_left_out(self, tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
        frames = self.make(tmp_path, {**arrays, "weights": arrays["weights"][:, None]})
        assert frames.weights is not None
        assert frames.weights.shape == (N,)
        assert self.make(tmp_path, arrays, weights_key=None).weights is None

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"weights": np.ones(7)}, r"weights has shape \[7\] but there are 1000 frames"),
            ({"weights": -np.ones(N)}, "weights of frame 0 are negative"),
            ({"aaFs": np.zeros((N, 97, 3))}, r"aaFs has shape \[1000, 97, 3\] .* map atoms to beads first"),
            ({"coords": np.full((N, 10, 3), np.nan)}, "coords of frame 0 .* are not finite"),
        ],
    )
    def test_arrays_that_do_not_fit(
        self, tmp_path: Path, arrays: dict[str, np.ndarray], change: dict[str, np.ndarray], sentence: str
    ) -> None:
        with pytest.raises(InputError, match=sentence):
            self.make(tmp_path, {**arrays, **change})

    def test_units_are_tested(self, tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
        with pytest.raises(InputError, match=r"set dataset\.force_unit=kJ/mol/nm"):
            self.make(tmp_path, {**arrays, "aaFs": 41.84 * arrays["aaFs"]})

    def test_an_array_of_another_name(self, tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
        renamed = {"coords": arrays["coords"], "Fs": arrays["aaFs"], "weights": arrays["weights"]}
        with pytest.raises(InputError, match=r"no array 'aaFs' \(did you mean 'Fs'\?\): it holds coords, Fs, weights"):
            self.make(tmp_path, renamed)
        assert len(self.make(tmp_path, renamed, forces_key="Fs")) == N

    def test_a_missing_or_truncated_file(self, tmp_path: Path) -> None:
        path = tmp_path / FILE
        flowm = recipe("chignolin_flowm", WeightedArchive, tmp_path)
        with pytest.raises(InputError, match=rf"{path} does not exist: download https://ftp.*{FILE} \(about 0.5 GB"):
            flowm.make(tmp_path)
        path.write_bytes(b"PK\x03\x04 half of it")
        with pytest.raises(InputError, match="is truncated or no NumPy file: download"):
            flowm.make(tmp_path)
