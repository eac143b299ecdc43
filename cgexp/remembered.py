"""Numbers that many runs share, as those of a reference alone: computed once, then read from the user's cache.

A file is named by a hash of all that its numbers follow from: the facts that the caller gives, the source text of
cgexp and the versions of the numerical packages. It is written whole or not at all and holds its own checksum; what is
damaged, somebody else's or cannot be written is computed as if there were no cache.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from cgexp.errors import InputError, MachineError
from cgexp.store import SEAL, read_json, seal_of, write_record

WITHOUT = "CGEXP_NO_CACHE"  # set to 1: numbers are computed anew and not kept
PACKAGES = ("numpy", "scipy", "POT", "deeptime", "torch")
# what numbers of a reference are computed with
SOURCES = ("analysis", "systems", "frames.py", "geometry.py", "curves.py", "units.py")
log = logging.getLogger(__name__)
Numbers = dict[str, float]


def remembered(kind: str, facts: Mapping[str, Any], make: Callable[[], Numbers]) -> Numbers:
    """What ``make`` returns, name -> number, computed once for these ``facts``.

    kind: folder in the cache. facts: plain values, all that the numbers follow from beside the code.
    """
    if os.environ.get(WITHOUT, "") not in ("", "0"):
        return make()
    key = hashlib.sha256(json.dumps([facts, _code()], sort_keys=True).encode()).hexdigest()[:32]
    path = user_cache() / "cgexp" / kind / f"{key}.json"
    found = _read(path)
    if found is not None:
        return found
    numbers = make()
    try:
        write_record(path, {"numbers": numbers})
    except (InputError, MachineError, OSError) as error:  # a home whose quota is used up, too
        log.debug("%s is not kept: %s", path, error)
    return numbers


def _read(path: Path) -> Numbers | None:
    """The numbers of a file of this user that is whole, else None."""
    try:
        if path.lstat().st_uid != os.getuid() or path.is_symlink():
            return None
        content = read_json(path)
        if not isinstance(content, dict) or content.pop(SEAL, None) != seal_of(content):
            return None
        return {str(name): float(value) for name, value in content["numbers"].items()}
    except (InputError, MachineError, OSError, KeyError, TypeError, ValueError, AttributeError):
        return None


@lru_cache(maxsize=None)
def _code() -> str:
    """A hash of what computes the numbers: cgexp's own sources and the versions of the packages."""
    digest = hashlib.sha256(json.dumps([_version(name) for name in PACKAGES]).encode())
    root = Path(__file__).parent
    for name in SOURCES:
        place = root / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def user_cache() -> Path:
    """The user's folder for caches. One without a home that can be written to gets a folder below the temporary one."""
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base)
    try:
        home = Path.home()
    except RuntimeError:  # no HOME, and a user that the system does not know, as in containers
        home = Path("/nonexistent")
    cache = home / ".cache"
    if os.access(cache if cache.is_dir() else home, os.W_OK | os.X_OK):
        return cache
    return Path(tempfile.gettempdir()) / f"cgexp-{os.getuid()}"
