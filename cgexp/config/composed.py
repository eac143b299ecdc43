"""What Hydra composes, where the work for the same choices of options is done once in a process.

Composing takes a tenth of a second, nearly all of it for files and groups. So what the values of keys are laid on is
kept: the jobs of a sweep and the runs of a notebook differ in keys, and share their options.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cgexp.build import TARGET
from cgexp.config import schema
from cgexp.config.overrides import is_of_hydra, parsed
from cgexp.config.paths import conf_dir, conf_dirs, groups

if TYPE_CHECKING:
    from omegaconf import DictConfig

CONFIG_NAME = "config"
MOST_KEPT = 256  # of some 30 kB each


def composed(overrides: Sequence[str]) -> DictConfig:
    """What Hydra composes of overrides, with its own settings under ``hydra``; a copy that the caller may change.

    Raises what Hydra raises.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    state = tuple(_state_of_files())
    choices, values = _split(overrides)
    node: DictConfig = pickle.loads(_kept(tuple(choices), state))
    try:
        for override in values:
            OmegaConf.update(node, override.key_or_group, override.value(), merge=True, force_add=True)
    except OmegaConfBaseException:
        node = pickle.loads(_kept(tuple(overrides), state))  # Hydra says what is wrong, in words of its own
    return node


def of_file(group: str, option: str) -> dict[str, Any] | None:
    """The part of an option whose file alone says it, without resolving anything; None where Hydra has to compose it.

    Raises what OmegaConf raises.
    """
    from omegaconf import OmegaConf

    path = next((path for folder in conf_dirs() if (path := folder / group / f"{option}.yaml").is_file()), None)
    if path is None or "# @package" in path.read_text():
        return None
    node: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    return node if isinstance(node, dict) and TARGET in node and "defaults" not in node else None


@lru_cache(maxsize=MOST_KEPT)
def _kept(overrides: tuple[str, ...], state: tuple[Any, ...]) -> bytes:
    """Pickled, which is copied five times as fast as a node. state: of the files, which an answer is true for."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from cgexp.config.inside import read_inside_only

    read_inside_only()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="cgexp"):
        return pickle.dumps(compose(CONFIG_NAME, overrides=list(overrides), return_hydra_config=True))


def _split(overrides: Sequence[str]) -> tuple[list[str], list[Any]]:
    """The overrides that choose options, and those that set keys, as Hydra reads them.

    All are of the first kind where others take keys away or add some, since their order counts then.
    """
    choices: list[str] = []
    values: list[Any] = []
    names = groups()
    for override, text in zip(parsed(overrides), overrides, strict=True):
        if _sets_a_key(override):
            values.append(override)
        elif override.key_or_group in names or is_of_hydra(text):
            choices.append(text)
        else:
            return list(overrides), []
    return choices, values


def _sets_a_key(override: Any) -> bool:
    """Whether an override gives one value to a setting, or to a key of a part, ``++group.key=value``."""
    if override.is_sweep_override() or override.package is not None:
        return False
    group, _, key = override.key_or_group.partition(".")
    if key:
        return override.is_force_add() and group in schema.groups()
    return group in schema.settings() and not (override.is_add() or override.is_delete())


def _state_of_files() -> Iterator[tuple[Any, ...]]:
    """Of every file that options are in: path, size, and when it was changed."""
    seen: set[str] = set()
    for folder in conf_dirs():
        yield from _files(str(folder), seen)


def _files(folder: str, seen: set[str]) -> Iterator[tuple[Any, ...]]:
    real = os.path.realpath(folder)
    if real in seen:  # a link that leads back
        return
    seen.add(real)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_dir():
                yield from _files(entry.path, seen)
            elif entry.name.endswith(".yaml"):
                about = entry.stat()
                yield entry.path, about.st_size, about.st_mtime_ns, about.st_ino
    except OSError as error:  # which Hydra meets, too, if the file is asked for
        yield folder, str(error)
