"""What a search has found: its trials as a table, the best of them, and the files that say so."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import stdev
from typing import TYPE_CHECKING, Any

from cgexp.config.compose import Config
from cgexp.config.overrides import quoted, without
from cgexp.config.space import Value
from cgexp.report.comparison_tables import text_of
from cgexp.report.html import Cell, Table
from cgexp.report.html_search import search_page
from cgexp.report.table import aligned
from cgexp.runs.provenance import code_version
from cgexp.store import write_bytes
from cgexp.studies.search.plots import plots_of
from cgexp.studies.search.settings import Settings

if TYPE_CHECKING:
    from cgexp.studies.search.book import Book

PAGE, TABLE = "search.html", "trials.csv"
MOST_ROWS, MOST_SENTENCES = 8, 5
STATES = {"COMPLETE": "done", "FAIL": "failed", "PRUNED": "pruned", "RUNNING": "running", "WAITING": "waiting"}


@dataclass(frozen=True)
class Trial:
    """One trial. state: one of STATES' values. value: the mean of ``values``, the objective on each seed.

    params: its values of the space. runs: ids, one a seed. broken: constraints that do not hold. epochs: trained.
    """

    number: int
    state: str
    value: float | None
    values: Sequence[float]
    params: Mapping[str, Value]
    runs: Sequence[str]
    sentence: str
    epochs: float
    broken: Sequence[str]

    @property
    def text(self) -> str:
        """The objective with its spread over seeds."""
        if self.value is None:
            return self.state
        return f"{self.value:.4g}" + (f" ± {stdev(self.values):.2g}" if len(self.values) > 1 else "")


@dataclass(frozen=True)
class Found:
    """All trials of a search, the best first, and sentences on them. best: None if no trial is done and allowed."""

    settings: Settings
    trials: Sequence[Trial]
    notes: Sequence[str]

    @property
    def best(self) -> Trial | None:
        first = self.trials[0] if self.trials else None
        return first if first is not None and first.state == "done" and not first.broken else None


def found_in(book: Book, default: Config | None = None) -> Found:
    """What a search has found so far. default: config of a run, which says how many epochs a whole training has."""
    trials = sorted((_trial(book, one) for one in book.trials), key=lambda one: _rank(one, book.settings.sign))
    notes = [] if default is None else list(_notes(trials, book.settings, default))
    return Found(book.settings, trials, notes)


def lines(found: Found) -> Iterator[str]:
    """The best trials as a table, and how many there are of each state."""
    done = [trial for trial in found.trials if trial.value is not None][:MOST_ROWS]
    if done:
        keys = list(done[0].params)
        rows = [("trial", found.settings.objective, *keys, "run")]
        for one in done:
            values = (text_of(one.params[key]) for key in keys)
            broken = f" breaks {', '.join(one.broken)}" if one.broken else ""
            rows.append((str(one.number), one.text, *values, ",".join(one.runs) + broken))
        yield from aligned(rows, "r" + "l" * (len(rows[0]) - 1))
    yield from found.notes


def command_of(trial: Trial, overrides: Sequence[str], seed: int) -> str:
    """The line that makes the run of a trial, or goes on with it."""
    words = [o for o in without(overrides, trial.params) if o not in ("logger=csv", "figures=none")]
    values = [f"{key}={quoted(value).strip(_quotes(value))}" for key, value in trial.params.items()]
    return shlex.join(["cgexp", "run", *words, *values, f"seed={seed}"])


def write_found(found: Found, book: Book, folder: Path, overrides: Sequence[str]) -> None:
    """Write trials.csv and search.html, with Optuna's own plots."""
    write_bytes(folder / TABLE, _csv(found).encode())
    notes = [*found.notes, *([f"The best: {_command(found, overrides)}"] if found.best else [])]
    title = f"{found.settings.name}: {len(found.trials)} trial{'' if len(found.trials) == 1 else 's'}"
    page = search_page(title, notes, _table(found), plots_of(book.study), code_version())
    write_bytes(folder / PAGE, page)


