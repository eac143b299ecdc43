"""Writing in the background: in order, errors reported, and a kill leaves a folder that goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cgexp.errors import InputError
from cgexp.simulation.integrators import Baoab
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.trajectory import BackgroundWriter, Trajectory
from cgexp.store import Arrays, Chunks
from cgexp.testing.integrator_checks import Harmonic


class SlowChunks(Chunks):
    """Waits for ``go`` before it writes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.go = threading.Event()

    def append(self, arrays: Arrays, meta: Mapping[str, Any] | None = None) -> None:
        assert self.go.wait(30.0)
        super().append(arrays, meta)


class FullDisk(Chunks):
    def append(self, arrays: Arrays, meta: Mapping[str, Any] | None = None) -> None:
        raise InputError("cannot write: No space left on device")


def numbers(k: int) -> dict[str, Any]:
    return {"k": np.array([k])}


def test_the_caller_goes_on_while_one_chunk_is_written_and_waits_with_the_second(tmp_path: Path) -> None:
    chunks = SlowChunks(tmp_path)
    with BackgroundWriter(chunks) as writer:
        writer.append(numbers(0), {})
        assert len(chunks) == 0
        second = threading.Thread(target=writer.append, args=(numbers(1), {}))
        second.start()
        second.join(0.2)
        assert second.is_alive()
        chunks.go.set()
        second.join()
        writer.append(numbers(2), {})
    assert chunks.read("k").tolist() == [0, 1, 2]


def write(chunks: Chunks, n_chunks: int, then: Callable[[], object] = lambda: None) -> None:
    with BackgroundWriter(chunks) as writer:
        for k in range(n_chunks):
            writer.append(numbers(k), {})
        then()


def divide_by_zero() -> float:
    return 1 / 0


def test_errors_are_raised_by_the_next_chunk_or_at_the_end(tmp_path: Path) -> None:
    reached: list[int] = []
    with pytest.raises(InputError, match="No space left"):
        write(FullDisk(tmp_path), 2, lambda: reached.append(1))
    assert not reached
    with pytest.raises(InputError, match="No space left"):
        write(FullDisk(tmp_path), 1, lambda: reached.append(1))
    assert reached


def test_an_error_of_the_caller_comes_first_and_what_was_handed_over_is_written(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write(Chunks(tmp_path), 2, divide_by_zero)
    assert Chunks(tmp_path).read("k").tolist() == [0, 1]
    with pytest.raises(ZeroDivisionError) as caught:
        write(FullDisk(tmp_path), 1, divide_by_zero)
    assert "No space left" in caught.value.__notes__[0]


def simulate(folder: Path) -> None:
    simulation = Simulation(
        integrator=Baoab(1.0), dt=0.1, temperature=1.0, n_replicas=5, n_steps=4000, save_every=10, chunk_frames=4
    )
    simulation.run(Harmonic(), torch.zeros(5, 2, 3), np.ones(2), "reduced", folder, seed=0)


def test_an_error_of_the_writer_ends_the_simulation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chunks, "append", FullDisk.append)
    with pytest.raises(InputError, match="No space left"):
        simulate(tmp_path)


def test_killed_while_writing(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from {__name__} import simulate; simulate(Path({str(tmp_path / 'killed')!r}))"
    process = subprocess.Popen([sys.executable, "-c", code])
    killed = tmp_path / "killed"
    until = time.monotonic() + 120.0
    while len(list(killed.glob("chunk-*.npz"))) < 3:
        assert process.poll() is None, "finished before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not Trajectory.load(killed).finished
    simulate(killed)
    simulate(tmp_path / "through")
    resumed, through = Trajectory.load(killed), Trajectory.load(tmp_path / "through")
    assert resumed.finished
    np.testing.assert_array_equal(resumed.coords, through.coords)
