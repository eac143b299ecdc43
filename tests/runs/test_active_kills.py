"""cgexp active, killed at random moments: no label is lost or made again, and it ends with the undisturbed data."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cgexp.config.compose import compose
from cgexp.runs.folder import folder_of
from tests.runs.test_active import TINY, data_hash


def start(outputs: Path, *overrides: str) -> subprocess.Popen[str]:
    """The command, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "cgexp.cli.main", "active", *TINY, f"outputs={outputs}", *overrides],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def labels(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Every label there is: its file, when it was written, and what it holds."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.glob("rounds/*/labels/*.npz")}


def progress(folder: Path) -> int:
    """A number that grows with every file of the run."""
    return sum(1 for path in folder.rglob("*") if path.is_file() and path.suffix != ".part")


def kills(total: int, n: int) -> Iterator[tuple[int, float]]:
    """Random moments: how many files there are, and how long after that in seconds."""
    generator = np.random.default_rng()
    moments = np.sort(generator.choice(np.arange(2, total - 3), n, replace=False))
    yield from zip(moments.tolist(), generator.uniform(0.0, 0.2, n), strict=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_at_twenty_random_moments_it_ends_with_the_same_data(tmp_path: Path) -> None:
    overrides = ("active.n_rounds=3", "active.n_per_round=6")
    config = compose([*TINY, *overrides, f"outputs={tmp_path / 'whole'}"])
    out, error = start(tmp_path / "whole", *overrides).communicate()
    whole, killed = folder_of(config), folder_of({**config, "outputs": str(tmp_path / "killed")})
    assert whole.done("evaluate"), error
    assert "round 3" in out
    kept: dict[Path, tuple[int, bytes]] = {}
    n_kills = 0
    for moment, later in kills(progress(whole.path), 20):
        process = start(tmp_path / "killed", *overrides)
        while progress(killed.path) < moment and process.poll() is None:
            time.sleep(0.005)
        time.sleep(later)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            n_kills += 1
        process.communicate()
        found = labels(killed.path)
        assert kept.items() <= found.items(), "a label was lost or made again"
        kept = found
    start(tmp_path / "killed", *overrides).communicate()
    assert n_kills >= 15
    assert killed.done("evaluate")
    assert kept.items() <= labels(killed.path).items()
    assert len(labels(killed.path)) == len(labels(whole.path)) == 18
    assert data_hash(killed) == data_hash(whole)
    assert killed.potential.read_bytes() == whole.potential.read_bytes()
