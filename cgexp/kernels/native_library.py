"""The C++ kernels: each source is compiled once on a machine, cached, and loaded with ctypes.

The compiler is called directly: the sources include no torch header, so that a build takes seconds and needs no ninja,
and a library is moved into place when it is whole, so that a killed build leaves no lock behind.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import time
from functools import lru_cache
from pathlib import Path

from cgexp.errors import InputError

log = logging.getLogger(__name__)
SOURCES = Path(__file__).parent / "native"
COMPILERS = ("c++", "g++", "clang++")
# No -ffast-math: it compiles checks for NaN away and may flush small numbers to zero in the whole process.
FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fPIC", "-shared", "-w")
TUNING = "-march=native"


class NoNativeKernel(InputError):
    """The C++ kernels cannot be had here. reason: why. cure: what to do, where a kernel was asked for by name."""

    def __init__(self, reason: str, cure: str) -> None:
        super().__init__(f"{reason}: {cure}")
        self.reason = reason


@lru_cache(maxsize=None)
def native_library(name: str) -> ctypes.CDLL:
    """The library made of ``native/<name>.cpp``, compiled if need be; NoNativeKernel if it cannot be."""
    path = cache_folder() / f"{name}-{_digest(name)}.so"
    if not path.is_file():
        _build(name, find_compiler(), path)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise NoNativeKernel(f"the compiled kernel {path} cannot be loaded ({error})", "delete it") from error


def find_compiler() -> list[str]:
    """The command of the C++ compiler: that of the environment variable CXX, or the first found."""
    named = shlex.split(os.environ.get("CXX", ""))
    for command in (named,) if named else [[name] for name in COMPILERS]:
        if shutil.which(command[0]):
            return command
    raise NoNativeKernel(
        f"no C++ compiler was found ({' '.join(named) or ', '.join(COMPILERS)}), which native kernels need",
        "install one, or use kernel=table",
    )


def cache_folder() -> Path:
    """Where compiled kernels are kept: a folder of the user's cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "cgexp" / "kernels"


def _build(name: str, compiler: list[str], path: Path) -> None:
    began = time.perf_counter()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder) / path.name
            _compile(compiler, SOURCES / f"{name}.cpp", made)
            os.replace(made, path)
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
                f"{compiler[0]} is no C++ compiler ({error})", "set CXX, or use kernel=table"
            ) from error
        if result.returncode == 0:
            return
        message = message or (result.stderr.strip().splitlines() or ["no message"])[0]
    raise NoNativeKernel(f"{compiler[0]} could not compile {source.name} ({message})", "use kernel=table")


def _digest(name: str) -> str:
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
