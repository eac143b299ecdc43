"""Walkers: seeds of their own, nothing finished is lost, and what ends them is said in a sentence."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgexp.all_atom.sampling.progress import Tally
from cgexp.all_atom.sampling.segment import Quench, Segment, SegmentResult, Unstable
from cgexp.all_atom.sampling.walker import Start, Walker, run_walkers
from cgexp.errors import InputError
from cgexp.executor.local import InlineExecutor, local_executor
from cgexp.progress import silent
from cgexp.store import Chunks

N_ATOMS = 2


def walker(folder: Path, index: int = 0, key: tuple[int, int, int] = (0, 1, 0)) -> Walker:
    return Walker(
        chunks=Chunks(folder / f"walker-{index:03d}"),
        temperature=350.0,
        key=key,
        n_atoms=N_ATOMS,
        n_segments=2,
        segment_steps=10,
        save_steps=5,
        drop_steps=3,
        start=lambda: Start(f"start {index}", "<System/>", np.zeros((N_ATOMS, 3))),
    )


def pretend(work: Quench | Segment) -> SegmentResult:
    """Frames without dynamics: the seed as a coordinate."""
    n_frames = 0 if isinstance(work, Quench) else work.n_steps // work.save_steps
    frames = np.full((n_frames, N_ATOMS, 3), work.seed, np.float32)
    return SegmentResult(
        frames, frames, 0.0, {"state_positions_nm": np.full((N_ATOMS, 3), float(work.seed))}, 0.0, "native"
    )


def fail(work: Quench | Segment) -> SegmentResult:
    raise Unstable("its coordinates are no longer finite")


def die(work: Quench | Segment) -> SegmentResult:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class Scripted(Executor):
    """Runs the units with the given functions, in turn."""

    def __init__(self, *functions: Any) -> None:
        self.functions = list(functions)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return InlineExecutor().submit(self.functions.pop(0), *args)


def make(walkers: list[Walker], executor: Executor) -> None:
    run_walkers(walkers, executor, Tally(100, 0.004, silent))


def test_every_segment_has_a_seed_of_its_own(tmp_path: Path) -> None:
    keys = [(seed, stage, index) for seed in (0, 1) for stage in (0, 1) for index in range(20)]
    seeds = [walker(tmp_path, key=key).segment_seed(segment) for key in keys for segment in range(10)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 < seed < 2**31 for seed in seeds)


def test_walkers_advance_together_and_are_stored_as_they_go(tmp_path: Path) -> None:
    walkers = [walker(tmp_path, index) for index in (0, 1)]
    seen: list[list[int]] = []

    def watch(done: int, total: int, text: str) -> None:
        seen.append([len(w.chunks) for w in walkers])

    run_walkers(walkers, Scripted(*[pretend] * 6), Tally(46, 0.004, watch))
    assert seen == [[1, 0], [1, 1], [2, 1], [2, 2], [3, 2], [3, 3]]
    assert all(w.finished for w in walkers)
    assert walkers[0].n_steps_done == walkers[0].n_steps == 23


def test_a_walker_goes_on_from_its_last_chunk(tmp_path: Path) -> None:
    make([walker(tmp_path)], Scripted(*[pretend] * 3))
    whole = [arrays for arrays, _ in walker(tmp_path).chunks]
    walker(tmp_path).chunks.truncate(2)
    resumed = walker(tmp_path)
    work = resumed.next_work()
    assert isinstance(work, Segment)
    assert work.system == "<System/>"
    np.testing.assert_array_equal(work.state["state_positions_nm"], whole[1]["state_positions_nm"])
    make([resumed], Scripted(pretend))
    for arrays, (again, _) in zip(whole, resumed.chunks, strict=True):
        for name in arrays:
            np.testing.assert_array_equal(arrays[name], again[name])


def test_a_start_that_blows_up_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^start 0, the start of walker-000, cannot be relaxed at 350.0 K: its coord"):
        make([walker(tmp_path)], Scripted(fail))
    with pytest.raises(InputError, match=r"^walker-000 blew up in segment 1 at 350.0 K"):
        make([walker(tmp_path)], Scripted(pretend, fail))


def test_a_failure_loses_nothing_that_was_finished(tmp_path: Path) -> None:
    class Batch(Executor):
        """Has all results at once, of which the first fails."""

        futures: list[Future[Any]] = []

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            self.futures.append(Future())
            if len(self.futures) == 3:
                for future in self.futures[1:]:
                    future.set_result(pretend(*args))
                self.futures[0].set_exception(RuntimeError("no power"))
            return self.futures[-1]

    walkers = [walker(tmp_path, index) for index in range(3)]
    with pytest.raises(RuntimeError, match="no power"):
        make(walkers, Batch())
    assert sorted(len(w.chunks) for w in walkers) == [0, 1, 1]


def test_a_killed_worker_process_is_one_sentence(tmp_path: Path) -> None:
    class Deadly(Executor):
        def __init__(self, pool: Executor) -> None:
            self.pool = pool

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            return self.pool.submit(die, *args)

    with pytest.raises(InputError, match="worker process ended") as caught, local_executor(2) as pool:
        make([walker(tmp_path, index) for index in range(3)], Deadly(pool))
    assert "\n" not in str(caught.value)
