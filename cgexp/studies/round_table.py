"""rounds.csv of a study: a row for each arm, seed and round of its active learning, from which it can be resumed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgexp.active.loop import Record
from cgexp.config.identity import digest, run_id
from cgexp.errors import InputError
from cgexp.runs.load import Run
from cgexp.runs.lock import lock
from cgexp.store import write_bytes
from cgexp.studies.study import Study

NAME = "rounds.csv"
KEYS = ("arm", "seed", "study", "rounds", "round")  # study: hash of the run's physics; rounds: how many the run has
METRIC = "metrics."
DIGITS = 7

# arm, seed, and hash of the physics of the run and of those it needs
Key = tuple[str, int, str]


@dataclass(frozen=True)
class KeptRun(Run):
    """A run that only the table knows: config, metrics and rounds, while its folder is on another machine."""

    known: Mapping[str, Any]

    @property
    def config(self) -> dict[str, Any]:  # type: ignore[override]
        """The composed config."""
        return dict(self.known["config"])

    @property
    def metrics(self) -> dict[str, float]:  # type: ignore[override]
        """Those of the last round's model, and what the rounds cost."""
        return dict(self.known["metrics"])

    @property
    def made_by(self) -> None:  # type: ignore[override]
        """Not known."""

    @property
    def records(self) -> list[Record]:
        """The record of each round."""
        return list(self.known["records"])


class RoundTable:
    """The file: read whole, and written whole under a lock, so that runs side by side may add to it."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def add(self, key: Key, records: Sequence[Record]) -> None:
        """Put the rounds of a run into the table, in the place of older ones of that arm and seed."""
        if not records:
            return
        arm, seed, study = key
        new = [
            {"arm": arm, "seed": str(seed), "study": study, "rounds": str(len(records))} | _flat(record)
            for record in records
        ]
        with lock(self.path.parent, wait=True):
            rows = [row for row in self._rows() if (row["arm"], row["seed"]) != (arm, str(seed))] + new
            rows.sort(key=lambda row: (row["arm"], int(row["seed"]), int(row["round"])))
            names = [*KEYS, *sorted({name for row in rows for name in row} - set(KEYS))]
            text = io.StringIO()
            writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            write_bytes(self.path, text.getvalue().encode())

    def finished(self) -> dict[Key, list[Record]]:
        """The records of all runs of which every round is there. Raises InputError if the file is no such table."""
        found: dict[Key, list[Record]] = {}
        total: dict[Key, int] = {}
        for row in self._rows():
            try:
                key = row["arm"], int(row["seed"]), row["study"]
                total[key] = int(row["rounds"])
                found.setdefault(key, []).append(_record(row))
            except (KeyError, ValueError, TypeError) as error:
                raise InputError(f"{self.path} is no table of rounds ({error}): restore it, or delete it") from error
        return {key: records for key, records in found.items() if len(records) == total[key]}

    def _rows(self) -> list[dict[str, str]]:
        if not self.path.is_file():
            return []
        return list(csv.DictReader(io.StringIO(self.path.read_text(encoding="utf-8"))))


def keys_of(study: Study, overrides: Sequence[str]) -> dict[str, list[Key | None]]:
    """The key of every run of every arm, in their order; overrides: beyond the study.

    It holds the physics of the run and of those it needs, and no folder, so that it is the same on any machine. None
    for runs that the table does not hold: those of another verb, or of several values for one seed.
    """
    ids: dict[str, dict[int, str]] = {}
    keys: dict[str, list[Key | None]] = {}
    for arm in (one for level in study.levels() for one in level):
        configs = arm.configs(overrides)  # the names of other arms stand for their folders
        found = []
        for config in configs:
            needed = [_of_seed(ids[name], config["seed"]) for name in arm.sources]
            found.append((config["seed"], digest([run_id(config), *needed])))
        ids[arm.name] = dict(found)
        alone = arm.verb == "active" and len(ids[arm.name]) == len(found)
        keys[arm.name] = [(arm.name, seed, one) if alone else None for seed, one in found]
    return keys


def _of_seed(ids: dict[int, str], seed: int) -> str:
    """That of the seed; of one run that serves all seeds, its own."""
    return ids[seed] if seed in ids else next(iter(ids.values()))


def _flat(record: Record) -> dict[str, str]:
    numbers = {name: value for name, value in record.items() if name != "metrics"}
    numbers |= {METRIC + name: value for name, value in record["metrics"].items()}
    return {name: _text(value) for name, value in numbers.items()}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


def _record(row: Mapping[str, str]) -> Record:
    record: dict[str, Any] = {"metrics": {}}
    for name, text in row.items():
        if name in KEYS[:-1]:
            continue
        if name.startswith(METRIC):
            if text:
                record["metrics"][name.removeprefix(METRIC)] = float(text)
        else:
            record[name] = _value(text)
    return record


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text or None
