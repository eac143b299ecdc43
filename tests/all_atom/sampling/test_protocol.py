"""Sampling in segments: repeatable, resumable after a kill, refusing what does not fit."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cgexp.all_atom.sampling.protocol import Protocol, sample
from cgexp.all_atom.sampling.starts import Walkers
from cgexp.all_atom.sampling.task import Task
from cgexp.errors import InputError
from cgexp.store import Chunks

SEQUENCE = "AGA"
PROTOCOL = Walkers(
    n_native=0,
    n_extended=1,
    n_hot=2,
    ps_per_walker=0.4,
    save_ps=0.04,
    drop_ps=0.1,
    segment_ps=0.2,
    hot_temperature=500.0,
    hot_ps=0.4,
    seed=3,
)
KILLED = """
import os, signal, sys
from pathlib import Path
from cgexp.all_atom.sampling.protocol import sample
from cgexp.all_atom.sampling.starts import Walkers
from cgexp.all_atom.sampling.task import Task
from tests_protocol import PROTOCOL, SEQUENCE
def kill(done, total, text):
    if done > 0.6 * total:
        os.kill(os.getpid(), signal.SIGKILL)
sample(Task(SEQUENCE, 350.0, Path(sys.argv[1])), PROTOCOL, progress=kill)
"""


def quiet(done: int, total: int, text: str) -> None:
    """Show no progress."""


def run(
    folder: Path,
    protocol: Protocol = PROTOCOL,
    n_parallel: int = 1,
    executor: Executor | None = None,
    temperature: float = 350.0,
) -> list[Chunks]:
    return sample(Task(SEQUENCE, temperature, folder), protocol, n_parallel, executor, quiet)


def assert_same(left: list[Chunks], right: list[Chunks]) -> None:
    for a, b in zip(left, right, strict=True):
        for name in ("coords", "forces"):
            np.testing.assert_array_equal(a.read(name), b.read(name))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[Chunks]:
    pytest.importorskip("openmm")
    return run(tmp_path_factory.mktemp("undisturbed"))


def test_walkers_hold_the_frames_asked_for(undisturbed: list[Chunks]) -> None:
    assert len(undisturbed) == 3
    for chunks in undisturbed:
        assert [len(arrays["coords"]) for arrays, _ in chunks] == [0, 5, 5]
        assert chunks.read("coords").dtype == np.float32
        assert chunks.read("coords").shape == chunks.read("forces").shape
    origins = [next(iter(chunks))[1]["origin"] for chunks in undisturbed]
    assert origins[0] == "extended"
    assert all(origin.startswith("hot frame") for origin in origins[1:])


def test_hot_frames_carry_no_labels(undisturbed: list[Chunks]) -> None:
    hot = Chunks(undisturbed[0].folder.parent / "hot")
    assert len(hot.read("coords")) == 10
    assert all("forces" not in arrays for arrays, _ in hot)


def test_killed_and_continued_gives_the_same_frames(undisturbed: list[Chunks], tmp_path: Path) -> None:
    (tmp_path / "tests_protocol.py").write_text(
        f"from cgexp.all_atom.sampling.starts import Walkers\nPROTOCOL = {PROTOCOL!r}\nSEQUENCE = {SEQUENCE!r}\n"
    )
    paths = [str(tmp_path), *(path for path in sys.path if path)]
    killed = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}\n{KILLED}", str(tmp_path / "data")], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    partial = [len(Chunks(tmp_path / "data" / f"walker-{index:03d}")) for index in range(3)]
    assert 0 < sum(partial) < 9
    assert_same(run(tmp_path / "data"), undisturbed)


def test_walkers_side_by_side_give_the_same_frames(undisturbed: list[Chunks], tmp_path: Path) -> None:
    assert_same(run(tmp_path, n_parallel=2), undisturbed)


def test_any_executor_gives_the_same_frames(undisturbed: list[Chunks], tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as threads:
        assert_same(run(tmp_path, replace(PROTOCOL, n_hot=0), executor=threads), undisturbed[:1])
        assert threads.submit(abs, -1).result() == 1  # it is left open


def test_an_interrupt_ends_every_walker(undisturbed: list[Chunks], tmp_path: Path) -> None:
    def interrupt(done: int, total: int, text: str) -> None:
        if done > 0.6 * total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(Task(SEQUENCE, 350.0, tmp_path), PROTOCOL, 2, progress=interrupt)
    assert_same(run(tmp_path), undisturbed)


def test_progress_counts_up_to_the_total(undisturbed: list[Chunks], tmp_path: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    protocol = replace(PROTOCOL, n_hot=0)
    task = Task(SEQUENCE, 350.0, tmp_path)
    sample(task, protocol, progress=lambda *report: seen.append(report))
    assert seen[-1][0] == seen[-1][1] == 125  # 0.1 ps and 0.4 ps of 4 fs
    assert [report[0] for report in seen] == [25, 75, 125]
    assert "ns/day" in seen[-1][2]
    seen.clear()
    sample(task, protocol, progress=lambda *report: seen.append(report))
    assert not seen  # nothing is left to do


def test_another_seed_gives_other_frames(undisturbed: list[Chunks], tmp_path: Path) -> None:
    other = run(tmp_path, replace(PROTOCOL, seed=4, n_hot=0))
    assert np.abs(other[0].read("coords") - undisturbed[0].read("coords")).max() > 0.1


def test_a_folder_of_another_protocol_is_refused(undisturbed: list[Chunks]) -> None:
    folder = undisturbed[0].folder.parent
    with pytest.raises(InputError, match=r"begun with temperature=350.0, not with temperature=300.0"):
        run(folder, temperature=300.0)
    with pytest.raises(InputError, match=r"begun with seed=3, not with seed=4"):
        run(folder, replace(PROTOCOL, seed=4))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"segment_ps": 0.15}, "segment_ps=0.15 is not a whole number of save_ps"),
        ({"ps_per_walker": 0.5}, "ps_per_walker=0.5 is not a whole number of segment_ps"),
        ({"save_ps": 0.0333}, "save_ps=0.0333 is not a whole number of time steps"),
        ({"n_extended": 0, "n_hot": 0}, "at least one"),
        ({"n_hot": 11}, "raise hot_ps"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(change: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        replace(PROTOCOL, **change)  # type: ignore[arg-type]
