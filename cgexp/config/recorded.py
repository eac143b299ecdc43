"""Recorded configs: YAML that may come from somebody else, read within limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cgexp.errors import InputError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, ten times as fast, where it is there
DEEPEST = 200  # nodes inside each other; libyaml's loader overflows the stack at some thousands, and Python dies


def parse_recorded(text: str, path: Path) -> Any:
    """The content of a run's config.yaml. Raises InputError if it is no YAML, or nested too deeply to be a config."""
    try:
        if _may_be_deep(text) and _depth(text) > DEEPEST:
            raise InputError(f"{path} is nested more than {DEEPEST} deep, as no config is: restore it or run again")
        return yaml.load(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: restore it or run again") from error


def _may_be_deep(text: str) -> bool:
    """Whether the exact depth, which takes as long as reading, is worth finding: a node takes a bracket, a dash, a
    question mark, or a column of indentation."""
    lines = text.splitlines()
    indented = max((len(line) - len(line.lstrip()) for line in lines), default=0)
    compact = max((line.count("- ") + line.count("? ") for line in lines), default=0)
    return text.count("[") + text.count("{") + indented + compact > DEEPEST


def _depth(text: str) -> int:
    """The depth of nesting, by events, which take no stack; no more than DEEPEST + 1."""
    depth = deepest = 0
    for event in yaml.parse(text, Loader=LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        deepest = max(deepest, depth)
        if deepest > DEEPEST:
            break
    return deepest
