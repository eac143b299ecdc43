"""Composes a config from the groups in conf/ with Hydra, into a plain dict. Only this folder imports Hydra."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cgexp.config import schema
from cgexp.config.composed import composed, of_file
from cgexp.config.open_facts import fill_in
from cgexp.config.overrides import (
    ENVIRONMENT,
    PLACE,
    SERVER,
    for_hydra,
    forgiving,
    is_of_hydra,
    parsed,
    require_short,
    sentence,
)
from cgexp.config.paths import groups, user_conf_dirs, with_absolute_paths
from cgexp.config.plugins import require_known_plugins
from cgexp.config.replaced import without_strays
from cgexp.errors import InputError, shown
from cgexp.parts.allowed import allow_parts, stated_parts

if TYPE_CHECKING:
    from omegaconf import DictConfig

Config = dict[str, Any]
EXECUTOR = ("executor=", "executor.")
log = logging.getLogger(__name__)


def compose(overrides: Sequence[str]) -> Config:
    """Return the composed, resolved config of one job.

    ``overrides`` are Hydra's (``group=option``, ``group.key=value``, ``+``, ``++``, ``~``). Two keys are added:
    ``choices`` (group -> option) and ``overrides`` (as given). Raises InputError with one sentence.
    """
    node, choices = compose_node(overrides)
    return finish(node, choices, overrides)


def compose_seeds(overrides: Sequence[str], seeds: Sequence[int]) -> list[Config]:
    """``compose([*overrides, seed=<seed>])`` for each seed, in little more time than one takes."""
    node, choices = compose_node([*overrides, f"seed={seeds[0]}"])
    configs = []
    for seed in seeds:
        copy = deepcopy(node)
        copy.seed = seed
        configs.append(finish(copy, choices, [*overrides, f"seed={seed}"]))
    return configs


def compose_node(overrides: Sequence[str]) -> tuple[DictConfig, dict[str, str | None]]:
    """What Hydra composes for ``finish``, with its own settings under ``hydra``, and the choices: group -> option.

    Raises InputError with one sentence.
    """
    from omegaconf.listconfig import ListConfig

    with _sentences(overrides):
        given, written = for_hydra(overrides)
        node = composed([*search_path(), *given])
        if node.hydra.job.chdir:
            raise InputError(
                "hydra.job.chdir=true would hide results in Hydra's own folders: leave it out, since "
                "outputs=<directory> says where they go"
            )
        if isinstance(node.parts, ListConfig):
            _allow(list(node.parts), overrides)
        require_known_plugins(node.hydra, overrides)
        choices = dict(node.hydra.runtime.choices)
        _forget_strays(node, overrides)
        _require_own_workers(node, choices, overrides)
        _require_own_server(node, choices, overrides)
        _require_own_place(node, overrides)
        _lay_on(node, choices, written)
        return node, choices


def compose_on(recorded: Config, overrides: Sequence[str]) -> Config:
    """A run's recorded config with overrides laid on it: keys are set in it, options of groups are put in their places.

    Nothing else is composed again, so that it does not matter which options the present directory has. Raises
    InputError with one sentence, also for another experiment, which would be another run.
    """
    from omegaconf import OmegaConf

    with _sentences(overrides):
        own = {
            key: value for key, value in recorded.items() if key not in ("choices", "overrides", "parts", "executor")
        }
        _require_plain(own)
        choices, options, keys = dict(recorded["choices"]), [], []
        for override in parsed(forgiving(overrides)):
            group = override.key_or_group
            if group not in groups() or isinstance(override.value(), dict):
                keys.append(override)
            elif group not in schema.groups() and override.value() != choices.get(group):
                raise InputError(
                    f"{override.input_line} is another experiment than that of run=<folder>: start a new run "
                    "without run=, or change options and keys of simulation and analysis"
                )
            elif group in schema.groups():
                options.append(override)
        alone = _options(options)
        node = OmegaConf.create({key: alone[key] for key in schema.settings()} | own)
        for override in options:
            group = override.key_or_group
            choices[group] = alone.hydra.runtime.choices.get(group)
            node[group] = alone.get(group)
        _lay_on(node, choices, keys)
        _require_own_server(node, choices, overrides)
        return finish(node, choices, [*trusted(recorded), *overrides])


def _options(chosen: Sequence[Any]) -> DictConfig:
    """What options of groups, given as overrides, say by themselves, without any experiment."""
    return composed([*search_path(), "~experiment", *(str(override.input_line) for override in chosen)])


def _forget_strays(node: DictConfig, overrides: Sequence[str]) -> None:
    """Leave out what an experiment sets for parts that the command line has replaced by others, and say so."""
    from omegaconf import OmegaConf, open_dict

    read = parsed(forgiving(overrides))
    chosen = [o for o in read if o.key_or_group in schema.groups() and isinstance(o.value(), str)]
    if not chosen:
        return
    given = [override.key_or_group for override in read]
    for override in {o.key_or_group: o for o in chosen if o.value() != "none"}.values():
        group = override.key_or_group
        alone = of_file(group, override.value())
        if alone is None:  # by itself, so that it is composed once for all jobs that choose it
            alone = _plain(_options([override]).get(group))
        kept, strays = without_strays(_plain(node.get(group)), alone, given, group)
        if strays:
            log.warning(
                "%s: set by the experiment's file for another %s than was chosen, left out", ", ".join(strays), group
            )
            with open_dict(node):
                node[group] = OmegaConf.create(kept)


def _plain(node: Any) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node


def trusted(recorded: Config) -> list[str]:
    """The overrides that a run's folder records, but for what only a user may say: it may be somebody else's folder."""
    told = ("parts=", *EXECUTOR)
    return [o for o in recorded["overrides"] if not is_of_hydra(o) and not o.lstrip("+~").startswith(told)]


def _require_plain(node: Any) -> None:
    """What was composed holds no interpolation any more; what somebody wrote into a file is not resolved."""
    for value in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        _require_plain(value)
    if isinstance(node, str) and "${" in node:
        raise InputError(f"the run's config.yaml holds the interpolation {shown(node)}: expected the value itself")


def _lay_on(node: DictConfig, choices: dict[str, str | None], overrides: Sequence[Any]) -> None:
    """Set or take away, in order, what overrides say of keys; a part that is written out takes a group's place."""
    from omegaconf import OmegaConf, open_dict

    with open_dict(node):
        for override in overrides:
            key, value = override.key_or_group, override.value()
            if override.is_delete():
                _delete(node, key)
            elif key in schema.groups() and isinstance(value, dict):
                node[key], choices[key] = value, None
            else:
                OmegaConf.update(node, key, value, merge=True, force_add=True)


