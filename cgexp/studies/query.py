"""Which runs are meant: conditions such as ``model.n_blocks=2 and w1_tica<0.5``, and the keys they may name."""

from __future__ import annotations

import glob
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgexp.errors import InputError, did_you_mean, shown
from cgexp.runs.folder import is_run
from cgexp.studies.catalogue import STATES, Entry, catalogue, entry_of, in_folder

COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
OWN = ("experiment", "id", "seed", "state")
CONDITION = re.compile(r"\s*([A-Za-z_][\w./]*)\s*(<=|>=|!=|==|=|<|>)\s*('[^']*'|\"[^\"]*\"|\[[^\]]*\]|[^\s'\"]+)\s*")
AND = re.compile(r"and(?=\s)", re.IGNORECASE)
EXPECTED = "expected conditions like 'model.n_blocks=2 and w1_tica<0.5'"
Value = float | str | bool | None


@dataclass(frozen=True)
class Condition:
    """``key`` compared with ``value``. sign: one of COMPARE."""

    key: str
    sign: str
    value: Value

    def holds(self, found: Value) -> bool:
        """Whether a run that has ``found`` under the key is meant; one that has nothing is, where null is asked for."""
        if self.sign in ("=", "!="):
            equal = (
                found is self.value if None in (found, self.value) else _comparable(found) == _comparable(self.value)
            )
            return equal == (self.sign == "=")
        if isinstance(found, bool) or not isinstance(found, int | float):
            return False
        return COMPARE[self.sign](float(found), self.value)


def conditions(text: str) -> list[Condition]:
    """Read ``key sign value and key sign value ...``; signs are = != < <= > >=, a text may stand in quotes.

    Raises InputError if it cannot be read.
    """
    found, place = [], 0
    while True:
        match = CONDITION.match(text, place)
        if match is None:
            raise InputError(f"cannot read where={shown(text)} from '{shown(text[place:], 20)}' on: {EXPECTED}")
        key, sign, value = match.groups()
        found.append(_condition(key, "=" if sign == "==" else sign, plain(value)))
        place = match.end()
        if place == len(text):
            return found
        joint = AND.match(text, place)
        if joint is None:
            raise InputError(
                f"cannot read where={shown(text)} from '{shown(text[place:], 20)}' on: conditions are joined by 'and'"
            )
        place = joint.end()


def _condition(key: str, sign: str, value: Value) -> Condition:
    if sign not in ("=", "!=") and (isinstance(value, str | bool) or value is None):
        raise InputError(f"where={key}{sign}{value} compares the size of no number: use = or !=, or give a number")
    if key == "state" and value not in STATES:
        raise InputError(f"state={value} is not valid{did_you_mean(str(value), STATES)}: expected {', '.join(STATES)}")
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

    places: folders of runs or above runs, and ids of runs in ``outputs``. Raises InputError for a place without runs,
    or a key that no run has.
    """
    if not places:
        return select(catalogue(outputs), where)
    found: dict[Path, Entry] = {}
    for place in places:
        for entry in _at(outputs, place):
            found.setdefault(entry.path.resolve(), entry)
    return select(list(found.values()), where)


def _at(outputs: Path, place: str) -> list[Entry]:
    path = Path(place)
    if path.is_dir():
        entries = in_folder(path)
    else:
        ids = [found for found in outputs.glob(f"*/{glob.escape(path.name)}") if path.name == place]
        entries = [entry_of(found) for found in ids if is_run(found)]
    if not entries:
        raise InputError(f"{shown(place)} is no run, no folder with runs, and no id of a run in {outputs}")
    return entries


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _rank(value: Any) -> tuple[bool, float, str]:
    is_number = isinstance(value, int | float)
    return (not is_number, float(value) if is_number else 0.0, str(value))


def _comparable(value: Value) -> Value:
    """2 and 2.0 are one; True is no number."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
