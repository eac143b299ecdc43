"""Composes a config from the groups in conf/ with Hydra, into a plain dict. Only this room imports Hydra."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from itertools import product
from typing import TYPE_CHECKING, Any

from cgexp.config import schema
from cgexp.config.paths import conf_dir, group_options, groups, user_conf_dirs, with_absolute_paths
from cgexp.config.plugins import require_known_plugins
from cgexp.errors import InputError, did_you_mean, shown
from cgexp.parts.allowed import allow_parts, stated_parts

if TYPE_CHECKING:
    from omegaconf import DictConfig

Config = dict[str, Any]
CONFIG_NAME = "config"
ENVIRONMENT = "asks for"
LONGEST_KEY = 200  # letters
NO_FIRST_LINE = "the experiment file lacks its first line: begin it with '# @package _global_'"


def compose(overrides: Sequence[str]) -> Config:
    """Return the composed, resolved config of one job.

    ``overrides`` are Hydra's (``group=option``, ``group.key=value``, ``+``, ``++``, ``~``). Two keys are added:
    ``choices`` (group -> option) and ``overrides`` (as given). Raises InputError with one sentence.
    """
    with _sentences(overrides):
        node = _compose_node([*search_path(), *forgiving(overrides)])
        if node.hydra.job.chdir:
            raise InputError(
                "hydra.job.chdir=true would hide results in Hydra's own folders: leave it out, since "
                "outputs=<directory> says where they go"
            )
        require_known_plugins(node.hydra, overrides)
        return finish(node, dict(node.hydra.runtime.choices), overrides)


def compose_seeds(overrides: Sequence[str], seeds: Sequence[int]) -> list[Config]:
    """``compose([*overrides, seed=<seed>])`` for each seed, in little more time than one takes."""
    with _sentences(overrides):
        node = _compose_node([*search_path(), *forgiving([*overrides, f"seed={seeds[0]}"])])
        require_known_plugins(node.hydra, overrides)
        choices = dict(node.hydra.runtime.choices)
        configs = []
        for seed in seeds:
            copy = deepcopy(node)
            copy.seed = seed
            configs.append(finish(copy, choices, [*overrides, f"seed={seed}"]))
        return configs


def compose_on(recorded: Config, overrides: Sequence[str]) -> Config:
    """A run's recorded config with overrides laid on it: keys are set in it, options of groups are put in their places.

    Nothing else is composed again, so that it does not matter which options the present directory has. Raises
    InputError with one sentence, also for another experiment, which would be another run.
    """
    from omegaconf import OmegaConf

    with _sentences(overrides):
        own = {key: value for key, value in recorded.items() if key not in ("choices", "overrides", "parts")}
        _require_plain(own)
        choices, options, keys = dict(recorded["choices"]), [], []
        for override in _parsed(forgiving(overrides)):
            group = override.key_or_group
            if group not in groups():
                keys.append(override)
            elif group not in schema.groups() and override.value() != choices.get(group):
                raise InputError(
                    f"{override.input_line} is another experiment than that of run=<folder>: start a new run "
                    "without run=, or change options and keys of simulation and analysis"
                )
            elif group in schema.groups():
                options.append(override)
        composed = _compose_node([*search_path(), *(str(override.input_line) for override in options)])
        node = OmegaConf.create({key: composed[key] for key in schema.settings()} | own)
        for override in options:
            group = override.key_or_group
            choices[group] = composed.hydra.runtime.choices.get(group)
            node[group] = composed.get(group)
        for override in keys:
            if override.is_delete():
                _delete(node, override.key_or_group)
            else:
                OmegaConf.update(node, override.key_or_group, override.value(), merge=True, force_add=True)
        return finish(node, choices, [*trusted(recorded), *overrides])


def trusted(recorded: Config) -> list[str]:
    """The overrides that a run's folder records, but for what only a user may say: it may be somebody else's folder."""
    return [o for o in recorded["overrides"] if not is_of_hydra(o) and not o.lstrip("+~").startswith("parts=")]


def _require_plain(node: Any) -> None:
    """What was composed holds no interpolation any more; what somebody wrote into a file is not resolved."""
    for value in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        _require_plain(value)
    if isinstance(node, str) and "${" in node:
        raise InputError(f"the run's config.yaml holds the interpolation {shown(node)}: expected the value itself")


def _delete(node: Any, key: str) -> None:
    above, _, name = key.rpartition(".")
    from omegaconf import OmegaConf

    place = OmegaConf.select(node, above) if above else node
    if place is None or name not in place:
        raise InputError(f"~{key} takes away what the run's config does not have")
    del place[name]


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


@contextmanager
def _sentences(overrides: Sequence[str]) -> Iterator[None]:
    """Turn what Hydra, OmegaConf and YAML raise into InputError with one sentence."""
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from omegaconf.resolvers import oc
    from yaml import YAMLError

    OmegaConf.register_new_resolver("oc.env", _refuse_environment, replace=True)
    try:
        _require_short(overrides)
        yield
    except InputError:
        raise
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(_sentence(error, overrides)) from error
    except YAMLError as error:
        raise InputError(f"a config file is not valid YAML: {' '.join(str(error).split())}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"a config file in ./conf is not UTF-8 text ({error.reason}): save it as UTF-8") from error
    except (TypeError, ValueError) as error:  # Hydra's own, for a group set to something that is no option
        text = " ".join(str(error).split())
        raise InputError(f"cannot compose {shown(' '.join(overrides))}: {text}; choose group=<option>") from error
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)


def _require_short(overrides: Sequence[str]) -> None:
    """Hydra looks a key up among files, whose names have an end."""
    for override in overrides:
        if len(override.partition("=")[0]) > LONGEST_KEY:
            raise InputError(
                f"cannot read the override '{shown(override)}': its key has more than {LONGEST_KEY} letters"
            )


def _refuse_environment(key: str, *default: str) -> str:
    """In place of ``${oc.env:KEY}``: what is composed is written into files of the run."""
    raise InputError(f"{ENVIRONMENT} '{shown(key)}' of the environment, which would be written into files of the run")


def finish(node: DictConfig, choices: Mapping[str, str | None], overrides: Sequence[str]) -> Config:
    """Turn Hydra's node into the plain config that the rest of the package uses."""
    from omegaconf import OmegaConf, open_dict

    with open_dict(node):
        node.pop("hydra", None)
    config: Config = OmegaConf.to_container(node, resolve=True, throw_on_missing=False)  # type: ignore[assignment]
    for group in (name for name, group in schema.groups().items() if group.optional):
        config.setdefault(group, None)  # ~group
        # what an experiment or debug=fast sets of a group does not bring back one that is switched off
        if choices.get(group) == "none" and not any(o.lstrip("+").startswith(f"{group}.") for o in overrides):
            config[group] = None
    config |= {group: with_absolute_paths(config[group]) for group in schema.groups() if group in config}
    config["choices"] = {g: o for g, o in sorted(choices.items()) if "/" not in g and o is not None}
    config["overrides"] = [o for o in overrides if not is_of_hydra(o)]
    _allow(config.get("parts"), overrides)
    return config