def _delete(node: Any, key: str) -> None:
    above, _, name = key.rpartition(".")
    from omegaconf import OmegaConf

    place = OmegaConf.select(node, above) if above else node
    if place is None or name not in place:
        raise InputError(f"~{key} takes away what the run's config does not have")
    del place[name]


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
        require_short(overrides)
        yield
    except InputError:
        raise
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(sentence(error, overrides)) from error
    except YAMLError as error:
        raise InputError(f"a config file is not valid YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise InputError("a config file holds a part that contains itself, or is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise InputError(f"a config file in ./conf is not UTF-8 text ({error.reason}): save it as UTF-8") from error
    except (TypeError, ValueError) as error:  # Hydra's own, for a group set to something that is no option
        text = " ".join(str(error).split())
        raise InputError(f"cannot compose {shown(' '.join(overrides))}: {text}; choose group=<option>") from error
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)


def _refuse_environment(key: str, *default: str) -> str:
    """In place of ``${oc.env:KEY}``: what is composed is written into files of the run."""
    raise InputError(f"{ENVIRONMENT} '{shown(key)}' of the environment, which would be written into files of the run")


def finish(node: DictConfig, choices: Mapping[str, str | None], overrides: Sequence[str]) -> Config:
    """Turn Hydra's node into the plain config that the rest of the package uses."""
    from omegaconf import OmegaConf, open_dict

    with open_dict(node):
        node.pop("hydra", None)
    with _sentences(overrides):
        fill_in(node)
        config: Config = OmegaConf.to_container(node, resolve=True, throw_on_missing=False)  # type: ignore[assignment]
    for group in (name for name, group in schema.groups().items() if group.optional):
        config.setdefault(group, None)  # ~group
        # what an experiment or debug=fast sets of a group does not bring back one that is switched off
        if choices.get(group) == "none" and not any(o.lstrip("+").startswith(f"{group}.") for o in overrides):
            config[group] = None
    config |= {group: with_absolute_paths(config[group]) for group in schema.groups() if group in config}
    config["choices"] = {g: o for g, o in sorted(choices.items()) if "/" not in g and o is not None}
    _require_said(config["executor"], overrides)
    config["overrides"] = [o for o in overrides if not is_of_hydra(o)]
    _allow(config.get("parts"), overrides)
    return config


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


