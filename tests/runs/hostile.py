"""Canaries: what would be seen if a run's folder from somebody else made code run, or read or wrote outside itself."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cgexp.store import read_record, read_sealed_text, write_record, write_sealed_text

SECRET = "canary-3f1c"  # the text of files outside, and a value of the environment
PACKAGE = "planted_canary"  # a package that is on the path and must not be imported


@dataclass
class Canaries:
    """A folder with things that nobody but its owner should touch. seen: what happened to them, or to the system."""

    folder: Path
    seen: list[str] = field(default_factory=list)
    watching: bool = False

    @property
    def outside(self) -> Path:
        """A folder that is no part of the run."""
        return self.folder / "outside"

    def place(self) -> None:
        """Put them there."""
        self.outside.mkdir(parents=True)
        for name in ("file.txt", "file.json", "file.npz", "config.yaml"):
            (self.outside / name).write_text(json.dumps({"text": SECRET}))
        package = self.folder / "path" / PACKAGE
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("class Planted:\n    def __init__(self, **given):\n        pass\n")

    def notice(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python's audit hook."""
        if not self.watching:
            return
        if event in ("os.system", "os.exec", "os.posix_spawn", "socket.connect", "pty.spawn"):
            self.seen.append(event)
        elif event == "import" and str(arguments[0]).startswith(PACKAGE):
            self.seen.append(f"import of {arguments[0]}")
        elif event == "subprocess.Popen" and arguments[1][0] != "git":  # which is asked for the code's version
            self.seen.append(f"subprocess {arguments[1]}")
        elif event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if path.startswith(f"{self.outside}/"):
                self.seen.append(f"open of {path}")


_ONE = Canaries(Path())
sys.addaudithook(lambda event, arguments: _CURRENT[0].notice(event, arguments))
_CURRENT = [_ONE]


@contextmanager
def watched(canaries: Canaries) -> Iterator[None]:
    """Watch within; hooks cannot be taken away again."""
    _CURRENT[0], canaries.watching = canaries, True
    try:
        yield
    finally:
        canaries.watching = False


def change_config(run: Path, key: str, value: Any) -> None:
    """Give a run's config another value at a dotted key, under a checksum that fits, as its owner could."""
    config = yaml.safe_load(read_sealed_text(run / "config.yaml"))
    node, (*above, last) = config, key.split(".")
    for name in above:
        node = node[name]
    node[last] = value
    write_sealed_text(run / "config.yaml", yaml.safe_dump(config, sort_keys=False))


def change_record(path: Path, changes: Mapping[str, Any]) -> None:
    """The same for a JSON record."""
    write_record(path, {**read_record(path), **changes})


def files_of(folder: Path) -> dict[str, bytes]:
    """Everything below a folder: what is in files, and where links lead; links are not followed."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.fsencode(os.readlink(path))
        elif "__pycache__" not in name:
            found[name] = path.read_bytes() if path.is_file() else b"folder"
    return found
