"""Curves as tables for a tracker."""

from __future__ import annotations

import numpy as np

from cgexp.analysis.curves import ContactMap, FreeEnergy, Pmf, TicaMaps
from cgexp.report.charts import charts_of


def test_curves_along_a_coordinate_are_drawn_with_all_that_is_known_beside() -> None:
    x = np.arange(3.0)
    curve = FreeEnergy(x, "IC 1", "", "data", reference=x, model=np.array([1.0, np.nan, 2.0]), model_sem=x)
    charts = charts_of({"free_energy": {"ic1": curve, "ic2": FreeEnergy(x, "IC 2", "", "data", reference=x)}})
    assert list(charts) == ["free_energy_ic1", "free_energy_ic2"]
    chart = charts["free_energy_ic1"]
    assert (chart.x, chart.y) == ("x", "model")
    assert list(chart.columns) == ["x", "reference", "model", "model_sem"]
    assert chart.columns["model"] == [1.0, None, 2.0]
    assert charts["free_energy_ic2"].y == "reference"


def test_a_simulation_of_other_bins_is_a_chart_of_its_own() -> None:
    x, bins = np.arange(5.0), np.arange(3.0)
    charts = charts_of({"pmf": Pmf(x, x, x, True, bins, bins, bins)})
    assert list(charts["pmf"].columns) == ["x", "exact", "model"]
    assert list(charts["pmf_simulation"].columns) == ["bin_x", "simulation", "simulation_sem"]


def test_maps_have_a_row_for_each_bin_that_was_visited() -> None:
    reference, model = np.full((2, 2), np.nan), np.full((2, 2), np.nan)
    reference[0, 1], model[1, 0] = 0.5, 1.5
    edges = np.array([0.0, 1.0, 2.0])
    chart = charts_of({"tica": TicaMaps(reference, "data", edges, edges + 10.0, 2.0, model=model)})["tica"]
    assert chart.columns == {
        "ic1": [0.5, 1.5], "ic2": [11.5, 10.5], "reference": [0.5, None], "model": [None, 1.5],
    }  # fmt: skip
    assert chart.x is None


def test_contacts_have_a_row_a_pair() -> None:
    reference = np.array([[np.nan, 0.25], [0.25, np.nan]])
    chart = charts_of({"contacts": ContactMap(reference, ["G", "Y"], 0.8, "data", model=2.0 * reference)})["contacts"]
    assert chart.columns == {"first": [1.0], "second": [2.0], "reference": [0.25], "model": [0.5]}


def test_what_is_no_known_curve_has_no_table() -> None:
    assert charts_of({"own": object()}) == {}
