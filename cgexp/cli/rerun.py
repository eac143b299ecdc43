"""cgexp rerun: make a finished run again and say whether its numbers are equal to the last digit."""

from __future__ import annotations

import argparse
from pathlib import Path

from cgexp.cli.diff import show
from cgexp.cli.words import Words
from cgexp.errors import InputError

KEYS = ("to", "run", "outputs")
AGAIN = "reruns"  # folder in outputs of runs made again


def main(given: argparse.Namespace) -> int:
    """Make the run again and compare; return the exit code: 1 if a number differs."""
    words = Words.read(given.words, KEYS)
    places = [*words.places, *([words.settings["run"]] if "run" in words.settings else [])]
    if len(places) != 1 or words.where:
        raise InputError("rerun takes one run: give its folder or id, as in cgexp rerun outputs/toy/<id> [to=DIR]")
    from cgexp.studies.catalogue import entry_of
    from cgexp.studies.difference import differences_of
    from cgexp.studies.query import the_one
    from cgexp.studies.rerun import changed_numbers, rerun

    outputs = Path(words.settings.get("outputs", "outputs"))
    first = the_one(outputs, places[0])
    again = rerun(first.path, Path(words.settings["to"]) if "to" in words.settings else outputs / AGAIN / first.id)
    found = changed_numbers(first.path, again)
    if not found:
        print(f"{again}: metrics, training, weights and trajectory are equal to the last digit")
        return 0
    for one in found:
        size = "" if one.size is None else f" (by {one.size:.3g}{' at most' if isinstance(one.first, tuple) else ''})"
        print(f"{one.name}: {one.first} -> {one.second}{size}")
    print(f"{again}: {len(found)} numbers or arrays are not equal to the last digit; what else differs:")
    second = entry_of(again)
    show(first, second, differences_of(first, second))
    return 1
