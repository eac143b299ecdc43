"""What a config holds: groups, each with the kind of its part, and settings; read from runs/experiment.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args

from cgexp.parts.ranges import FilledIn
from cgexp.parts.signatures import read_signature
from cgexp.parts.values import kinds, mismatch

SCHEMA = "cgexp.runs.experiment.Parts"


@dataclass(frozen=True)
class Group:
    """A config group: the kinds of its part, arguments that exist only at run time, and whether it may be none."""

    kinds: tuple[str, ...]
    filled_in: tuple[str, ...]
    optional: bool


@lru_cache(maxsize=None)
def _schema() -> tuple[Mapping[str, Group], Mapping[str, Any]]:
    signature = read_signature(SCHEMA)
    assert signature is not None
    groups: dict[str, Group] = {}
    settings: dict[str, Any] = {}
    for name, hint in signature.parameters.items():
        if kinds(hint):
            filled = [item.names for item in get_args(hint) if isinstance(item, FilledIn)]
            wanted = tuple(kind.dotted for kind in kinds(hint))
            groups[name] = Group(wanted, filled[0] if filled else (), mismatch(hint, None) is None)
        else:
            settings[name] = hint
    return groups, settings


def groups() -> Mapping[str, Group]:
    """The groups whose options are parts, by name."""
    return _schema()[0]


def settings() -> Mapping[str, Any]:
    """The settings beside the groups: name -> annotation."""
    return _schema()[1]
