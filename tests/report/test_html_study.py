"""report.html of an experiment: arms, runs, numbers within and outside their bounds, structures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cgexp.report.html_study import MOST_ARMS, Bounds, RunOfStudy, is_within, study_page
from tests.report.pages import EVIL, Reader, structures, study_content


def test_a_whole_page_is_valid_and_has_all_parts(tmp_path: Path) -> None:
    page = study_page(study_content(tmp_path))
    found = Reader(page)
    assert found.problems == []
    assert found.count("img") == 1
    assert "2 arms, 6 runs, seeds 1, 2, 3. 1 of 2 expected numbers are within their bounds." in found.text
    assert "not within bounds" in found.text
    assert "0.20 ± 0.10" in found.text
    links = [attributes["href"] for tag, attributes in found.tags if tag == "a"]
    assert "../../some/wide-3/report.html" in links
    assert page == study_page(study_content(tmp_path))


def test_a_column_without_numbers_is_left_out(tmp_path: Path) -> None:
    assert "folded_fraction" not in Reader(study_page(study_content(tmp_path))).text


def test_without_expectations_figures_or_structures(tmp_path: Path) -> None:
    runs = [replace(run, structures=None, link=None) for run in study_content(tmp_path).runs]
    page = study_page(study_content(tmp_path, expected={}, figures={}, runs=runs))
    found = Reader(page)
    assert found.problems == []
    assert "Bounds" not in found.text
    assert not any("report.html" in (attributes.get("href") or "") for _, attributes in found.tags)
    assert len(page) < 40_000


def test_whatever_an_experiment_holds_stays_text(tmp_path: Path) -> None:
    evil = study_content(
        tmp_path,
        title=EVIL,
        command=EVIL,
        arms=[(EVIL, {"w1_tica": [1.0]})],
        runs=[RunOfStudy(EVIL, 1, EVIL, {"w1_tica": 1.0}, None, structures())],
        expected={EVIL: ("mean", None, 1.0)},
        captions={"widths": EVIL},
    )
    harmless, found = Reader(study_page(study_content(tmp_path))), Reader(study_page(evil))
    assert found.problems == []
    assert (found.count("script"), found.count("img")) == (harmless.count("script"), 1)
    assert EVIL in found.text


@pytest.mark.parametrize(
    ("bounds", "values", "expected"),
    [
        (("mean", 0.0, 1.0), [-1.0, 2.0], True),
        (("each", 0.0, 1.0), [-1.0, 2.0], False),
        (("each", None, 1.0), [-1.0, 1.0], True),
        (("mean", 0.0, None), [5.0], True),
        (("mean", 0.0, 1.0), [], False),
        (("each", None, None), [math.nan], False),
        (("mean", None, None), [math.nan], False),
    ],
)
def test_within(bounds: Bounds, values: Sequence[float], expected: bool) -> None:
    assert is_within(bounds, values) is expected


def test_a_reference_is_shown_once_unless_arms_have_others(tmp_path: Path) -> None:
    runs = [
        RunOfStudy(f"arm {i}", 1, str(i), {}, None, structures(seed=seed)) for i, seed in enumerate([0, 0, 1, 1, 1, 1])
    ]
    text = study_page(study_content(tmp_path, runs=runs)).decode()
    labels = [f'"label": "{name}"' for name in ("reference", "reference of arm 2", "arm 0", f"arm {MOST_ARMS - 1}")]
    assert [text.count(label) for label in labels] == [1, 1, 2, 1]  # the first arm's trajectory as well
    assert f'"label": "arm {MOST_ARMS}"' not in text
