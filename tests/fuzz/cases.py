"""Bad configs: every key of a composed config, each with values that do not belong there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from cgexp.config.compose import Config, compose
from cgexp.config.paths import group_options, groups
from cgexp.errors import InputError

# where options are tried, the first that an option fits; together they have a key of nearly every class
BASES = (
    ("experiment=toy_cgnet",),
    ("experiment=chignolin_first",),
    ("experiment=active_toy",),
    ("experiment=chignolin_first", "simulation=peptide_tempering", "oracle=openmm_release", "acquisition=rank_sum"),
    ("dataset=toy_julia_plane", "analysis=plane", "model.n_dims=2"),
)
KeyPath = tuple[str, ...]
ABSENT = object()  # a key that is taken away
HUGE = (1e300, -1e300, 1e25, 1e-300, 2**31, 2**63, 10**30, -1, 0)


@dataclass(frozen=True)
class Case:
    """A config with one key changed. nonsense: no config may have this value there."""

    base: tuple[str, ...]
    path: KeyPath
    value: Any
    nonsense: bool

    def __str__(self) -> str:
        value = "<absent>" if self.value is ABSENT else repr(self.value)
        return f"{' '.join(self.base)} | {'.'.join(self.path)}={value if len(value) < 60 else value[:57] + '...'}"

    def apply(self, config: Config) -> Config:
        """A copy of the base's config with the key changed."""
        changed = deepcopy(config)
        node = changed
        for name in self.path[:-1]:
            node = node[name]
        if self.value is ABSENT:
            del node[self.path[-1]]
        else:
            node[self.path[-1]] = deepcopy(self.value)
        return changed


def bad_values(value: Any) -> Iterator[tuple[Any, bool]]:
    """Values to put where ``value`` stands, each with whether it is nonsense there, whatever the key means."""
    if isinstance(value, bool):
        yield from ((bad, True) for bad in ("maybe", 3, 0.5, [True], {"a": 1}, ""))
        yield None, False
    elif isinstance(value, int | float):
        yield from ((bad, True) for bad in (True, [[1], 2], {"a": 1}, math.nan, math.inf, -math.inf, ""))
        yield from ((bad, False) for bad in ("nonsense", [1, 2], None, *HUGE, 1.5))
    elif isinstance(value, str):
        yield from ((bad, True) for bad in (5, 1.5, True, [1, 2], {"a": 1}))
        yield from ((bad, False) for bad in ("", "nonsense", "../../x", "a" * 10000, "\0", "å ∂", None))
    elif isinstance(value, list):
        yield from ((bad, True) for bad in ("nonsense", True, {"a": 1}))
        yield from ((bad, False) for bad in (5, [], [None], ["a", "b"], [math.nan, 1], [[1], [2]], [1] * 1000, None))
    elif isinstance(value, dict):
        yield from ((bad, True) for bad in ("nonsense", 5, True, [1, 2]))
        if "_target_" in value:
            targets = ("os.system", "cgexp.nothing.Nothing", "cgexp.store.write_frames", "torch.load", "", 5, None)
            yield from (({**value, "_target_": target}, True) for target in targets)
            yield {**value, "nonsense": 1}, True
            yield {"nonsense": 1}, True
            yield {}, True
            yield None, False
    else:
        yield from ((bad, False) for bad in (True, 5, "nonsense", {"a": 1}, [[1], 2], math.nan, *HUGE))


def keys(node: Any, above: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every key of nested mappings, and what it holds."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield (*above, name), value
            yield from keys(value, (*above, name))


def owner(config: Config, path: KeyPath) -> tuple[str, KeyPath]:
    """The class that takes a key, and the key's path from there: the same for all configs that have both."""
    node: Any = config
    target, since = "", 0
    for depth, name in enumerate(path[:-1]):
        node = node[name]
        if isinstance(node, dict) and "_target_" in node:
            target, since = str(node["_target_"]), depth + 1
    return target, path[since:]


def cases(bases: Iterator[tuple[tuple[str, ...], Config]]) -> Iterator[Case]:
    """All cases of the bases' keys; a key that several have is taken from the first."""
    seen: set[tuple[str, KeyPath]] = set()
    for base, config in bases:
        for path, value in keys({k: v for k, v in config.items() if k not in ("choices", "overrides")}):
            if path in (("run",), ("outputs",)) or (key := owner(config, path)) in seen:
                continue
            seen.add(key)
            if path[-1] != "_target_":
                yield from (Case(base, path, bad, nonsense) for bad, nonsense in bad_values(value))
                yield Case(base, path, ABSENT, False)
                if len(path) > 1 and key[0] and len(key[1]) == 1:
                    yield Case(base, (*path[:-1], path[-1] + "x"), value, True)
    yield from (Case(BASES[0], (name,), 1, True) for name in ("seedx", "kernelx", "figuresx", "forcex", "modelx"))


def some_bases() -> Iterator[tuple[tuple[str, ...], Config]]:
    """The configs of BASES."""
    for base in BASES:
        yield base, compose(base)


def all_bases() -> Iterator[tuple[tuple[str, ...], Config]]:
    """These, and every option in the first of them that it fits."""
    from cgexp.config.checks import check

    yield from some_bases()
    for group in groups():
        if "/" not in group and group not in ("launcher", "debug"):
            for option in group_options(group):
                for base in BASES:
                    overrides = (*base, f"{group}={option}") if group != "experiment" else (f"experiment={option}",)
                    try:
                        config = compose(overrides)
                        check(config)
                    except InputError:
                        continue
                    yield overrides, config
                    break
