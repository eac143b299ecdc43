"""Where config groups lie: beside the package in a checkout, inside it in a wheel, and in the user's own ./conf.

And where the files lie that a config names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from cgexp.errors import InputError
from cgexp.parts.ranges import PLACES
from cgexp.parts.signatures import read_signature

VARIABLE = "CGEXP_CONFIG_DIR"
PACKAGE = Path(__file__).resolve().parents[1]


def conf_dir() -> Path:
    """The folder of the config groups that belong to this installation."""
    shipped = PACKAGE / "conf"
    return shipped if shipped.is_dir() else PACKAGE.parent / "conf"


def use_conf_dir(folder: Path) -> None:
    """Find options in ``folder``, too, in this process and those that it starts. Raises InputError if it is none."""
    if not folder.is_dir():
        raise InputError(f"--config-dir {folder} is no folder: give one that holds groups, as experiment/mine.yaml")
    os.environ[VARIABLE] = str(folder.resolve())


def user_conf_dirs() -> list[Path]:
    """The folders of a user's own options: that of ``--config-dir``, and ``./conf`` of the working directory."""
    stated = os.environ.get(VARIABLE)
    folders = [Path(stated)] if stated else []
    own = Path.cwd() / "conf"
    if own.is_dir() and own.resolve() not in (conf_dir().resolve(), *folders):
        folders.append(own)
    return folders


def conf_dirs() -> list[Path]:
    """The folders that options are looked up in."""
    return [conf_dir(), *user_conf_dirs()]


NO_GROUPS = ("search",)  # folders of conf/ that no config is put together from


def groups() -> Sequence[str]:
    """The config groups, sorted; one inside another as ``dataset/protocol``."""
    return _groups_in(conf_dir())


@lru_cache
def _groups_in(root: Path) -> tuple[str, ...]:
    """Looked up once: they are those of this installation, and asked for with every override."""
    found = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_dir())
    return tuple(sorted(name for name in found if name not in NO_GROUPS))


def group_options(group: str) -> list[str]:
    """The options of a config group, sorted."""
    return sorted({path.stem for folder in conf_dirs() for path in (folder / group).glob("*.yaml")})


MISSING = "???"  # Hydra's mark of a value that must be given


def with_absolute_paths(node: Any) -> Any:
    """A config node in which arguments that name a file or folder, by their marks, hold its absolute path."""
    if isinstance(node, list):
        return [with_absolute_paths(value) for value in node]
    if not isinstance(node, Mapping):
        return node
    target = node.get("_target_")
    signature = read_signature(target) if isinstance(target, str) else None
    changed = {key: with_absolute_paths(value) for key, value in node.items()}
    if signature is not None:
        for key, value in changed.items():
            if PLACES.isdisjoint(signature.marks(key)):
                continue
            if isinstance(value, str) and value not in ("", MISSING):
                changed[key] = os.path.abspath(value)
            elif isinstance(value, list):
                changed[key] = [os.path.abspath(one) if isinstance(one, str) else one for one in value]
    return changed
