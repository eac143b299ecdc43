"""comparison.html and the figures of a comparison: small, quick, the same bytes, and texts stay text."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest

from cgexp.report import html_comparison
from cgexp.report.comparison_figures import (
    best_first,
    learning_curves_figure,
    numeric_columns,
    parallel_figure,
    parameters_figure,
    plane,
    plane_columns,
    plane_of_parameters_figure,
    runs_by_arm_figure,
    scale_of,
    short_labels,
)
from cgexp.report.html_comparison import comparison_page
from tests.report.comparisons import comparison_content, made
from tests.report.pages import EVIL, Reader

SETTINGS: dict[str, list[object]] = {"width": [20.0, 40.0, 400.0], "kind": ["a", "b"], "clip": [None, 1.0]}


def test_what_is_drawn_follows_from_what_differs() -> None:
    found = made(SETTINGS)
    assert numeric_columns(found) == ["width"]
    assert plane_columns(found) == ("width", "kind")
    assert short_labels(found)[0][0] == "20, a, null"
    assert short_labels(made({"width": [1.0, 2.0]})) == (["width=1.0", "width=2.0"], "")
    assert plane_columns(made({"width": [1.0, 2.0]})) == ()
    values_x, values_y, means = plane(found, "width", "clip", "w1_x")
    assert (values_x, values_y, means.shape) == ([20.0, 40.0, 400.0], [None, 1.0], (2, 3))
    here = [v for arm in found.arms if arm.settings["width"] == 40.0 and arm.settings["clip"] is None
            for v in arm.values("w1_x").values()]  # fmt: skip
    assert means[0, 1] == pytest.approx(np.mean(here))
    means_of = [found.spreads[i]["w1_x"].mean for i in best_first(found)]
    assert means_of == sorted(means_of)


@pytest.mark.parametrize(
    ("values", "scale"),
    [([1e-4, 1e-2], "log"), ([20, 40], "linear"), ([0.0, 100.0], "linear"), ([-1.0, 1e3], "linear"), ([], "linear")],
)
def test_an_axis_is_logarithmic_over_a_decade(values: list[float], scale: str) -> None:
    assert scale_of(values) == scale


def test_the_figures_show_what_they_should() -> None:
    found = made(SETTINGS)
    axes = parameters_figure(found, "reduced").axes
    assert [(one.get_xscale(), one.get_xlabel()) for one in axes] == [("log", ""), ("log", "width")]
    assert sum(len(line.get_xdata()) for line in axes[0].lines[:1]) == 36, "a point for each run"
    plane_axes = plane_of_parameters_figure(found, "reduced").axes[0]
    assert (plane_axes.get_xlabel(), plane_axes.get_ylabel()) == ("width", "kind")
    assert len(parallel_figure(found, "reduced").axes[0].lines) == 12 + 5
    strips = runs_by_arm_figure(found, "reduced").axes
    assert strips[0].get_yticklabels()[0].get_text() == "20, a, null"


@pytest.mark.parametrize(("n_arms", "n_panels"), [(1, 1), (6, 1), (7, 9), (20, 20), (40, 2)])
def test_learning_curves_of_many_arms_have_a_panel_each_and_of_very_many_a_colour(n_arms: int, n_panels: int) -> None:
    curve = (np.arange(5.0), np.linspace(1.0, 0.1, 5))
    figure = learning_curves_figure({f"arm {i}": [curve, curve] for i in range(n_arms)}, "loss", "what the labels are")
    assert len(figure.axes) == n_panels
    assert figure.axes[0].get_yscale() == "log"


def test_a_page_asks_for_nothing_and_shows_texts_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = made({"kind": [EVIL, "b"], "width": [1.0, 20.0]})
    for library in ("", "H4sIAAAAAAAAAwMAAAAAAAAAAAA="):
        monkeypatch.setattr(html_comparison, "plotly_library", lambda library=library: library)
        page = comparison_page(comparison_content(evil, tmp_path))
        assert page == comparison_page(comparison_content(evil, tmp_path))
        assert Reader(page).problems == []
        assert EVIL.encode() not in page
        assert (b"plotly is not installed" in page) == (not library)
        assert (b"data:image/png" in page) == (not library)


def test_the_page_holds_plotlys_own_bundle_and_the_numbers(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    found = made(SETTINGS)
    page = comparison_page(comparison_content(found, tmp_path))
    match = re.search(rb'<script type="application/json" id="comparison">(.*?)</script>', page, re.DOTALL)
    assert match is not None
    data = json.loads(match.group(1))
    assert [column["log"] for column in data["columns"]] == [True, False, False]
    assert data["metrics"][1]["more"] is True
    assert data["metrics"][0]["means"][0] == pytest.approx(found.spreads[0]["w1_x"].mean)
    assert len(data["runs"]) == 36
    assert len(data["histories"]) == 12
    assert 1e6 < len(page) < 4e6


def test_a_page_of_three_hundred_runs_is_small_and_quick(tmp_path: Path) -> None:
    settings = {"width": [10.0, 20.0, 40.0, 80.0], "lr": [1e-4, 1e-3, 1e-2, 1e-1, 1.0], "batch": [1, 2, 4, 8, 16]}
    whole = comparison_content(made(settings), tmp_path, epochs=1000)
    began = time.process_time()
    page = comparison_page(whole)
    assert time.process_time() - began < 2.0
    assert len(page) < 10e6
