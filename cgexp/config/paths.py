"""Where the config groups lie: beside the package in a checkout, inside it in a wheel, and in the user's own ./conf."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def conf_dir() -> Path:
    """The folder of the config groups that belong to this installation."""
    shipped = PACKAGE / "conf"
    return shipped if shipped.is_dir() else PACKAGE.parent / "conf"


def user_conf_dir() -> Path | None:
    """``./conf`` of the working directory, if it is another one: a user's own experiments are found there."""
    own = Path.cwd() / "conf"
    return own if own.is_dir() and own.resolve() != conf_dir().resolve() else None


def conf_dirs() -> list[Path]:
    """The folders that options are looked up in."""
    own = user_conf_dir()
    return [conf_dir()] + ([own] if own else [])


def groups() -> list[str]:
    """The config groups, sorted; one inside another as ``dataset/protocol``."""
    root = conf_dir()
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_dir())


def group_options(group: str) -> list[str]:
    """The options of a config group, sorted."""
    return sorted({path.stem for folder in conf_dirs() for path in (folder / group).glob("*.yaml")})
