"""report.html of an experiment: its figures, its arms, its runs, and its numbers beside what is expected of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cgexp.analysis.structures import REFERENCE, SIMULATION, Structures
from cgexp.report.html import Cell, Table, pictures, render
from cgexp.report.html_summary import number
from cgexp.report.html_viewer import Viewer, viewer
from cgexp.report.table import mean_and_spread, unit_of

Bounds = tuple[str, float | None, float | None]  # 'mean' or 'each', lowest, highest
MOST_ARMS = 4  # shown in space; the others are on the pages of their runs


@dataclass(frozen=True)
class RunOfStudy:
    """One run: label of its arm, seed, id, metrics, where its own page lies from here, if it has one; structures."""

    arm: str
    seed: int
    run_id: str
    metrics: Mapping[str, float]
    link: str | None = None
    structures: Structures | None = None


@dataclass(frozen=True)
class StudyContent:
    """What the page of an experiment is made from.

    arms: label -> values of its numbers, for the metrics in ``columns``. expected: name of a number -> bounds. numbers:
    name -> values. figures: name -> PNG file; captions: name -> what it shows.
    """

    title: str
    command: str
    columns: Sequence[str]
    units: str
    arms: Sequence[tuple[str, Mapping[str, Sequence[float]]]]
    runs: Sequence[RunOfStudy]
    expected: Mapping[str, Bounds]
    numbers: Mapping[str, Sequence[float]]
    code: Mapping[str, Any]
    figures: Mapping[str, Path] = field(default_factory=dict)
    captions: Mapping[str, str] = field(default_factory=dict)


def study_page(study: StudyContent) -> bytes:
    """The page, whole; the same bytes for the same content."""
    judged = {name: is_within(bounds, study.numbers.get(name, ())) for name, bounds in study.expected.items()}
    return render(
        "study.html",
        title=study.title,
        command=study.command,
        code=study.code,
        n_arms=len(study.arms),
        n_runs=len({run.run_id for run in study.runs}),
        seeds=sorted({run.seed for run in study.runs}),
        n_within=sum(judged.values()),
        pictures=pictures(study.figures, study.captions),
        arms=_arms(study),
        runs=_runs(study),
        expected=_expected(study, judged),
        viewer=_viewer(study.runs),
    )


def is_within(bounds: Bounds, values: Sequence[float]) -> bool:
    """Whether the mean of the values, or each of them, is within the bounds; no value is not, and neither is NaN."""
    what, low, high = bounds
    found = np.asarray(values, dtype=np.float64)
    judged = found.mean(keepdims=True) if what == "mean" and found.size else found
    inside = (judged >= (-math.inf if low is None else low)) & (judged <= (math.inf if high is None else high))
    return bool(found.size and inside.all())


def _head(metric: str, units: str) -> str:
    unit = unit_of(metric, units)
    return f"{metric} ({unit})" if unit else metric


def _arms(study: StudyContent) -> Table:
    columns = [name for name in study.columns if any(name in found for _, found in study.arms)]
    rows = []
    for label, found in study.arms:
        if any(name in found for name in columns):
            n_runs = max(len(values) for values in found.values())
            cells = [
                Cell(mean_and_spread(found[name]), float(np.mean(found[name])), kind="number")
                if name in found
                else Cell("")
                for name in columns
            ]
            rows.append([Cell(label, kind="words"), *cells, Cell(str(n_runs), n_runs)])
    heads = ("arm", *(_head(name, study.units) for name in columns), "runs")
    return Table("arms", "Mean ± standard deviation over the runs of an arm", heads, rows)


def _runs(study: StudyContent) -> Table:
    columns = [name for name in study.columns if any(name in run.metrics for run in study.runs)]
    rows = [
        [
            Cell(run.run_id, link=run.link, kind="code"),
            Cell(run.arm, kind="words"),
            Cell(str(run.seed), run.seed),
            *(number(run.metrics[name]) if name in run.metrics else Cell("") for name in columns),
        ]
        for run in study.runs
    ]
    heads = ("run", "arm", "seed", *(_head(name, study.units) for name in columns))
    return Table("runs", "Every run; a link leads to its own page", heads, rows, has_filter=True)


def _expected(study: StudyContent, judged: Mapping[str, bool]) -> Table:
    rows = []
    for name, (what, low, high) in study.expected.items():
        values = study.numbers.get(name, ())
        found = Cell("missing")
        if len(values):
            shown = float(np.mean(values))
            found = Cell(mean_and_spread(values), shown, kind="number")
        verdict = Cell("within", kind="good") if judged[name] else Cell("OUTSIDE", kind="bad")
        bounds = [Cell("any") if bound is None else Cell(f"{bound:g}", bound, kind="number") for bound in (low, high)]
        rows.append([Cell(name, kind="code"), found, Cell(what), *bounds, verdict])
    heads = ("number", "found", "bounded", "lowest", "highest", "verdict")
    return Table("expected", "The numbers beside their bounds in expected.yaml", heads, rows, has_filter=True)


def _viewer(runs: Sequence[RunOfStudy]) -> Viewer | None:
    """The references, each once, and the first run of the first arms that have structures of one peptide."""
    first: dict[str, Structures] = {}
    for run in runs:
        if run.structures is not None and run.arm not in first and SIMULATION in run.structures.ensembles:
            first[run.arm] = run.structures
    if not first:
        return None
    sequence = next(iter(first.values())).sequence
    shown = {arm: found for arm, found in list(first.items())[:MOST_ARMS] if found.sequence == sequence}
    references: dict[str, Structures] = {}
    for arm, found in shown.items():
        if not any(_same_reference(found, other) for other in references.values()):
            references[f"reference of {arm}" if references else "reference"] = found
    of = {**dict.fromkeys(references, REFERENCE), **dict.fromkeys(shown, SIMULATION)}
    return viewer({**references, **shown}, of)


def _same_reference(a: Structures, b: Structures) -> bool:
    return np.array_equal(a.ensembles[REFERENCE][1], b.ensembles[REFERENCE][1])
