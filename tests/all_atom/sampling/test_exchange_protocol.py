"""Replica exchange as a protocol of a data set: labelled frames, blocks, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cgexp.all_atom.sampling.exchange_protocol import ExchangeWalkers
from cgexp.all_atom.sampling.exchange_trajectory import load_exchange
from cgexp.all_atom.sampling.protocol import sample
from cgexp.all_atom.sampling.task import Task
from cgexp.errors import InputError

PROTOCOL = ExchangeWalkers(
    temperatures=[300.0, 330.0, 365.0],
    n_native=0,
    ps_per_walker=2.0,
    save_ps=0.2,
    drop_ps=0.4,
    segment_ps=1.0,
    seed=1,
)


def quiet(done: int, total: int, text: str) -> None:
    """Show no progress."""


def task(folder: Path, temperature: float = 330.0) -> Task:
    pytest.importorskip("openmm")
    return Task("AGA", temperature, folder)


def test_frames_of_the_study_temperature_carry_forces_and_their_walker(tmp_path: Path) -> None:
    job = task(tmp_path)
    walkers = sample(job, PROTOCOL, progress=quiet)
    trajectory = load_exchange(tmp_path)
    n_frames = 0
    for chunks in walkers:
        for arrays, _ in chunks:
            assert arrays["coords"].shape == arrays["forces"].shape == (len(arrays["time_ps"]), job.n_atoms, 3)
            n_frames += len(arrays["coords"])
            for time, coords in zip(arrays["time_ps"], arrays["coords"], strict=True):
                frame = round(time / 0.2) - 1
                assert time > 0.4
                assert trajectory.frame_levels[frame, chunks.walker] == 1  # type: ignore[attr-defined]
                np.testing.assert_array_equal(
                    coords[job.built.ca],
                    trajectory.coords[frame, chunks.walker],  # type: ignore[attr-defined]
                )
    assert n_frames == 8  # of 10, the first 0.4 ps dropped
    assert "round trips" in PROTOCOL.facts(job)[0]


# processes are those of every protocol, which test_protocol.py begins
@pytest.mark.parametrize("n_parallel", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_stopped_and_resumed_equals_run_through(tmp_path: Path, n_parallel: int) -> None:
    whole = sample(task(tmp_path / "whole"), PROTOCOL, progress=quiet)

    def stop(done: int, total: int, text: str) -> None:
        if done > 0.6 * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(task(tmp_path / "parts"), PROTOCOL, progress=stop)
    parts = sample(task(tmp_path / "parts"), PROTOCOL, n_parallel, progress=quiet)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a.read("forces"), b.read("forces"))


def test_a_temperature_off_the_ladder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"dataset\.temperature=310 is not on the ladder \[300\.0, 330\.0, 365\.0\]"):
        sample(task(tmp_path, 310.0), PROTOCOL, progress=quiet)


def test_more_native_starts_than_temperatures_are_refused() -> None:
    with pytest.raises(InputError, match="n_native=4 but there are 3 temperatures"):
        replace(PROTOCOL, n_native=4)


def test_dropping_everything_is_refused() -> None:
    with pytest.raises(InputError, match=r"drop_ps=2\.0 leaves nothing of ps_per_walker=2\.0"):
        replace(PROTOCOL, drop_ps=2.0)
