"""The files of a comparison: tables, numbers, figures, and one page for a browser."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from cgexp.errors import InputError
from cgexp.report.comparison_figures import (
    Histories,
    learning_curves_figure,
    numeric_columns,
    parallel_figure,
    parameters_figure,
    plane_columns,
    plane_of_parameters_figure,
    runs_by_arm_figure,
    short_labels,
)
from cgexp.report.comparison_tables import as_json, csv_table, markdown_table, tex_table
from cgexp.report.figures import save
from cgexp.report.html_comparison import EXTRA, ComparisonContent, RunOfArm, comparison_page, plotly_library
from cgexp.runs.provenance import code_version
from cgexp.store import write_bytes, write_record
from cgexp.studies.arms import Compared
from cgexp.studies.catalogue import Entry

NUMBERS, PAGE, FIGURES = "comparison.json", "comparison.html", "figures"
LOSS = "loss_validation"
CAPTIONS = {
    "learning_curves": "Validation loss over epochs: the mean over the runs of an arm; thin lines are runs",
    "parameters": "Metrics against parameters: points are runs, the line joins means over all runs with one value",
    "two_parameters": "Means of a metric over the values of two parameters; others are averaged over",
    "parallel": "A line for each arm through its parameters and mean metrics, coloured by the first metric; lines "
    "through one value lie a little apart",
    "runs_by_arm": "Every run of each arm as a point, a bar at their mean; the baseline is grey",
}
log = logging.getLogger(__name__)


def write_comparison(found: Compared, folder: Path) -> list[Path]:
    """Write table.csv, table.md, table.tex, comparison.json, figures/ and comparison.html; return their paths."""
    comparison = found.comparison
    tables = {
        "table.csv": csv_table(comparison),
        "table.md": markdown_table(comparison, found.units) + "".join(f"\n{note}\n" for note in found.notes),
        "table.tex": tex_table(comparison, found.units),
    }
    for name, text in tables.items():
        write_bytes(folder / name, text.encode())
    write_record(folder / NUMBERS, numbers(found))
    histories = histories_of(found)
    pictures = {name: save(figure, folder / FIGURES, name)[0] for name, figure in figures(found, histories).items()}
    for old in (folder / FIGURES).glob("*.p*"):
        if old.stem in CAPTIONS and old.stem not in pictures:
            old.unlink()  # of an earlier comparison in this folder
    write_page(found, folder / PAGE, histories, pictures)
    if not plotly_library():
        log.info("%s shows still figures, since plotly is not installed: %s", folder / PAGE, EXTRA)
    return [folder / name for name in (*tables, NUMBERS, FIGURES, PAGE)]


def write_page(
    found: Compared, path: Path, histories: Histories | None = None, pictures: Mapping[str, Path] | None = None
) -> None:
    """Write the page alone. pictures: figures that stand in for plotly's where it is not installed."""
    content = ComparisonContent(
        comparison=found.comparison,
        units=found.units,
        notes=found.notes,
        runs=[_run(i, entry, path.parent) for i, runs in enumerate(found.runs) for entry in runs],
        histories=histories_of(found) if histories is None else histories,
        code=code_version(),
        figures=pictures or {},
        captions=CAPTIONS,
    )
    write_bytes(path, comparison_page(content))


def write_pages(folder: Path, found: Mapping[str, Compared]) -> list[Path]:
    """The comparisons of finished runs as pages, one for each unit system; return them. None without plotly."""
    done = {units: one for units, one in found.items() if all(run.state == "done" for runs in one.runs for run in runs)}
    if sum(len(runs) for one in done.values() for runs in one.runs) < 2 or not plotly_library():
        return []
    pages = []
    for units, one in done.items():
        page = folder / (PAGE if len(done) == 1 else f"comparison-{units}.html")
        write_page(one, page)
        pages.append(page)
    return pages


def numbers(found: Compared) -> dict[str, object]:
    """All numbers of a comparison as JSON takes them, with the folders of the runs of each arm."""
    content = as_json(found.comparison)
    arms = [
        {**arm, "runs": [{"path": str(entry.path), "seed": entry.seed} for entry in runs]}
        for arm, runs in zip(content["arms"], found.runs, strict=True)
    ]
    return {**content, "arms": arms, "units": found.units, "notes": list(found.notes)}


def histories_of(found: Compared) -> Histories:
    """The validation loss over epochs of the runs of each arm, by its short label; of a run without one, nothing."""
    labels, _ = short_labels(found.comparison)
    of_arms: dict[str, list[Any]] = {label: [] for label in labels}
    for label, runs in zip(labels, found.runs, strict=True):
        for entry in runs:
            try:
                history = entry.folder.read_history()
            except InputError:
                continue
            if LOSS in history and len(history["epoch"]):
                of_arms[label].append((history["epoch"], history[LOSS]))
    return of_arms


def figures(found: Compared, histories: Histories) -> Mapping[str, Figure]:
    """Those figures of a comparison that have something to show."""
    comparison, units = found.comparison, found.units
    drawn: dict[str, Figure] = {}
    curves = {label: runs for label, runs in histories.items() if runs}
    if curves:
        drawn["learning_curves"] = learning_curves_figure(curves, LOSS, short_labels(comparison)[1])
    if comparison.metrics:
        if numeric_columns(comparison):
            drawn["parameters"] = parameters_figure(comparison, units)
        if plane_columns(comparison):
            drawn["two_parameters"] = plane_of_parameters_figure(comparison, units)
        if len(comparison.columns) > 1:
            drawn["parallel"] = parallel_figure(comparison, units)
        drawn["runs_by_arm"] = runs_by_arm_figure(comparison, units)
    return drawn


def _run(arm: int, entry: Entry, folder: Path) -> RunOfArm:
    report, seed = entry.folder.report, entry.seed
    link = Path(os.path.relpath(report, folder)).as_posix() if report.is_file() else None
    return RunOfArm(arm, 0 if seed is None else seed, entry.id, entry.metrics, link)
