"""rounds.csv of a study: a row for each arm, seed and round of its active learning, from which it can be resumed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from cgexp.active.round import Round
from cgexp.config.compose import Config
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
    """A run that only the table knows, while its folder is on another machine.

    composed: its config. rounds: all of them. final: metrics of the last round's model, and what the rounds cost.
    """

    composed: Config
    rounds: Sequence[Round]
    final: Mapping[str, float]

    @property
    def config(self) -> Config:  # type: ignore[override]
        """The composed config."""
        return dict(self.composed)

    @property
    def metrics(self) -> dict[str, float]:  # type: ignore[override]
        """Those of the last round's model, and what the rounds cost."""
        return dict(self.final)

    @property
    def made_by(self) -> None:  # type: ignore[override]
        """Not known."""


class RoundTable:
    """The file: read whole, and written whole under a lock, so that runs side by side may add to it."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def add(self, key: Key, rounds: Sequence[Round]) -> None:
        """Put the rounds of a run into the table, in the place of older ones of that arm and seed."""
        if not rounds:
            return
        arm, seed, study = key
        new = [
            {"arm": arm, "seed": str(seed), "study": study, "rounds": str(len(rounds))} | _row(of_round)
            for of_round in rounds
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

    def finished(self) -> dict[Key, list[Round]]:
        """The rounds of all runs of which every one is there. Raises InputError if the file is no such table."""
        by_run: dict[Key, list[Round]] = {}
        total: dict[Key, int] = {}
        for row in self._rows():
            try:
                key = row["arm"], int(row["seed"]), row["study"]
                total[key] = int(row["rounds"])
                by_run.setdefault(key, []).append(_round(row))
            except (KeyError, ValueError, TypeError) as error:
                raise InputError(f"{self.path} is no table of rounds ({error}): restore it, or delete it") from error
        return {key: rounds for key, rounds in by_run.items() if len(rounds) == total[key]}

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
    for arm in (arm for level in study.levels() for arm in level):
        configs = arm.configs(overrides)  # the names of other arms stand for their folders
        of_runs = []
        for config in configs:
            needed = [one for name in arm.sources for one in arm.needed(name, ids[name], config["seed"])]
            of_runs.append((config["seed"], digest([run_id(config), *needed])))
        ids[arm.name] = dict(of_runs)
        alone = arm.verb == "active" and len(ids[arm.name]) == len(of_runs)
        keys[arm.name] = [(arm.name, seed, of_run) if alone else None for seed, of_run in of_runs]
    return keys


def _row(of_round: Round) -> dict[str, str]:
    """The cells of a round; ``rejected`` is JSON."""
    content = of_round.to_json()
    metrics = {METRIC + name: value for name, value in content.pop("metrics").items()}
    return {name: _text(value) for name, value in {**content, **metrics}.items()}


def _text(value: str | float | Mapping[str, str] | None) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return json.dumps(value)
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


def _round(row: Mapping[str, str]) -> Round:
    """The inverse of ``_row``. Raises KeyError or ValueError if a cell is missing or no value of its field."""
    content: dict[str, object] = {name: READ[hint](row[name]) for name, hint in CELLS.items()}
    texts = {name.removeprefix(METRIC): text for name, text in row.items() if name.startswith(METRIC) and text}
    return Round.from_json({**content, "metrics": {name: float(text) for name, text in texts.items()}})


# how the cell of a field is read, by the field's annotation
READ: Mapping[str, Callable[[str], object]] = {
    "int": int,
    "float": float,
    "str": str,
    "str | None": lambda text: text or None,
    "Mapping[str, str]": json.loads,
}
CELLS = {field.name: str(field.type) for field in fields(Round) if field.name != "metrics"}
