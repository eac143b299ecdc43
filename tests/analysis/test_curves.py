from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cgexp.analysis.curves import NAME, Distribution, PeptideCurves, read_curves
from cgexp.analysis.peptide import PeptideAnalysis
from cgexp.curves import Curve
from cgexp.errors import InputError
from cgexp.report.figures import draw
from cgexp.store import write_arrays
from cgexp.systems.peptide import Peptide
from tests.analysis.ensembles import FakeTrajectory, peptide_frames, walkers


@dataclass(frozen=True)
class Nested(Curve):
    """Every kind of field."""

    x: np.ndarray
    unit: str
    names: Sequence[str]
    by_name: Mapping[str, Distribution]
    n: int = 0
    inner: Distribution | None = None
    nothing: np.ndarray | None = None


def density(**more: np.ndarray) -> Distribution:
    return Distribution(np.arange(3.0), "bond", "Å", "data", np.ones(3), **more)


def test_nested_curves_go_to_arrays_and_back() -> None:
    curve = Nested(np.arange(3), "Å", ["a", "b"], {"one": density(model=np.zeros(3))}, np.int64(3), density())
    arrays, meta = curve.to_arrays()
    assert set(arrays) == {"x", "by_name/one/x", "by_name/one/reference", "by_name/one/model"} | {
        "inner/x",
        "inner/reference",
    }
    assert "nothing" not in meta
    json.dumps(meta)
    again = Nested.from_arrays(arrays, meta | {"of a later version": 1})
    assert (again.unit, again.names, again.n, again.nothing) == ("Å", ["a", "b"], 3, None)
    assert again.by_name["one"].model_sem is None
    np.testing.assert_array_equal(again.by_name["one"].model, np.zeros(3))
    assert isinstance(again.inner, Distribution)
    assert Nested.from_arrays({"x": np.zeros(1)}, {"unit": "", "names": []}).by_name == {}


def test_a_file_that_lacks_a_field_is_named_by_it() -> None:
    arrays, meta = density().to_arrays()
    del arrays["reference"]
    with pytest.raises(InputError, match=r"Distribution\) lacks reference: it is of another version"):
        Distribution.from_arrays(arrays, meta)


def test_figures_can_be_drawn_from_the_file_of_a_run(tmp_path: Path) -> None:
    trajectory = FakeTrajectory(walkers(60, 20, np.random.default_rng(9)), np.ones(20, dtype=bool))
    analysis = PeptideAnalysis(2.0, n_samples_tica=50, n_bootstrap=2, msm_lag=5)
    result = analysis.evaluate(Peptide(), None, peptide_frames(), trajectory, 0.1)
    write_arrays(tmp_path / f"{NAME}.npz", *result.definitions[NAME])
    curves = read_curves(tmp_path)
    assert isinstance(curves, PeptideCurves)
    assert curves.notes == result.notes
    assert set(curves.by_figure()) == {"tica", "free_energy", "distributions", "contacts", "convergence", "msm"}
    np.testing.assert_array_equal(curves.free_energy["ic1"].model, result.curves["free_energy"]["ic1"].model)
    assert set(draw(curves.by_figure())) == set(curves.by_figure())


def test_a_folder_without_curves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"curves\.npz does not exist"):
        read_curves(tmp_path)