def is_of_hydra(override: str) -> bool:
    """Whether an override is about Hydra itself."""
    return override.lstrip("+~").startswith("hydra")


def _allow(parts: Any, overrides: Sequence[str]) -> None:
    """Allow the packages of ``parts`` if the command line states them; a file's word counts for nothing."""
    if not isinstance(parts, list) or not parts:
        return  # what is no list, the check refuses
    if any(override.lstrip("+").startswith("parts=") for override in overrides):
        allow_parts(*map(str, parts))
    elif not set(map(str, parts)) <= set(stated_parts()):
        raise InputError(
            f"parts={shown(parts)} is set by a config file, which cannot allow itself to import anything: state it on "
            "the command line or in CGEXP_PARTS"
        )


def forgiving(overrides: Sequence[str]) -> list[str]:
    """Let ``group.key=value`` set any argument of an object, not only those its YAML mentions.

    Hydra would ask for a ``+`` and then take any key; here the config's check refuses unknown keys, with or without it.
    """
    return [f"++{o}" if re.match(r"(?!hydra\.)[A-Za-z_]\w*\.[^=]+=", o) else o for o in overrides]


def search_path() -> list[str]:
    """The override that lets Hydra find the user's own options."""
    own = ",".join(f"file://{folder}" for folder in user_conf_dirs())
    return [f"hydra.searchpath=[{own}]"] if own else []


def expand(overrides: Sequence[str]) -> list[list[str]]:
    """The jobs of a multirun: every combination of comma-separated values, as override lists."""
    values: dict[str, list[str]] = {}
    for override in _parsed(overrides):
        key = override.get_key_element()
        if not override.is_sweep_override():
            values[key] = [str(override.input_line)]
        elif override.is_discrete_sweep():
            values[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            raise InputError(f"{override.input_line} is a range without steps: list values, as in {key}=1,2,3")
    return [list(job) for job in product(*values.values())]


def without_globs(overrides: Sequence[str]) -> list[str]:
    """The overrides with ``group=glob(...)`` replaced by the options that it matches, the user's own among them."""
    return [_without_glob(o) if "glob(" in o else o for o in overrides]


def _without_glob(given: str) -> str:
    (override,) = _parsed([given])
    value, options = override.value(), group_options(override.key_or_group)
    if not hasattr(value, "filter"):  # a text that holds the letters
        return given
    names = value.filter(options)
    if not names:
        raise InputError(f"{given} matches no option: expected some of {', '.join(options)}")
    return f"{override.get_key_element()}={','.join(names)}"


def _parsed(overrides: Sequence[str]) -> list[Any]:
    """Hydra's reading of the overrides."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    _require_short(overrides)
    try:
        return list(OverridesParser.create().parse_overrides(overrides=list(overrides)))
    except HydraException as error:
        raise InputError(_sentence(error, overrides)) from error


def _compose_node(overrides: Sequence[str]) -> DictConfig:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="cgexp"):
        return hydra_compose(CONFIG_NAME, overrides=list(overrides), return_hydra_config=True)


def _sentence(error: Exception, overrides: Sequence[str]) -> str:
    """Hydra's several lines as one sentence that names the key, the mistake and the way out."""
    from hydra.errors import OverrideParseException

    text = str(error)
    if ENVIRONMENT in text:
        place = re.search(r"full_key: (\S+)", text)
        what = re.search(f"{ENVIRONMENT}.*", text)
        assert what is not None
        return f"{place.group(1) if place else 'a value'} {what.group()}: give the value itself"
    if match := re.search(r"Could not (?:find|load) '([^']+)/([^'/]+)'", text):
        group, option = match.groups()
        if group == "hydra/launcher":
            return f'launcher={option} is not installed: run pip install "cgexp[cluster]"'
        known = group_options(group)
        return f"unknown {group}={option}{did_you_mean(option, known)}: expected one of {', '.join(known)}"
    if match := re.search(r"Could not override '([^']+)'", text):
        if "@experiment." in match.group(1):  # an override in its defaults is then looked for below the file's own name
            return NO_FIRST_LINE
        known = sorted([*groups(), *schema.settings()])
        return (
            f"unknown key '{match.group(1)}'{did_you_mean(match.group(1), known)}: expected one of {', '.join(known)}"
        )
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
