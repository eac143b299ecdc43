"""The space of a search: keys of a config with the values that they may take, read from ``conf/search/<name>.yaml``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgexp.config.checks import check
from cgexp.config.compose import Config, compose
from cgexp.config.identity import run_id
from cgexp.config.overrides import as_overrides, require_of_a_file
from cgexp.config.paths import conf_dirs, group_options
from cgexp.errors import InputError, did_you_mean, shown

GROUP = "search"
INT, FLOAT, CHOOSE, LOG, STEP = "int", "float", "choose", "log", "step"
EXPECTED = (
    "expected {int: [from, to]}, {float: [from, to]} (with log: true or step: <size> if wanted) or {choose: [...]}"
)
DIGITS = 4  # of a number that a search chooses, so that a command line can be read
Value = int | float | str | bool | None


@dataclass(frozen=True)
class Dimension:
    """One key of a config and the values that it may take: ``values``, or numbers from ``low`` to ``high``.

    is_whole: whole numbers only. log: spread evenly in the logarithm. step: between neighbouring numbers; None: any.
    """

    key: str
    values: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    is_whole: bool = False
    log: bool = False
    step: float | None = None

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values at which a mistake would show: both ends of a range, or all that can be chosen."""
        return self.values or (self.rounded(self.low), self.rounded(self.high))

    def holds(self, value: Any) -> bool:
        """Whether a value of a config lies in the space; ends of ranges do."""
        if self.values:
            return any(type(value) is type(one) and value == one for one in self.values)
        if isinstance(value, bool) or not isinstance(value, int if self.is_whole else int | float):
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return bool(self.low <= value <= self.high) and math.isclose(steps, round(steps), abs_tol=1e-9)

    def rounded(self, value: Any) -> Value:
        """The value as it is written into a config: a number of the range with four digits."""
        if self.values:
            return value  # type: ignore[no-any-return]
        if self.is_whole:
            return int(value)
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)


def read_space(name: str) -> list[Dimension]:
    """The dimensions of ``conf/search/<name>.yaml``, or of the file of that path.

    Raises InputError if there is none, or it is none.
    """
    path = _file(name)
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid YAML: {shown(error, 200)}") from error
    if not isinstance(content, Mapping) or not content:
        raise InputError(
            f"{path} holds no space: expected keys of a config, each with {EXPECTED.removeprefix('expected ')}"
        )
    return [_dimension(str(key), node, path) for key, node in content.items()]


def values_in(config: Config, space: Sequence[Dimension]) -> dict[str, Value] | None:
    """The values that a config has of the space's keys; None where it has one that lies outside."""
    found: dict[str, Value] = {}
    for one in space:
        node: Any = config
        for name in one.key.split("."):
            node = node.get(name) if isinstance(node, Mapping) else None
        value = config["choices"].get(one.key) if isinstance(node, Mapping) else node
        if not one.holds(value):
            return None
        found[one.key] = value
    return found


def as_content(space: Sequence[Dimension]) -> dict[str, Any]:
    """A space as plain values, by which two of them are compared."""
    return {
        one.key: list(one.values) if one.values else [one.low, one.high, one.is_whole, one.log, one.step]
        for one in space
    }


def check_space(space: Sequence[Dimension], overrides: Sequence[str]) -> None:
    """Check the configs at the corners of a space: each key at each of its ends, and all at their first and last.

    overrides: of every run. Raises InputError with the first mistake, also for a key that changes no run's id.
    """
    for one in space:
        require_of_a_file([f"{one.key}="], f"the space's key {one.key}")
        if one.key in ("seed", "outputs", "run", "force"):
            raise InputError(f"{one.key} is nothing to search over: leave it out of the space")
    first = {one.key: one.ends[0] for one in space}
    own = run_id(_checked(overrides, first))
    _checked(overrides, {one.key: one.ends[-1] for one in space})
    for one in space:
        ids = {own, *(run_id(_checked(overrides, {**first, one.key: value})) for value in one.ends[1:])}
        if len(ids) < len(one.ends):
            raise InputError(
                f"the space's {one.key} does not change what a run finds, at {' and '.join(map(str, one.ends[:2]))} it "
                "is the same run: leave it out of the space"
            )


def _checked(overrides: Sequence[str], values: Mapping[str, Value]) -> Config:
    try:
        config = compose([*overrides, *as_overrides(values)])
        check(config)
    except InputError as error:
        told = " ".join(f"{key}={value}" for key, value in values.items())
        raise InputError(f"the space allows {told}, of which {error}") from error
    return config


def _file(name: str) -> Path:
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise InputError(f"space={name} is no file: give one, or the name of an option of conf/{GROUP}")
        return Path(name)
    for folder in conf_dirs():
        if (path := folder / GROUP / f"{name}.yaml").is_file():
            return path
    known = group_options(GROUP)
    raise InputError(f"unknown space={shown(name)}{did_you_mean(name, known)}: expected one of {', '.join(known)}")


def _dimension(key: str, node: Any, path: Path) -> Dimension:
    def wrong(what: str) -> InputError:
        return InputError(f"{path}: {key}: {what}")

    kinds = [kind for kind in (INT, FLOAT, CHOOSE) if isinstance(node, Mapping) and kind in node]
    if len(kinds) != 1 or set(node) - {*kinds, LOG, STEP}:
        raise wrong(f"{shown(node)} is no range: {EXPECTED}")
    values = node[kinds[0]]
    if not isinstance(values, list) or len(values) < 2:
        raise wrong(f"{shown(node)} leaves no choice: {EXPECTED}")
    if kinds == [CHOOSE]:
        if set(node) != {CHOOSE} or not all(isinstance(v, int | float | str | bool | None) for v in values):
            raise wrong(f"{shown(node)} is no list of plain values: {EXPECTED}")
        if len({(type(value), value) for value in values}) < len(values):
            raise wrong(f"{shown(node)} names a value twice: name it once")
        return Dimension(key, tuple(values))
    return _range(key, node, kinds[0], wrong)


def _range(key: str, node: Mapping[str, Any], kind: str, wrong: Any) -> Dimension:
    ends, log, step = node[kind], node.get(LOG, False), node.get(STEP)
    allowed = int if kind == INT else int | float
    numbers = [*ends, *([] if step is None else [step])]
    if len(ends) != 2 or not all(isinstance(n, allowed) and not isinstance(n, bool) for n in numbers):
        raise wrong(f"{shown(node)} is no range of {'whole numbers' if kind == INT else 'numbers'}: {EXPECTED}")
    low, high = ends
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise wrong(f"{shown(ends)} is no range: expected two numbers, the smaller first")
    if not isinstance(log, bool) or (log and (low <= 0 or step is not None)):
        raise wrong("log: true needs a range above 0 without step")
    if step is not None and not 0 < step <= high - low:
        raise wrong(f"step: {step} does not fit into {shown(ends)}")
    return Dimension(key, (), low, high, kind == INT, log, step)
