"""cgexp diff: what differs between two runs, in settings, data, code, libraries, hardware and metrics."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from cgexp.cli.words import Words
from cgexp.errors import InputError
from cgexp.studies.catalogue import Entry
from cgexp.studies.difference import SUBJECTS, Differing, differences_of
from cgexp.studies.query import the_one

KEYS = ("outputs",)


def main(given: argparse.Namespace) -> int:
    """Print what differs; return the exit code."""
    words = Words.read(given.words, KEYS)
    if len(words.places) != 2 or words.where:
        raise InputError("diff takes two runs: give two folders or ids; `latest` is the one that was changed last")
    outputs = Path(words.settings.get("outputs", "outputs"))
    first, second = (the_one(outputs, place) for place in words.places)
    found = differences_of(first, second)
    if given.json:
        print(json.dumps([vars(one) for one in found], indent=2, ensure_ascii=False))
    else:
        show(first, second, found)
    return 0


def show(first: Entry, second: Entry, found: list[Differing]) -> None:
    """Print what was found, by subject."""
    from cgexp.report.table import aligned

    print(f"{first.path} -> {second.path}")
    if not found:
        print("nothing differs: settings, data, code, libraries, hardware and metrics are the same")
    for subject, words in SUBJECTS.items():
        rows = [(f"  {one.name}", one.first, "->", one.second) for one in found if one.subject == subject]
        if rows:
            print(f"{words}:")
            print("\n".join(aligned(rows, "llll")))
