"""cgexp compare: arms of runs beside each other, on the screen and with to=DIR in files; and the end of a multirun."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from cgexp.cli.words import Words, listed
from cgexp.studies.arms import Compared, compare_runs
from cgexp.studies.comparison import PAGE, numbers, write_comparison

KEYS = ("metrics", "baseline", "over", "to", "outputs")


def main(given: argparse.Namespace) -> int:
    """Compare the runs that are meant; return the exit code."""
    words = Words.read(given.words, KEYS)
    settings = words.settings
    metrics = listed(settings["metrics"], "metrics") if "metrics" in settings else None
    over = listed(settings["over"], "over") if "over" in settings else []
    found = compare_runs(words.some(), metrics, settings.get("baseline"), over)
    if given.json:
        print(json.dumps(numbers(found), indent=2, ensure_ascii=False))
    else:
        for line in lines(found):
            print(line)
    if "to" in settings:
        write_comparison(found, Path(settings["to"]))
        print(
            f"{Path(settings['to']) / PAGE}: the page; tables, figures and comparison.json are beside it",
            file=sys.stderr,
        )
    return 0


def lines(found: Compared, has_differences: bool = True) -> Iterator[str]:
    """The table of the arms, the differences to the baseline, and what there is to know about both."""
    from cgexp.report.comparison_tables import difference_table, screen_table

    yield screen_table(found.comparison, found.units)
    differences = difference_table(found.comparison, found.units) if has_differences else ""
    if differences:
        yield f"\nless {found.comparison.arms[found.comparison.baseline].label}:\n{differences}\n"
    yield from found.notes


def print_sweep(found: Iterable[Compared]) -> None:
    """The tables at a multirun's end: a row an arm; of each unit system one table."""
    for one in found:
        for line in lines(one, has_differences=False):
            print(line)
