from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cgexp.analysis.peptide import PeptideAnalysis
from cgexp.analysis.result import NAME, flatten, read_curves, unflatten
from cgexp.errors import InputError
from cgexp.report.figures import draw
from cgexp.store import write_arrays
from cgexp.systems.peptide import Peptide
from tests.analysis.ensembles import FakeTrajectory, peptide_frames, walkers


def test_nested_curves_survive() -> None:
    curves = {
        "a": {"x": np.arange(3), "b": {"unit": "Å", "y": np.ones((2, 2))}},
        "notes": {"n": np.int64(3), "no": None},
    }
    arrays, rest = flatten(curves)
    assert set(arrays) == {"a/x", "a/b/y"}
    assert rest == {"a/b/unit": "Å", "notes/n": 3, "notes/no": None}
    again = unflatten(arrays, rest)
    np.testing.assert_array_equal(again["a"]["b"]["y"], np.ones((2, 2)))
    assert again["notes"] == {"n": 3, "no": None}


def test_figures_can_be_drawn_from_the_file_of_a_run(tmp_path: Path) -> None:
    trajectory = FakeTrajectory(walkers(60, 20, np.random.default_rng(9)), np.ones(20, dtype=bool))
    analysis = PeptideAnalysis(2.0, n_samples_tica=50, n_bootstrap=2, msm_lag=5)
    result = analysis.evaluate(Peptide(), None, peptide_frames(), trajectory, 0.1)
    write_arrays(tmp_path / f"{NAME}.npz", *result.definitions[NAME])
    curves = read_curves(tmp_path)
    assert set(curves) == {"tica", "free_energy", "distributions", "contacts", "convergence", "msm", "notes"}
    np.testing.assert_array_equal(curves["free_energy"]["ic1"]["model"], result.curves["free_energy"]["ic1"]["model"])
    assert set(draw(curves)) == set(curves) - {"notes"}


def test_a_folder_without_curves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"curves\.npz does not exist"):
        read_curves(tmp_path)
