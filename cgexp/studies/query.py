"""Which runs are meant: conditions such as ``model.n_blocks=2 and w1_tica<0.5``, and the keys they may name."""

from __future__ import annotations

import glob
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from cgexp.errors import InputError, did_you_mean, shown
from cgexp.runs.folder import is_run, newest
from cgexp.runs.sweeps import is_sweep, record_folder, runs_of, sweeps_in
from cgexp.studies.catalogue import STATES, Entry, catalogue, entry_of, in_folder

COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
OWN = ("experiment", "id", "seed", "state", "age", "size")
LATEST = "latest"
MOST_VALUES = 6  # told of a key, where a condition holds of no run
CONDITION = re.compile(r"\s*([A-Za-z_][\w./]*)\s*(<=|>=|!=|==|=|<|>)\s*('[^']*'|\"[^\"]*\"|\[[^\]]*\]|[^\s'\"]+)\s*")
AND = re.compile(r"and(?=\s)", re.IGNORECASE)
EXPECTED = "expected conditions like 'model.n_blocks=2 and w1_tica<0.5'"
Value = float | str | bool | None
LIST = re.compile(r"[^\s'\"\[,]+(?:,[^\s'\"\[,]+)+")  # values of which one is meant


@dataclass(frozen=True)
class Condition:
    """``key`` compared with ``value``, or with any of several. sign: one of COMPARE; = or != with several."""

    key: str
    sign: str
    value: Value | tuple[Value, ...]

    @property
    def text(self) -> str:
        """As a person writes it."""
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        return f"{self.key}{self.sign}{','.join('null' if value is None else _text(value) for value in values)}"

    def holds(self, found: Any) -> bool:
        """Whether a run that has ``found`` under the key is meant; one that has nothing is, where null is asked for."""
        if self.sign in ("=", "!="):
            values = self.value if isinstance(self.value, tuple) else (self.value,)
            return any(_is(found, value) for value in values) == (self.sign == "=")
        if isinstance(found, bool) or not isinstance(found, int | float):
            return False
        return COMPARE[self.sign](float(found), self.value)


def conditions(text: str) -> list[Condition]:
    """Read ``key sign value and key sign value ...``; signs are = != < <= > >=, a text may stand in quotes.

    ``key=a,b`` holds where the value is one of several, ``key!=a,b`` where it is none of them. Raises InputError if it
    cannot be read.
    """
    found, place = [], 0
    while True:
        match = CONDITION.match(text, place)
        if match is None:
            raise InputError(f"cannot read where={shown(text)} from '{shown(text[place:], 20)}' on: {EXPECTED}")
        key, sign, value = match.groups()
        found.append(_condition(key, "=" if sign == "==" else sign, _listed(value)))
        place = match.end()
        if place == len(text):
            return found
        joint = AND.match(text, place)
        if joint is None:
            raise InputError(
                f"cannot read where={shown(text)} from '{shown(text[place:], 20)}' on: conditions are joined by 'and'"
            )
        place = joint.end()


def _listed(text: str) -> Value | tuple[Value, ...]:
    return tuple(map(plain, text.split(","))) if LIST.fullmatch(text) else plain(text)


def _condition(key: str, sign: str, value: Value | tuple[Value, ...]) -> Condition:
    if sign not in ("=", "!=") and (isinstance(value, str | bool | tuple) or value is None):
        told = Condition(key, sign, value).text
        raise InputError(f"where={told} compares the size of no number: use = or !=, or give a number")
    for one in value if isinstance(value, tuple) else (value,):
        if key == "state" and one not in STATES:
            raise InputError(f"state={one} is not valid{did_you_mean(str(one), STATES)}: expected {', '.join(STATES)}")
    return Condition(key, sign, value)


