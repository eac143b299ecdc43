"""cgexp runs: the runs in an outputs folder as a table or as JSON, and ``cgexp runs remove``."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cgexp.cli.words import Words, listed
from cgexp.errors import InputError, shown
from cgexp.studies.catalogue import Entry, in_bytes, in_time, remove, shared_overrides, size_of
from cgexp.studies.query import Keys, ordered

KEYS = ("sort", "columns", "outputs")
DIFFERS = "differs"  # a column that is no key
DATA = "data"
MOST_METRICS = 4


def main(given: argparse.Namespace) -> int:
    """List or remove; return the exit code."""
    is_removal = given.words[:1] == ["remove"]
    words = Words.read(given.words[1:] if is_removal else given.words, KEYS)
    if is_removal:
        return _remove(words, given.yes)
    if given.yes:
        raise InputError("--yes is for cgexp runs remove: leave it out")
    entries = words.entries()
    if "sort" in words.settings:
        entries = ordered(entries, words.settings["sort"])
    if given.json:
        print(json.dumps([described(entry) for entry in entries], indent=2, ensure_ascii=False))
        return 0
    outputs = Path(words.settings.get("outputs", "outputs"))
    columns = listed(words.settings["columns"], "columns") if "columns" in words.settings else None
    for line in lines(entries, columns):
        print(line)
    print(_total(entries, outputs))
    for sentence in () if entries else words.unmet():
        print(sentence)
    return 0


def described(entry: Entry) -> dict[str, Any]:
    """All that is known of a run, as JSON takes it; a number that is not finite is null."""
    return {
        "experiment": entry.experiment,
        "id": entry.id,
        "path": str(entry.path),
        "state": entry.state,
        "sentence": entry.sentence or None,
        "seed": entry.seed,
        "differs": entry.differs,
        "changed": entry.changed,
        "bytes": entry.size,
        "metrics": {name: value if math.isfinite(value) else None for name, value in entry.metrics.items()},
    }


def lines(entries: Sequence[Entry], columns: Sequence[str] | None) -> Iterator[str]:
    """The table, what all runs share, and a sentence for each run that has one. columns: in place of the usual ones."""
    from cgexp.report.table import aligned

    if not entries:
        return
    shared = shared_overrides(entries)
    names = _columns(entries) if columns is None else _known(entries, columns)
    rows = [("experiment", "id", *names)]
    rows += [(entry.experiment, entry.id, *(_cell(entry, name, shared) for name in names)) for entry in entries]
    yield from aligned(rows, "l" * len(rows[0]))
    if shared and DIFFERS in names:
        yield f"all with {' '.join(shared)}"
    for entry in entries:
        if entry.sentence:
            yield f"{entry.id} {entry.state}: {entry.sentence}"


def _columns(entries: Sequence[Entry]) -> list[str]:
    from cgexp.report.table import HEADLINES

    found = [name for name in HEADLINES if any(name in entry.metrics for entry in entries)]
    return ["state", "age", "size", "seed", DIFFERS, *found[:MOST_METRICS]]


def _known(entries: Sequence[Entry], columns: Sequence[str]) -> list[str]:
    """The columns by their full names. Raises InputError for one that is nothing."""
    keys = Keys(entries)
    return [name if name == DIFFERS else keys.full(name) for name in columns if name not in ("experiment", "id")]


def _cell(entry: Entry, name: str, shared: Sequence[str]) -> str:
    if name == "age":
        return in_time(entry.age)
    if name == "size":
        return in_bytes(entry.size)
    if name == DIFFERS:
        return " ".join(shown(o, 40) for o in entry.differs if o not in shared)
    value = Keys([entry]).value(entry, name)
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _total(entries: Sequence[Entry], outputs: Path) -> str:
    """How many runs in which state, and the disk that they and the data sets beside them take."""
    states = [entry.state for entry in entries]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    text = f"{len(entries)} run{'' if len(entries) == 1 else 's'}{f' ({counts})' if counts else ''}"
    data = size_of(outputs / DATA)
    beside = f"; data sets in {outputs / DATA}: {in_bytes(data)}" if data else ""
    return f"{text}, {in_bytes(sum(entry.size for entry in entries))} on disk{beside}"


def _remove(words: Words, yes: bool) -> int:
    """Remove the runs that are named, after asking."""
    if not words.places and not words.where:
        raise InputError("say which runs to remove: folders, ids, or conditions like state=failed")
    entries = words.entries()
    if not entries:
        print("; ".join(["there is no such run: nothing was removed", *words.unmet()]))
        return 0
    for line in lines(entries, None):
        print(line)
    size = in_bytes(sum(entry.size for entry in entries))
    number = f"{len(entries)} run{'' if len(entries) == 1 else 's'}"
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(f"would remove {number} ({size}): add --yes where there is nobody to ask")
        if input(f"remove {number} ({size})? [y/N] ").strip().lower() not in ("y", "yes"):
            print("nothing was removed")
            return 1
    remove(entries)
    print(f"removed {number} ({size})")
    return 0
