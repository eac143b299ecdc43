"""What a study keeps of its runs, from which it can be resumed on any machine.

rounds.csv: a row for each arm, seed and round of its active learning. runs.csv: a row for each arm and seed of its
other runs.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from cgexp.active.round import Round
from cgexp.active.rounds import rounds_of
from cgexp.config.compose import Config
from cgexp.config.identity import digest, run_id
from cgexp.errors import InputError
from cgexp.runs.folder import RunFolder
from cgexp.runs.load import Run
from cgexp.runs.lock import lock
from cgexp.store import write_bytes
from cgexp.studies.study import Study

NAME, OF_RUNS = "rounds.csv", "runs.csv"
IDS = ("arm", "seed", "study")  # study: hash of the run's physics
KEYS = (*IDS, "rounds", "round")  # rounds: how many the run has
METRIC = "metrics."
DIGITS = 7

# arm, seed, and hash of the physics of the run and of those it needs
Key = tuple[str, int, str]


class Elsewhere(InputError):
    """What is asked for is in the folder of a run that only a table knows."""


@dataclass(frozen=True)
class KeptRun(Run):
    """A run that only a table knows, while its folder is on another machine.

    composed: its config. rounds: all of them; none if it is no active learning. final: its metrics.
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
        """Of active learning those of the last round's model, and what the rounds cost."""
        return dict(self.final)

    @property
    def made_by(self) -> None:  # type: ignore[override]
        """Not known."""


class _Table:
    """A file of rows by arm and seed: read whole, and written whole under a lock, as runs side by side add to it."""

    names: tuple[str, ...] = IDS  # of the first columns, by which rows are ordered

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def _put(self, key: Key, new: Sequence[Mapping[str, str]]) -> None:
        """Put the rows of a run into the table, in the place of older ones of that arm and seed."""
        arm, seed, study = key
        with lock(self.path.parent, wait=True):
            rows = [row for row in self._rows() if (row["arm"], row["seed"]) != (arm, str(seed))]
            rows += [{"arm": arm, "seed": str(seed), "study": study, **row} for row in new]
            rows.sort(key=lambda row: (row["arm"], int(row["seed"]), int(row.get("round", 0))))
            names = [*self.names, *sorted({name for row in rows for name in row} - set(self.names))]
            text = io.StringIO()
            writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
            write_bytes(self.path, text.getvalue().encode())

    def _rows(self) -> list[dict[str, str]]:
        if not self.path.is_file():
            return []
        return list(csv.DictReader(io.StringIO(self.path.read_text(encoding="utf-8"))))

    def _damaged(self, what: str, error: Exception) -> InputError:
        return InputError(f"{self.path} is no table of {what} ({error}): restore it, or delete it")


class RoundTable(_Table):
    """rounds.csv."""

    names = KEYS

    def add(self, key: Key, rounds: Sequence[Round]) -> None:
        """Put the rounds of a run into the table."""
        if rounds:
            self._put(key, [{"rounds": str(len(rounds))} | _row(of_round) for of_round in rounds])

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
                raise self._damaged("rounds", error) from error
        return {key: rounds for key, rounds in by_run.items() if len(rounds) == total[key]}


class RunTable(_Table):
    """runs.csv."""

    def add(self, key: Key, metrics: Mapping[str, float]) -> None:
        """Put the metrics of a run into the table."""
        self._put(key, [_cells(metrics)])

    def finished(self) -> dict[Key, dict[str, float]]:
        """The metrics of all runs. Raises InputError if the file is no such table."""
        try:
            return {(row["arm"], int(row["seed"]), row["study"]): _metrics(row) for row in self._rows()}
        except (KeyError, ValueError, TypeError) as error:
            raise self._damaged("runs", error) from error


@dataclass(frozen=True)
class Kept:
    """What the tables know of a run: its metrics, and of active learning its rounds."""

    metrics: Mapping[str, float]
    rounds: Sequence[Round] = ()


def kept_runs(study: Study, keys: Mapping[str, Sequence[Key]]) -> dict[Key, Kept]:
    """The finished runs of the study's tables, of those with ``keys``. Raises InputError if it has no table."""
    from cgexp.runs.active import final_metrics

    rounds, runs = study.folder / NAME, study.folder / OF_RUNS
    if not rounds.is_file() and not runs.is_file():
        raise InputError(f"there is nothing to resume from: {runs} is missing; leave out --resume")
    found = {key: Kept(metrics) for key, metrics in RunTable(runs).finished().items()}
    for key, of_run in RoundTable(rounds).finished().items():
        found[key] = Kept(final_metrics(of_run), of_run)
    now = {key for of_arm in keys.values() for key in of_arm}
    return {key: one for key, one in found.items() if key in now}


def keep(tables: Path, key: Key, folder: RunFolder, verb: str) -> None:
    """Add a finished run to its table in the folder ``tables``."""
    if verb == "active":
        RoundTable(tables / NAME).add(key, rounds_of(folder.path))
    else:
        RunTable(tables / OF_RUNS).add(key, folder.read_metrics())


def keys_of(study: Study, overrides: Sequence[str]) -> dict[str, list[Key]]:
    """The key of every run of every arm, in their order; overrides: beyond the study.

    It holds the physics of the run and of those it needs, and no folder, so that it is the same on any machine. Where
    an arm has several runs of a seed, as for folds, they are numbered: ``<arm> [0]``.
    """
    ids: dict[str, dict[int, str]] = {}
    keys: dict[str, list[Key]] = {}
    for arm in (arm for level in study.levels() for arm in level):
        configs = arm.configs(overrides)  # the names of other arms stand for their folders
        of_runs = []
        for config in configs:
            needed = [one for name in arm.sources for one in arm.needed(name, ids[name], config["seed"])]
            of_runs.append((config["seed"], digest([run_id(config), *needed])))
        ids[arm.name] = dict(of_runs)
        seeds = [seed for seed, _ in of_runs]
        numbers = [seeds[:i].count(seed) for i, seed in enumerate(seeds)]
        several = len(ids[arm.name]) < len(of_runs)
        keys[arm.name] = [
            (f"{arm.name} [{number}]" if several else arm.name, seed, of_run)
            for (seed, of_run), number in zip(of_runs, numbers, strict=True)
        ]
    return keys


def _row(of_round: Round) -> dict[str, str]:
    """The cells of a round; ``rejected`` is JSON."""
    content = of_round.to_json()
    metrics = content.pop("metrics")
    return {name: _text(value) for name, value in content.items()} | _cells(metrics)


def _cells(metrics: Mapping[str, float]) -> dict[str, str]:
    return {METRIC + name: _text(float(value)) for name, value in metrics.items()}


def _metrics(row: Mapping[str, str]) -> dict[str, float]:
    """The inverse of ``_cells``."""
    return {name.removeprefix(METRIC): float(text) for name, text in row.items() if name.startswith(METRIC) and text}


def _text(value: str | float | Mapping[str, str] | None) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return json.dumps(value)
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


def _round(row: Mapping[str, str]) -> Round:
    """The inverse of ``_row``. Raises KeyError or ValueError if a cell is missing or no value of its field."""
    content: dict[str, object] = {name: READ[hint](row[name]) for name, hint in CELLS.items()}
    return Round.from_json({**content, "metrics": _metrics(row)})


# how the cell of a field is read, by the field's annotation
READ: Mapping[str, Callable[[str], object]] = {
    "int": int,
    "float": float,
    "str": str,
    "str | None": lambda text: text or None,
    "Mapping[str, str]": json.loads,
}
CELLS = {field.name: str(field.type) for field in fields(Round) if field.name != "metrics"}
