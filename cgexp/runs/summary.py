"""What a person sees at the end: the table of metrics, the data card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cgexp.analysis.curves import NAME as CURVES
from cgexp.analysis.curves import read_curves
from cgexp.report.findings import in_words, not_converged
from cgexp.report.html_summary import left_out, no_markov_model
from cgexp.report.table import metrics_table
from cgexp.runs.folder import RunFolder
from cgexp.store import read_record


def print_table(folder: RunFolder) -> None:
    """Print the metrics of a run on one screen, or those of its training if it is not evaluated yet."""
    path = folder.metrics if folder.metrics.is_file() else folder.training_metrics
    if not path.is_file():
        return
    metrics = folder.read_metrics() if path == folder.metrics else read_record(path)
    units = folder.read_config()["dataset"]["units"]
    print(metrics_table(metrics, units=units))
    for sentence in [*in_words(metrics, units), *not_converged(metrics)]:
        print(sentence)
    if "w1_tica_resolution" in metrics:
        print("compared with an equilibrium ensemble, whose two runs are w1_tica_resolution apart: quote both")
    elif "w1_tica" in metrics:
        print("compared with the data at hand, which is not an equilibrium reference")
    if path == folder.metrics and folder.definition(CURVES).is_file():
        notes = read_curves(folder.path).notes
        for sentence in [*left_out(notes), *no_markov_model(metrics, notes)]:
            print(sentence)
    if folder.figures.is_dir():
        names = ", ".join(sorted(path.stem for path in folder.figures.glob("*.png")))
        print(f"figures ({names}): {folder.figures}")
    if folder.report.is_file():
        print(f"report: {folder.report}")


def print_card(card: Mapping[str, Any], place: str) -> None:
    """Print a data card. place: where the frames are."""
    width = max(len(name) for name in card)
    for name, value in card.items():
        if not isinstance(value, Mapping):
            print(f"{name:<{width}}  {value}")
    print(f"{'file':<{width}}  {place}")
