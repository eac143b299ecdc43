"""Where a run comes from: code version, whether it was modified, versions of the libraries, the data's hash."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import cgexp
from cgexp.runs.folder import RunFolder
from cgexp.store import write_record

LIBRARIES = ("torch", "numpy", "scipy", "pytorch-lightning", "hydra-core", "deeptime", "pot", "mdtraj", "openmm")


@lru_cache(maxsize=None)
def code_version() -> Mapping[str, Any]:
    """The package's version and, in a git checkout, the commit and whether files differ from it.

    As they were when this process first asked: its code is not read again.
    """
    root = Path(cgexp.__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return {"version": cgexp.__version__, "commit": None, "dirty": None}
    return {
        "version": cgexp.__version__,
        "commit": _git(root, "rev-parse", "HEAD"),
        "dirty": bool(_git(root, "status", "--porcelain", "--untracked-files=no")),
    }


def begin(folder: RunFolder, data_hash: str, data_path: str | None, force_map: str = "") -> None:
    """Write the record of a run, new or with the stages that are in it: its data, and what made each stage.

    force_map: what is known of the data's force map, in words (Recipe.verdict).
    """
    record: dict[str, Any] = folder.read_provenance() if folder.provenance.is_file() else {"stages": {}}
    record["data"] = {"content_hash": data_hash, "path": data_path} | ({"force_map": force_map} if force_map else {})
    write_record(folder.provenance, record)


def note(folder: RunFolder, stage: str, kernel: str) -> None:
    """Record that a stage is done: what made it, its files, and what they were made from."""
    record = folder.read_provenance()
    record["stages"][stage] = describe(kernel) | folder.state(stage)
    write_record(folder.provenance, record)


def forget(folder: RunFolder, *stages: str) -> None:
    """Take stages out of the record, if there is one."""
    if not folder.provenance.is_file():
        return
    record = folder.read_provenance()
    record["stages"] = {stage: made for stage, made in record["stages"].items() if stage not in stages}
    write_record(folder.provenance, record)


def describe(kernel: str) -> dict[str, Any]:
    """What makes a stage now: code, time, kernel, machine, threads and libraries."""
    import torch  # not above: who only asks for the code's version waits for nothing

    return {
        "code": code_version(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "kernel": kernel,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": processor(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


@lru_cache(maxsize=None)
def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine())


@lru_cache(maxsize=None)
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(root: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()