def _quotes(value: Value) -> str:
    """The quotes that a plain word needs not."""
    return "'" if isinstance(value, str) and value.isidentifier() else ""


def _command(found: Found, overrides: Sequence[str]) -> str:
    assert found.best is not None
    return command_of(found.best, overrides, found.settings.seeds[0])


def _trial(book: Book, one: Any) -> Trial:
    kept = one.user_attrs
    by_key = {dimension.key: dimension for dimension in book.space}
    return Trial(
        number=one.number,
        state=STATES[one.state.name],
        value=one.value if one.state.name == "COMPLETE" else None,
        values=[value for value in kept.get("values", ()) if value is not None],
        params={key: by_key[key].rounded(one.params[key]) for key in by_key if key in one.params},
        runs=kept.get("runs", ()),
        sentence=kept.get("sentence", ""),
        epochs=kept.get("epochs", 0.0),
        broken=[name for name, excess in one.constraints.items() if excess > 0.0],
    )


def _rank(trial: Trial, sign: float) -> tuple[bool, bool, float, int]:
    """Done and allowed before done, before all others; the best first."""
    value = trial.value
    return value is None, bool(trial.broken), 0.0 if value is None else sign * value, trial.number


def _notes(trials: Sequence[Trial], settings: Settings, default: Config) -> Iterator[str]:
    states = [trial.state for trial in trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in STATES.values() if state in states)
    broken = sum(bool(trial.broken) for trial in trials)
    beside = f"; {broken} of those done break a constraint" if broken else ""
    yield f"{len(trials)} trial{'' if len(trials) == 1 else 's'}: {counts}{beside}."
    failed = [trial for trial in trials if trial.state == "failed"]
    for trial in failed[:MOST_SENTENCES]:
        yield f"Trial {trial.number} failed: {trial.sentence}"
    if len(failed) > MOST_SENTENCES:
        yield f"{len(failed) - MOST_SENTENCES} more failed: {TABLE} says why."
    ended = [trial for trial in trials if trial.state in ("done", "pruned")]
    whole = len(ended) * len(settings.seeds) * default["trainer"]["max_epochs"]
    if "pruned" in states and not any(key == "trainer.max_epochs" for trial in ended for key in trial.params):
        saved = 1.0 - sum(trial.epochs for trial in ended) / whole
        yield f"Pruning saved {saved:.0%} of {whole} epochs."


def _csv(found: Found) -> str:
    keys = list(dict.fromkeys(key for trial in found.trials for key in trial.params))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["trial", "state", found.settings.objective, *keys, "epochs", "runs", "breaks", "sentence"])
    for one in sorted(found.trials, key=lambda trial: trial.number):
        value = "" if one.value is None else repr(one.value)
        params = [one.params.get(key, "") for key in keys]
        row = [one.number, one.state, value, *params, one.epochs]
        writer.writerow([*row, " ".join(one.runs), " ".join(one.broken), one.sentence])
    return text.getvalue()


def _table(found: Found) -> Table:
    keys = list(dict.fromkeys(key for trial in found.trials for key in trial.params))
    rows = []
    for one in found.trials:
        head = Cell(str(one.number), one.number, kind="number")
        value = Cell(one.text, one.value, kind="number" if one.value is not None else "")
        params = [_cell(one.params.get(key)) for key in keys]
        words = one.sentence or ("breaks " + ", ".join(one.broken) if one.broken else "")
        rows.append([head, value, *params, Cell(" ".join(one.runs), kind="code"), Cell(words, kind="words")])
    heads = ["trial", found.settings.objective, *keys, "runs", "what happened"]
    return Table("trials", "All trials, the best first", heads, rows, len(rows) > MOST_ROWS)


def _cell(value: Value) -> Cell:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Cell(text_of(value), float(value) if is_number else None, kind="number" if is_number else "")  # type: ignore[arg-type]
