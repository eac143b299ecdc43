"""The C++ kernels: each source is compiled once on a machine, cached, and loaded with ctypes.

The compiler is called directly: the sources include no torch header, so that a build takes seconds and needs no ninja,
and a library is moved into place when it is whole, so that a killed build leaves no lock behind. What is loaded is
code: the cache is the user's alone, a hash is kept beside each library, and one that fails either is made again. Once a
process each is compared with its reference (self_test.py).
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from functools import lru_cache
from pathlib import Path

from cgexp.errors import InputError
from cgexp.remembered import user_cache
from cgexp.store import write_bytes

log = logging.getLogger(__name__)
SOURCES = Path(__file__).parent / "native"
COMPILERS = ("c++", "g++", "clang++")
# No -ffast-math: it compiles checks for NaN away and may flush small numbers to zero in the whole process.
FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fPIC", "-shared", "-w")
TUNING = "-march=native"
_TESTED: set[str] = set()  # libraries that this process has compared with their references

WITHOUT = "choose what needs none (kernel=table for networks, platform=CPU for all atoms)"


class NoNativeKernel(InputError):
    """The C++ kernels cannot be had here. reason: why. cure: what to do, where a kernel was asked for by name."""

    def __init__(self, reason: str, cure: str) -> None:
        super().__init__(f"{reason}: {cure}")
        self.reason = reason


@lru_cache(maxsize=None)
def native_library(name: str) -> ctypes.CDLL:
    """The library made of ``native/<name>.cpp``, compiled if need be; NoNativeKernel if it cannot be."""
    path = cache_folder() / f"{name}-{digest(name)}.so"
    _require_private(path.parent)
    if not _is_whole(path):
        _build(name, find_compiler(), path)
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise NoNativeKernel(f"the compiled kernel {path} cannot be loaded ({error})", "delete it") from error
    if name not in _TESTED:
        _TESTED.add(name)  # before the test, which asks for the library
        _require_right(name, path)
    return library


def _require_right(name: str, path: Path) -> None:
    from cgexp.kernels.self_test import TOLERANCE, worst_error

    if not (error := worst_error(name)) <= TOLERANCE:
        _TESTED.discard(name)
        native_library.cache_clear()
        raise NoNativeKernel(
            f"the compiled kernel {path} is wrong: it differs from its reference by {error:.1g}",
            f"set CXX to another compiler, or {WITHOUT}",
        )


def find_compiler() -> list[str]:
    """The command of the C++ compiler: that of the environment variable CXX, or the first found."""
    named = shlex.split(os.environ.get("CXX", ""))
    for command in (named,) if named else [[name] for name in COMPILERS]:
        if shutil.which(command[0]):
            return command
    raise NoNativeKernel(
        f"no C++ compiler was found ({' '.join(named) or ', '.join(COMPILERS)}), which native kernels need",
        f"install one, or {WITHOUT}",
    )


def cache_folder() -> Path:
    """Where compiled kernels are kept: a folder of the user's cache; without a home, one below the temporary folder."""
    return user_cache() / "cgexp" / "kernels"


def _require_private(folder: Path) -> None:
    """Let nobody else write to a folder of libraries; those that are in one where others could are not believed."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.stat()
        if found.st_uid != os.getuid():
            raise NoNativeKernel(
                f"the cache of compiled kernels {folder} belongs to another user",
                "set XDG_CACHE_HOME to a folder of yours",
            )
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            folder.chmod(0o700)
            for path in folder.glob("*.so*"):
                path.unlink()
    except OSError as error:
        raise NoNativeKernel(f"kernels cannot be compiled into {folder} ({error})", "set XDG_CACHE_HOME") from error


def _is_whole(path: Path) -> bool:
    """Whether a library is there as it was compiled: a plain file of this user that has the hash beside it."""
    try:
        found = path.lstat()
        if (
            not stat.S_ISREG(found.st_mode)
            or found.st_uid != os.getuid()
            or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        ):
            return False
        return hashlib.sha256(path.read_bytes()).hexdigest() == _hash_of(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return False


def _hash_of(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _build(name: str, compiler: list[str], path: Path) -> None:
    began = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder) / path.name
            _compile(compiler, SOURCES / f"{name}.cpp", made)
            made.chmod(0o700)
            content = made.read_bytes()
            _hash_of(path).unlink(missing_ok=True)  # a library without one is made again
            with made.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(made, path)
            write_bytes(_hash_of(path), hashlib.sha256(content).hexdigest().encode())
    except OSError as error:
        raise NoNativeKernel(
            f"kernels cannot be compiled into {path.parent} ({error})", "set XDG_CACHE_HOME"
        ) from error
    seconds = time.perf_counter() - began
    log.info("compiled the %s kernel, once on this machine: %.0f s", name, seconds)


def _compile(compiler: list[str], source: Path, made: Path) -> None:
    message = ""
    for tuning in ((TUNING,), ()):  # not every compiler knows -march=native
        command = [*compiler, *FLAGS, *tuning, str(source), "-o", str(made)]
        try:
            result = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise NoNativeKernel(
                f"{compiler[0]} is no C++ compiler ({error})",
                f"set CXX, or {WITHOUT}",
            ) from error
        if result.returncode == 0:
            return
        message = message or (result.stderr.strip().splitlines() or ["no message"])[0]
    raise NoNativeKernel(
        f"{compiler[0]} could not compile {source.name} ({message})",
        WITHOUT,
    )


def digest(name: str) -> str:
    """Of what the library depends on: sources, flags and the processor it is tuned to. Not of the compiler's version,
    since a machine that runs what another one compiled may have none."""
    parts = [name, os.environ.get("CXX", ""), *FLAGS, TUNING, _processor()]
    parts += [path.read_text() for path in sorted(SOURCES.iterdir())]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    """What tells processors with different instructions apart."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()} {platform.processor()} {flags}"
