"""The jobs that a command line asks for: one, or those of a multirun, whose values a config file may list, too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from cgexp.config.compose import Config, compose, compose_node, finish
from cgexp.config.overrides import parsed, require_of_a_file
from cgexp.config.paths import group_options
from cgexp.config.plugins import is_basic
from cgexp.errors import InputError, shown

MOST_JOBS = 10_000
PARAMS = "hydra.sweeper.params"


@dataclass(frozen=True)
class Jobs:
    """configs: of the jobs. Where a sweeper of the user's chooses them (``is_chosen``), the one that it starts from.

    first: the overrides of one job, those of Hydra itself among them.
    """

    configs: list[Config]
    first: list[str]
    is_multirun: bool = False
    is_chosen: bool = False


def jobs_of(overrides: Sequence[str], multirun: bool = False) -> Jobs:
    """The jobs of a command line: of all combinations of values if ``multirun``, or where hydra.mode says so.

    Values that a config file lists under hydra.sweeper.params count where the command line sets none. Raises InputError
    if several values are given for one run, or too many for a multirun.
    """
    _require_few(overrides)
    first = _first(overrides)
    node, choices = compose_node(first)
    params = _params(node, overrides)
    if not (multirun or (node.hydra.mode is not None and node.hydra.mode.name == "MULTIRUN")):
        several = [o for o in overrides if o not in first]
        if several or params:
            what = shown(several[0]) if several else f"{PARAMS} of a config file ({shown(', '.join(params))})"
            raise InputError(f"{what} gives several values: add -m to run them all")
        return Jobs([finish(node, choices, overrides)], first)
    if not is_basic(node.hydra.sweeper):
        return Jobs([finish(node, choices, first)], first, True, True)
    return Jobs([compose(job) for job in expand([*params, *overrides])], first, True)


def expand(overrides: Sequence[str]) -> list[list[str]]:
    """Every combination of values, each as a list of overrides; a value that is given twice counts once.

    Raises InputError for a range without steps, and for more than MOST_JOBS combinations.
    """
    of_key = {override.get_key_element(): override for override in parsed(overrides)}
    for key, override in of_key.items():
        if override.is_sweep_override() and not override.is_discrete_sweep():
            raise InputError(f"{override.input_line} is a range without steps: list values, as in {key}=1,2,3")
    _require_few(overrides)
    return [list(job) for job in product(*(dict.fromkeys(_values(override)) for override in of_key.values()))]


def without_globs(overrides: Sequence[str]) -> list[str]:
    """The overrides with ``group=glob(...)`` replaced by the options that it matches, the user's own among them."""
    return [_without_glob(o) if "glob(" in o else o for o in overrides]


def _without_glob(given: str) -> str:
    (override,) = parsed([given])
    value, options = override.value(), group_options(override.key_or_group)
    if not hasattr(value, "filter"):  # a text that holds the letters
        return given
    names = value.filter(options)
    if not names:
        raise InputError(f"{given} matches no option: expected some of {', '.join(options)}")
    return f"{override.get_key_element()}={','.join(names)}"


def _first(overrides: Sequence[str]) -> list[str]:
    """The overrides with the first of several values each, or the middle of an interval."""
    found = []
    for override in parsed(overrides):
        if not override.is_sweep_override():
            found.append(str(override.input_line))
        elif override.is_discrete_sweep():
            found.append(next(iter(_values(override))))
        else:
            ends = override.value()
            found.append(f"{override.get_key_element()}={(ends.start + ends.end) / 2}")
    return found


def _require_few(overrides: Sequence[str]) -> None:
    """Before any value of a long range is made."""
    number = math.prod({o.get_key_element(): _length(o) for o in parsed(overrides)}.values())
    if number > MOST_JOBS:
        raise InputError(
            f"{shown(' '.join(overrides))} asks for {number:,} jobs, and a multirun has at most {MOST_JOBS:,}: give "
            "fewer values, or run it in parts"
        )


def _values(override: Any) -> Any:
    """What an override says, value by value."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    return (f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator())


def _length(override: Any) -> int:
    """How many values an override gives; those of a long range are not made."""
    if not override.is_discrete_sweep():
        return 1
    value = override.value()
    if hasattr(value, "list"):
        return len(value.list)
    steps = (value.stop - value.start) / value.step if value.step else -1.0
    if not steps > 0:
        raise InputError(f"{override.input_line} has no value in it: expected range(start,stop,step)")
    return math.ceil(min(steps, 1e18))


def _params(node: Any, overrides: Sequence[str]) -> list[str]:
    """The values that a config file lists for the sweeper, as overrides, but for what the command line sets."""
    from omegaconf import OmegaConf

    settings: Any = OmegaConf.to_container(
        node.hydra.sweeper, resolve=False
    )  # values are resolved, or not, as overrides
    listed = settings.get("params") or {}
    said = {override.get_key_element() for override in parsed(overrides)}
    found = without_globs([f"{key}={value}" for key, value in listed.items()])
    require_of_a_file(found, f"{PARAMS} of a config file")
    return [o for o, override in zip(found, parsed(found), strict=True) if override.get_key_element() not in said]
