"""Hydra's overrides, such as ``group.key=value``: read, written, and what is wrong with them in a sentence."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

from cgexp.config import schema
from cgexp.config.paths import group_options, groups
from cgexp.errors import InputError, did_you_mean, shown

ENVIRONMENT = "asks for"
LONGEST_KEY = 200  # letters
LAUNCHER = "hydra/launcher"  # the group of what extra packages bring
ONLY_SAID = ("parts", "executor", "launcher", "hydra")  # which code runs, and where: for a command line alone to say
SERVER = "logger.tracking_uri"  # where results are sent: likewise
PLACE = "outputs"  # where runs and data are written: likewise, but for folders of the working directory
NO_FIRST_LINE = "the experiment file lacks its first line: begin it with '# @package _global_'"


def as_overrides(values: Mapping[str, Any]) -> list[str]:
    """Dotted keys and plain values as overrides, which Hydra reads back as they are."""
    return [f"{key}={quoted(value)}" for key, value in values.items()]


def quoted(value: Any) -> str:
    """A plain value as the text that Hydra reads as this value."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{quoted(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(quoted, value)) + "]"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def quiet(overrides: Sequence[str]) -> list[str]:
    """The overrides of one of many runs: without W&B and figures of its own, unless they say otherwise."""
    defaults = {"logger": "logger=csv", "figures": "figures=none"}
    return [*(o for name, o in defaults.items() if not any(one.startswith(name) for one in overrides)), *overrides]


def without(overrides: Sequence[str], keys: Container[str]) -> list[str]:
    """The overrides but for those that set one of the keys."""
    return [o for o in overrides if o.lstrip("+").partition("=")[0] not in keys]


def require_short(overrides: Sequence[str]) -> None:
    """Hydra looks a key up among files, whose names have an end."""
    for override in overrides:
        if len(override.partition("=")[0]) > LONGEST_KEY:
            raise InputError(
                f"cannot read the override '{shown(override)}': its key has more than {LONGEST_KEY} letters"
            )


def require_of_a_file(overrides: Sequence[str], place: str) -> None:
    """Raise InputError if an override that a file holds, at ``place``, is one that only a command line may give."""
    for override in overrides:
        if (key := re.split(r"[./@=]", override.lstrip("+~ "))[0].strip()) in ONLY_SAID:
            raise InputError(
                f"{place} sets {key}, which no file may: it says which code runs, or where; give it on the command line"
            )
        if key == PLACE:
            raise InputError(
                f"{place} sets {PLACE}, which no list of runs may: it says where they are written; give it on the "
                "command line"
            )
        if key == "logger" and SERVER.partition(".")[2] in override:  # also of a logger that is written out
            raise InputError(
                f"{place} sets {SERVER}, which no file may: results would be sent there; give it on the command line"
            )


def is_of_hydra(override: str) -> bool:
    """Whether an override is about Hydra itself."""
    return override.lstrip("+~").startswith("hydra")


def for_hydra(overrides: Sequence[str]) -> tuple[list[str], list[Any]]:
    """The overrides that Hydra takes, and those to be laid on what it has composed.

    The latter are parts that are written out, ``group={_target_: ...}``, and what is said of their keys. ``group=null``
    chooses the option none of a group that may be none. Raises InputError where no part can be left out.
    """
    read = parsed(forgiving(overrides))
    written = {o.key_or_group for o in read if o.key_or_group in schema.groups() and isinstance(o.value(), dict)}
    given: list[str] = []
    later: list[Any] = []
    for override in read:
        group, _, key = override.key_or_group.partition(".")
        if group in written and (key or isinstance(override.value(), dict)):
            later.append(override)
        elif group in schema.groups() and not key and not override.is_delete() and override.value() is None:
            given.append(_switched_off(group))
        else:
            given.append(str(override.input_line))
    return given, later


def _switched_off(group: str) -> str:
    if not schema.groups()[group].optional:
        raise InputError(f"{group}=null is not valid: expected {group}=<one of {', '.join(group_options(group))}>")
    return f"{group}=none"


def forgiving(overrides: Sequence[str]) -> list[str]:
    """Let ``group.key=value`` set any argument of an object, not only those its YAML mentions, and no ``+`` matter.

    Hydra would ask for a ``+`` and then take any key; here the config's check refuses unknown keys, with or without it.
    """
    return [_without_plus(override) for override in overrides]


def _without_plus(override: str) -> str:
    plain = override.lstrip("+")
    if re.match(r"(?!hydra\.)[A-Za-z_]\w*\.[^=]+=", plain):
        return f"++{plain}"
    return plain if plain.partition("=")[0] in (*groups(), *schema.settings()) else override


def parsed(overrides: Sequence[str]) -> list[Any]:
    """Hydra's reading of the overrides."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    require_short(overrides)
    try:
        return list(OverridesParser.create().parse_overrides(overrides=list(overrides)))
    except HydraException as error:
        raise InputError(sentence(error, overrides)) from error


def sentence(error: Exception, overrides: Sequence[str]) -> str:
    """Hydra's several lines as one sentence that names the key, the mistake and the way out."""
    from hydra.errors import OverrideParseException

    text = str(error)
    if ENVIRONMENT in text:
        place = re.search(r"full_key: (\S+)", text)
        what = re.search(f"{ENVIRONMENT}.*", text)
        assert what is not None
        return f"{place.group(1) if place else 'a value'} {what.group()}: give the value itself"
    if match := re.search(r"Could not (?:find|load) '([^']+)'", text):
        return _unknown_option(match.group(1))
    if match := re.search(r"Could not override '([^']+)'", text):
        if "@experiment." in match.group(1):  # an override in its defaults is then looked for below the file's own name
            return NO_FIRST_LINE
        key, known = match.group(1), sorted([*groups(), *schema.settings()])
        if key in known:
            return f"{key} cannot be set to what was given: expected {key}=<{'option' if key in groups() else 'value'}>"
        return f"unknown key '{shown(key)}'{did_you_mean(key, known)}: expected one of {', '.join(known)}"
    if match := re.search(r"Missing mandatory value: ([\w.]+)", text):
        return f"{match.group(1)} is missing a value: set {match.group(1)}=<value>"
    if match := re.search(r"Interpolation key '([^']+)' not found", text):
        place = re.search(r"full_key: (\S+)", text)
        return f"{place.group(1) if place else 'a value'} refers to '{match.group(1)}', which does not exist"
    if isinstance(error, OverrideParseException):
        given = str(error.override).lstrip("+")
        return f"cannot read the override '{given}': expected key=value with balanced brackets and quotes"
    if "sweep" in text and "multirun" in text.lower():
        return f"several values were given for one key: add -m to run them all ({text.splitlines()[0]})"
    return " ".join(text.split()).replace("++", "")


def _unknown_option(path: str) -> str:
    """The sentence for an option that no folder has, ``group/option`` or an option of no group at all."""
    group = max((name for name in (*groups(), LAUNCHER) if path.startswith(f"{name}/")), key=len, default=None)
    if group is None:
        return f"no folder of options has {shown(path)}: name an option of {', '.join(groups())}"
    option = path.removeprefix(f"{group}/")
    if group == LAUNCHER:
        return f'launcher={option} is not installed: run pip install "cgexp[cluster]"'
    known = group_options(group)
    return f"unknown {group}={shown(option)}{did_you_mean(option, known)}: expected one of {', '.join(known)}"
