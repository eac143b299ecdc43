"""What experiments/ keeps: every arm composes, kept numbers are within their bounds, READMEs say the same."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path

import pytest

from cgexp.config.checks import check
from cgexp.config.compose import Config, compose_seeds
from cgexp.report.table import arms_table
from cgexp.studies.bounds import violations
from cgexp.studies.reproduce import TABLE_END, TABLE_START, rows_of
from cgexp.studies.study import STUDY, Arm, Study

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
# (name, part): those of experiments/, and those of them whose results are kept
STUDIES = [(path.parent.name, None) for path in sorted(EXPERIMENTS.glob(f"*/{STUDY}"))] + [
    (path.parents[1].name, path.parent.name) for path in sorted(EXPERIMENTS.glob(f"*/*/{STUDY}"))
]
KEPT = [(name, part) for name, part in STUDIES if (EXPERIMENTS / name / (part or "") / "numbers.json").is_file()]


@pytest.mark.parametrize(("name", "part"), STUDIES)
def test_every_arm_is_sound(name: str, part: str | None) -> None:
    for arm in Study.load(name, EXPERIMENTS, part).arms:
        for config in _first(arm):
            check(config)


@pytest.mark.parametrize(("name", "part"), KEPT)
def test_kept_numbers_are_within_their_bounds(name: str, part: str | None) -> None:
    study = Study.load(name, EXPERIMENTS, part)
    numbers = json.loads((study.folder / "numbers.json").read_text())
    assert len(study.expected) >= (3 if part else 10)
    assert list(violations(study, numbers)) == []


@pytest.mark.parametrize(("name", "part"), KEPT)
def test_the_readme_holds_the_table_of_the_kept_numbers_and_every_figure(name: str, part: str | None) -> None:
    study = Study.load(name, EXPERIMENTS, part)
    readme = (study.folder / "README.md").read_text()
    numbers = json.loads((study.folder / "numbers.json").read_text())
    table = readme.split(TABLE_START)[1].split(TABLE_END)[0].strip()
    units = next(config["dataset"]["units"] for arm in study.arms for config in _first(arm))
    assert table == arms_table(rows_of(study, numbers), study.columns, units)
    shown = set(re.findall(r"\]\(figures/([^)]+)\)", readme))
    assert shown == {figure.name for figure in (study.folder / "figures").glob("*.png")}
    assert len(shown) >= (1 if part else 5)
    assert f"cgexp reproduce {name}{f' part={part}' if part else ''}" in readme


def _first(arm: Arm) -> list[Config]:
    """The config of an arm's first run, whose siblings differ in a seed or a value; none of an arm without runs."""
    return [compose_seeds(job, seeds[:1])[0] for job, seeds in islice(arm.jobs(), 1)]
