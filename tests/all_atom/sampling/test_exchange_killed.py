"""Replica exchange of a small peptide, killed at random moments and moved to a fresh folder each time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cgexp.all_atom.sampling.exchange_trajectory import load_exchange, pack_exchange
from cgexp.store import Chunks

pytest.importorskip("openmm")
pytest.importorskip("PeptideBuilder")
N_ROUNDS, N_KILLS = 16, 5
EXCHANGE_PS = {"CPU": 0.4, "native": 2.0}  # a round of either takes a few tenths of a second
PROGRAM = """
import sys
from pathlib import Path
from cgexp.all_atom.force_field import make_system
from cgexp.all_atom.structure import build_extended
from cgexp.all_atom.sampling.replica_exchange import ReplicaExchange, run_replica_exchange

peptide = build_extended("GAG")
protocol = ReplicaExchange(temperatures=(300.0, 400.0, 500.0), exchange_ps={exchange_ps}, cycles_per_round=4, seed=7)
run_replica_exchange(
    make_system(peptide.topology), [peptide.positions] * 3, protocol, Path(sys.argv[1]), {n_rounds}, atoms=peptide.ca,
    platform="{platform}",
)
"""


def start(folder: Path, platform: str) -> subprocess.Popen[bytes]:
    program = PROGRAM.format(platform=platform, exchange_ps=EXCHANGE_PS[platform], n_rounds=N_ROUNDS)
    environment = {**os.environ, "OPENMM_CPU_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )


def n_chunks(folder: Path) -> int:
    return len(list(folder.glob("chunk-*.npz")))


def finish(folder: Path, platform: str) -> None:
    process = start(folder, platform)
    _, error = process.communicate(timeout=200)
    assert process.returncode == 0, error


@pytest.mark.slow
@pytest.mark.parametrize("platform", EXCHANGE_PS)
@pytest.mark.parametrize("packed", [False, True], ids=["copied", "packed"])
def test_killed_and_moved_it_goes_on_with_the_same_numbers(tmp_path: Path, packed: bool, platform: str) -> None:
    finish(tmp_path / "whole", platform)
    rng = np.random.default_rng()
    folder = tmp_path / "machine-0"
    killed_at = []
    for number in range(N_KILLS):
        before, process = n_chunks(folder), start(folder, platform)
        wanted = before + (rng.integers(2, 4) if number == 0 else 1)  # a first round must be there to be packed
        while n_chunks(folder) < wanted and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.1))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed_at.append(n_chunks(folder))
        process.communicate()
        fresh = tmp_path / f"machine-{number + 1}"
        if packed:
            pack_exchange(folder, fresh)
            assert len(Chunks(fresh)) == 1
        else:
            shutil.copytree(folder, fresh)
        shutil.rmtree(folder)
        folder = fresh
    assert killed_at, "the rounds are too short to be interrupted"
    finish(folder, platform)
    whole, killed = load_exchange(tmp_path / "whole"), load_exchange(folder)
    for name in ("coords", "levels", "energies", "outcomes"):
        np.testing.assert_array_equal(
            getattr(killed, name), getattr(whole, name), err_msg=f"{name}, killed at {killed_at}"
        )
    assert set(killed.engine) == {platform}
    assert (killed.cpu_s > 0.0).all()
