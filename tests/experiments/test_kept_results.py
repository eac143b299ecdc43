"""What experiments/ keeps: every arm composes, kept numbers are within their bounds, READMEs say the same."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cgexp.config.checks import check
from cgexp.config.study import STUDY, Study
from cgexp.report.table import arms_table
from cgexp.runs.reproduce import TABLE_END, TABLE_START, rows_of, violations

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
NAMES = [path.parent.name for path in sorted(EXPERIMENTS.glob(f"*/{STUDY}"))]
UNITS = "reduced"


@pytest.mark.parametrize("name", NAMES)
def test_every_arm_is_sound(name: str) -> None:
    for arm in Study.load(name, EXPERIMENTS).arms:
        for config in arm.configs()[:1]:
            check(config)


@pytest.mark.parametrize("name", NAMES)
def test_kept_numbers_are_within_their_bounds(name: str) -> None:
    study = Study.load(name, EXPERIMENTS)
    numbers = json.loads((study.folder / "numbers.json").read_text())
    assert len(study.expected) >= 10
    assert list(violations(study, numbers)) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_holds_the_table_of_the_kept_numbers_and_every_figure(name: str) -> None:
    study = Study.load(name, EXPERIMENTS)
    readme = (study.folder / "README.md").read_text()
    numbers = json.loads((study.folder / "numbers.json").read_text())
    table = readme.split(TABLE_START)[1].split(TABLE_END)[0].strip()
    assert table == arms_table(rows_of(study, numbers), study.columns, UNITS)
    shown = set(re.findall(r"\]\(figures/([^)]+)\)", readme))
    assert shown == {figure.name for figure in (study.folder / "figures").glob("*.png")}
    assert len(shown) >= 5
    assert f"cgexp reproduce {name}" in readme
