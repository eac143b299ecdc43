"""Which packages a config may take parts from: ours, those that the user states, and those that were installed as such.

A user states a package with ``parts=[mylab]`` on the command line, with ``cgexp.allow_parts("mylab")`` in Python, or in
the environment variable CGEXP_PARTS; an installed package says so by an entry point of the group ``cgexp.parts``. What
a file says (an experiment, a run's folder, a potential) counts for nothing here.
"""

from __future__ import annotations

import os
from functools import lru_cache

from cgexp.errors import InputError, shown
from cgexp.parts.sources import FOREIGN, find_class, find_module

OWN = "cgexp"
VARIABLE = "CGEXP_PARTS"
ENTRY_POINTS = "cgexp.parts"


def allow_parts(*packages: str) -> None:
    """Let configs name classes of these packages, in this process and those that it starts.

    Raises InputError for what is no importable package.
    """
    for package in packages:
        if not all(word.isidentifier() for word in package.split(".")) or find_module(package) is None:
            raise InputError(
                f"parts names the package '{shown(package)}', which is not found: install it, or put the folder that "
                "holds it on PYTHONPATH"
            )
    known = dict.fromkeys((*stated_parts(), *packages))
    if known:
        os.environ[VARIABLE] = ",".join(known)


def stated_parts() -> tuple[str, ...]:
    """The packages that the user has stated."""
    return tuple(name for name in os.environ.get(VARIABLE, "").split(",") if name)


def not_allowed(target: object) -> str | None:
    """Why no config may name ``target``, or None if it may where its kind fits."""
    if not isinstance(target, str) or not all(word.isidentifier() for word in target.split(".")) or "." not in target:
        return "expected the dotted name of a class"
    if target.startswith(tuple(f"{package}." for package in (OWN, *stated_parts()))):
        return None
    found = find_class(target) if target.startswith(("torch.", "pytorch_lightning.")) else None
    if found is not None and found.module.name == FOREIGN and found.bases:  # the kind itself stands for nothing
        return None
    if target.startswith(tuple(f"{package}." for package in _installed())):
        return None
    package = target.partition(".")[0]
    return (
        "expected a class of cgexp, one of torch or Lightning that may be used (docs/configuration.md), or one of a "
        f"package of your own that you allow with parts=[{package}] (in Python: cgexp.allow_parts('{package}'))"
    )


@lru_cache(maxsize=None)
def _installed() -> tuple[str, ...]:
    from importlib.metadata import entry_points

    return tuple(point.value.split(":")[0] for point in entry_points(group=ENTRY_POINTS))