def plain(text: str) -> Value:
    """The value that a text stands for: a number, true, false, null, or the text, without its quotes."""
    if text[:1] in ("'", '"'):
        return text[1:-1]
    words: dict[str, Value] = {"true": True, "false": False, "null": None, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return float(text)
    except ValueError:
        return text


class Keys:
    """The keys that some runs have: their own (OWN), metrics, and keys of their configs, in full or by their ending."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.metrics = dict.fromkeys(name for entry in entries for name in entry.metrics)
        self.settings = dict.fromkeys(key for entry in entries for key in entry.settings)

    def full(self, key: str) -> str:
        """The key that is meant. Raises InputError if no run has it, or several keys end like that."""
        if key in OWN or key in self.metrics or key in self.settings:
            return key
        ending = [known for known in self.settings if known.endswith(f".{key}")]
        if len(ending) == 1:
            return ending[0]
        if ending:
            raise InputError(f"'{key}' is the end of several keys: write {shown(' or '.join(sorted(ending)), 200)}")
        known = [*OWN, *self.metrics, *self.settings, *(setting.rpartition(".")[2] for setting in self.settings)]
        raise InputError(
            f"no run here has a key or metric '{shown(key)}'{did_you_mean(key, known)}: expected a key of the config "
            f"such as model.n_blocks, a metric, or {', '.join(OWN)}"
        )

    def value(self, entry: Entry, key: str) -> Any:
        """What a run has under a full key; None if nothing."""
        if key in OWN:
            return getattr(entry, key)
        return entry.metrics[key] if key in entry.metrics else entry.settings.get(key)


def select(entries: Sequence[Entry], where: Iterable[Condition]) -> list[Entry]:
    """The runs of which all conditions hold. Raises InputError for a key that no run has."""
    if not entries:
        return []
    keys = Keys(entries)
    tests = [(keys.full(condition.key), condition) for condition in where]
    return [entry for entry in entries if all(test.holds(keys.value(entry, key)) for key, test in tests)]


def ordered(entries: Sequence[Entry], key: str) -> list[Entry]:
    """The runs by the value of a key, or of ``-key`` from the largest on; those without it come last."""
    if not entries:
        return []
    keys, descending = Keys(entries), key.startswith("-")
    name = keys.full(key.removeprefix("-"))
    values = {entry.path: keys.value(entry, name) for entry in entries}
    known = [entry for entry in entries if not _is_nothing(values[entry.path])]
    by_size = sorted(known, key=lambda entry: _rank(values[entry.path]), reverse=descending)
    return [*by_size, *(entry for entry in entries if _is_nothing(values[entry.path]))]


def chosen(outputs: Path, places: Sequence[str], where: Iterable[Condition]) -> list[Entry]:
    """The runs in ``outputs``, or those that ``places`` name, of which all conditions hold.

    places: folders of runs or above runs, sweeps by name or folder, and ids of runs in ``outputs``; LATEST is the one
    changed last. Raises InputError for a place without runs, or a key that no run has.
    """
    if not places:
        return select(catalogue(outputs), where)
    found: dict[Path, Entry] = {}
    for place in places:
        for entry in _at(outputs, place):
            found.setdefault(entry.path.resolve(), entry)
    return select(list(found.values()), where)


def the_one(outputs: Path, place: str) -> Entry:
    """The run that a place is, as of ``chosen``. Raises InputError if there are none or several."""
    entries = chosen(outputs, [place], [])
    if len(entries) != 1:
        raise InputError(f"{shown(place)} holds {len(entries)} runs: give the folder or id of one")
    return entries[0]


def _at(outputs: Path, place: str) -> list[Entry]:
    path = Path(place)
    sweep = path if is_sweep(path) else record_folder(outputs, place)
    if place == LATEST:
        found = [newest(outputs)]
    elif is_sweep(sweep):
        found = runs_of(sweep)
    elif path.is_dir() and place:
        return in_folder(path) or _nothing_at(outputs, place)
    else:
        found = [one for one in outputs.glob(f"*/{glob.escape(path.name)}") if path.name == place]
    return [entry_of(one) for one in found if is_run(one)] or _nothing_at(outputs, place)


def _nothing_at(outputs: Path, place: str) -> NoReturn:
    known = [*sweeps_in(outputs), *(path.name for path in outputs.glob("*/*") if is_run(path))]
    raise InputError(
        f"'{shown(place)}' is no run, no folder with runs, no sweep and no id of a run in "
        f"{outputs}{did_you_mean(place, known)}"
    )


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _rank(value: Any) -> tuple[bool, float, str]:
    is_number = isinstance(value, int | float)
    return (not is_number, float(value) if is_number else 0.0, str(value))


def _is(found: Any, value: Value) -> bool:
    """Whether a run's value is the one that was asked for: 2 and 2.0 are one; True is no number; null is nothing.

    A text, as an id of figures alone or an option called none, is read as the one that was asked for was; a list is a
    text of JSON.
    """
    if isinstance(found, str):
        is_list = found.startswith("[") and isinstance(value, str) and value.startswith("[")
        return value in (found, plain(found)) or (is_list and _read(found) == _read(str(value)))
    return found is value if isinstance(found, bool) or isinstance(value, bool) else found == value


def _read(text: str) -> Any:
    """A list that was written out; the text where it cannot be read."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def unmet(entries: Sequence[Entry], where: Iterable[Condition]) -> list[str]:
    """A sentence for each condition that holds of none of the runs: which values there are."""
    keys, sentences = Keys(entries), []
    for condition in where:
        key = keys.full(condition.key)
        values = [keys.value(entry, key) for entry in entries]
        if entries and not any(map(condition.holds, values)):
            sentences.append(f"no run has {shown(condition.text)}: {key} is {_told(values)}")
    return sentences


def _told(values: Sequence[Any]) -> str:
    """Several values in words: the range of many numbers, else the first few."""
    known = sorted({str(value): value for value in values if not _is_nothing(value)}.values(), key=_rank)
    if not known:
        return "null in all"
    if len(known) > MOST_VALUES and all(isinstance(value, int | float) for value in known):
        return f"from {_text(known[0])} to {_text(known[-1])}"
    more = ", ..." if len(known) > MOST_VALUES else ""
    return ", ".join(shown(_text(value), 40) for value in known[:MOST_VALUES]) + more


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
