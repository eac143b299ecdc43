"""report.html of an experiment: gathers its results and what its runs left."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cgexp.analysis.structures import Structures
from cgexp.report.html_study import RunOfStudy, StudyContent, study_page
from cgexp.runs.load import Run
from cgexp.runs.provenance import code_version
from cgexp.store import read_arrays, write_bytes
from cgexp.studies.results import Results

REPORT, STRUCTURES = "report.html", "structures.npz"
IMAGE = re.compile(r"!\[([^\]]+)\]\(figures/([^)/]+)\.png\)")


def write_study_page(
    results: Results,
    rows: Sequence[tuple[str, Mapping[str, Sequence[float]]]],
    numbers: Mapping[str, Sequence[float]],
    figures: Iterable[str],
    place: Path,
    changed: Sequence[str] = (),
) -> Path:
    """Write report.html of an experiment into ``place``, whose figures/ holds its PNG files; return its path.

    rows: of the table, label of an arm -> its numbers. numbers: all of them. changed: overrides beyond the study.
    """
    study, path = results.study, place / REPORT
    name, *part = study.name.split("/")
    some = next(run for runs in results.by_arm.values() for run in runs)
    labels = {arm.name: label for arm, (label, _) in zip(study.arms, rows, strict=True)}
    content = StudyContent(
        title=study.title,
        command=shlex.join(["cgexp", "reproduce", name, *(f"part={one}" for one in part), *changed]),
        columns=study.columns,
        units=some.config["dataset"]["units"],
        arms=rows,
        runs=[_row(labels[arm.name], run, place) for arm in study.arms for run in results.by_arm.get(arm.name, ())],
        expected=study.expected,
        numbers=numbers,
        code=code_version(),
        figures={name: place / "figures" / f"{name}.png" for name in figures},
        captions=captions(study.folder / "README.md"),
    )
    write_bytes(path, study_page(content))
    return path


def captions(readme: Path) -> dict[str, str]:
    """What the README of an experiment says that its figures show: name -> text of the image."""
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    return {name: caption for caption, name in IMAGE.findall(text)}


def _row(label: str, run: Run, place: Path) -> RunOfStudy:
    folder = run.folder.path
    report, structures = folder / REPORT, folder / STRUCTURES
    return RunOfStudy(
        arm=label,
        seed=run.config["seed"],
        run_id=folder.name,
        metrics=run.metrics,
        link=Path(os.path.relpath(report, place)).as_posix() if report.is_file() else None,
        structures=Structures.from_arrays(*read_arrays(structures)) if structures.is_file() else None,
    )
