"""report.html of an experiment, from folders of runs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from cgexp.config.compose import Config, compose
from cgexp.runs.folder import RunFolder
from cgexp.runs.load import Run
from cgexp.store import write_arrays, write_json
from cgexp.studies.results import Results, captions, write_study_page
from cgexp.studies.study import Arm, Study
from tests.report.pages import CONFIG, Reader, picture, structures

README = (
    "# Title\n\n![The anatomy of it](figures/anatomy.png)\n\n[![linked](figures/other.png)](x) ![](figures/none.png)"
)


@cache
def whole_config() -> Config:
    return compose(["experiment=chignolin_first"])


def made(path: Path, seed: int, with_page: bool) -> Run:
    folder = RunFolder(path)
    write_json(folder.metrics, {"w1_tica": 0.1 * seed})
    own = {
        "choices": CONFIG["choices"],
        "overrides": CONFIG["overrides"],
        "seed": seed,
        "outputs": str(path.parents[1]),
    }
    folder.config.write_text(yaml.safe_dump({**whole_config(), **own}))
    if with_page:
        folder.report.write_text("a page")
        write_arrays(folder.structures, *structures(seed=seed).to_arrays())
    return Run(folder)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    folder = tmp_path / "experiments" / "widths"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(README)
    arms = (Arm("wide", "a wide one", (), (1, 2)), Arm("code", "by code", (), (1, 2), computed=True))
    expected: dict[str, Any] = {"wide.w1_tica": ("each", None, 0.25), "code.answer": ("mean", 41.0, 43.0)}
    study = Study("widths/part", folder, "What the width does", ("w1_tica", "answer"), arms, expected, "part")
    runs = [made(tmp_path / "outputs" / "some" / f"run{seed}", seed, seed == 1) for seed in (1, 2)]
    return Results(study, {"wide": runs}, tmp_path / "work")


def written(results: Results, tmp_path: Path) -> tuple[Path, Reader]:
    place = tmp_path / "outputs" / "reproduced" / "widths" / "part"
    (place / "figures").mkdir(parents=True)
    picture(place / "figures" / "anatomy.png")
    rows = [("a wide one", {"w1_tica": [0.1, 0.2]}), ("by code", {"answer": [42.0, 42.0]})]
    numbers = {"wide.w1_tica": [0.1, 0.2], "code.answer": [42.0, 42.0]}
    path = write_study_page(results, rows, numbers, ["anatomy"], place, ["seed=7"])
    return path, Reader(path.read_bytes())


def test_it_holds_arms_runs_bounds_and_the_command(results: Results, tmp_path: Path) -> None:
    path, page = written(results, tmp_path)
    assert path.name == "report.html"
    assert page.problems == []
    assert "2 arms, 2 runs, seeds 1, 2. 2 of 2 expected numbers are within their bounds." in page.text
    assert "cgexp reproduce widths part=part seed=7\n" in page.text
    assert "The anatomy of it" in page.text
    assert page.text.count("folded") > 0


def test_a_run_is_linked_if_it_has_a_page_by_a_path_that_moves_with_the_outputs(
    results: Results, tmp_path: Path
) -> None:
    path, page = written(results, tmp_path)
    links = [found["href"] for tag, found in page.tags if tag == "a" and str(found.get("href")).endswith("report.html")]
    assert links == ["../../../some/run1/report.html"]
    assert (path.parent / str(links[0])).resolve().read_text() == "a page"
    assert "run2" in page.text


def test_captions_are_what_the_readme_says(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(README)
    assert captions(tmp_path / "README.md") == {"anatomy": "The anatomy of it", "other": "linked"}
    assert captions(tmp_path / "missing.md") == {}
