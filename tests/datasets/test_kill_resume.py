"""A data set made from nothing by the command line, killed at random moments and resumed, has the same frames."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cgexp.store import read_frames

OVERRIDES = [
    "dataset=chignolin_openmm",
    "dataset/protocol=walkers",
    *("dataset.protocol.n_native=1", "dataset.protocol.n_extended=1", "dataset.protocol.n_hot=4"),
    *("dataset.protocol.ps_per_walker=12", "dataset.protocol.segment_ps=2", "dataset.protocol.save_ps=0.1"),
    *("dataset.protocol.drop_ps=5", "dataset.protocol.hot_ps=4"),
    *("dataset.force_map=optimal", "dataset.n_parallel=2"),
]
N_CHUNKS = 3 + 6 * 7  # of the hot run and of six walkers
N_KILLS = 5


def start(folder: Path) -> subprocess.Popen[str]:
    """The command, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "cgexp.cli.main", "data", *OVERRIDES, f"outputs={folder}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def n_chunks(folder: Path) -> int:
    return len(list(folder.rglob("chunk-*.npz")))


def running(group: int) -> list[int]:
    """Processes of the group that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it ended meanwhile
            continue
        if int(process_group) == group and state != "Z":
            found.append(int(stat.parent.name))
    return found


def content_hash(folder: Path) -> str:
    (path,) = folder.rglob("frames.npz")
    return read_frames(path).content_hash


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_at_five_random_moments_it_ends_with_the_same_frames(tmp_path: Path) -> None:
    pytest.importorskip("openmm")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    out, progress = start(whole).communicate()
    assert out, progress
    assert "ns/day" in progress
    card = dict(line.split(maxsplit=1) for line in out.splitlines() if len(line.split(maxsplit=1)) == 2)
    assert card["n_frames"] == "720"
    assert card["n_blocks"] == "6"
    assert card["force_map"] == "optimal"
    assert card["content_hash"] == content_hash(whole)
    assert {"source", "temperature", "virial_kT", "force_rms", "file"} <= card.keys()
    assert card["unbiasedness"] != "biased"
    assert "sha256" in card["notes"]
    assert "6 walkers from: native (1), extended (1), hot frame (4)" in card["notes"]

    generator = np.random.default_rng()
    moments = np.sort(generator.choice(np.arange(1, N_CHUNKS - 6), N_KILLS, replace=False))
    for moment in moments:
        process = start(killed)
        while n_chunks(killed) < moment:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        time.sleep(generator.uniform(0.0, 0.3))
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert not list(killed.rglob("frames.npz"))
    process = start(killed)
    process.communicate()
    assert process.returncode == 0
    assert n_chunks(killed) == n_chunks(whole) == N_CHUNKS
    assert content_hash(killed) == content_hash(whole), f"killed after {moments} chunks"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
@pytest.mark.timeout(600)
def test_an_interrupt_is_one_sentence_and_leaves_no_process(tmp_path: Path) -> None:
    pytest.importorskip("openmm")
    process = start(tmp_path)
    while n_chunks(tmp_path) < 7:  # past the hot run: both workers are busy
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in error.splitlines()[-1]
    assert "Traceback" not in error
    deadline = time.monotonic() + 20.0
    while running(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)  # Python's own helper process ends a moment later
    assert not running(process.pid)