def _require_said(executor: Any, overrides: Sequence[str]) -> None:
    """Raise InputError for an executor that the command line does not choose: units of work would be sent anywhere."""
    if executor is not None and not any(override.lstrip("+").startswith(EXECUTOR) for override in overrides):
        raise InputError(
            "executor is set by a config file, which cannot have work sent to other machines: say executor=<option> on "
            "the command line"
        )


def _require_own_workers(node: DictConfig, choices: Mapping[str, str | None], overrides: Sequence[str]) -> None:
    """Raise InputError if a config file changes the executor that the command line chooses: its address, its folder."""
    found, option = _plain(node.get("executor")), choices.get("executor")
    if not isinstance(found, dict) or option in (None, "none"):
        return
    own = of_file("executor", str(option))
    if own is None:
        own = _plain(composed([*search_path(), "~experiment", f"executor={option}"]).get("executor")) or {}
    said = {override.lstrip("+").partition("=")[0] for override in overrides}
    for key in found.keys() | own.keys():
        if found.get(key) != own.get(key) and f"executor.{key}" not in said:
            raise InputError(
                f"executor.{key} is set by a config file, which cannot have work sent elsewhere: leave it out, or say "
                f"executor.{key}=<value> on the command line"
            )


def _require_own_server(node: DictConfig, choices: Mapping[str, str | None], overrides: Sequence[str]) -> None:
    """Raise InputError if a config file says which server or file a tracker writes to: results would be sent there.

    An option of the user's own that the command line chooses, ``logger=mine``, may say it.
    """
    logger, key = _plain(node.get("logger")), SERVER.partition(".")[2]
    address = logger.get(key) if isinstance(logger, dict) else None
    if address is None or any(o.lstrip("+").startswith((f"{SERVER}=", "logger={")) for o in overrides):
        return
    option = f"logger={choices.get('logger')}"
    own = of_file(*option.split("=", 1)) if option in (o.lstrip("+") for o in overrides) else None
    if own is None or own.get(key) != address:
        raise InputError(
            f"{SERVER}={shown(address)} is set by a config file, which cannot have results sent elsewhere: say "
            f"{SERVER}=<address> on the command line, or {SERVER}=null"
        )


def _require_own_place(node: DictConfig, overrides: Sequence[str]) -> None:
    """Raise InputError if a config file has runs and data written outside the working directory."""
    place = _plain(node.get("outputs"))
    if not isinstance(place, str) or any(o.lstrip("+").startswith(f"{PLACE}=") for o in overrides):
        return  # what is no text, the check refuses
    here = Path.cwd()
    if "${" in place or not Path(os.path.normpath(here / place)).is_relative_to(here):
        raise InputError(
            f"{PLACE}={shown(place)} is set by a config file, which cannot have anything written outside the working "
            f"directory: say {PLACE}=<folder> on the command line"
        )


def search_path() -> list[str]:
    """The override that lets Hydra find the user's own options."""
    own = ",".join(f"file://{folder}" for folder in user_conf_dirs())
    return [f"hydra.searchpath=[{own}]"] if own else []
