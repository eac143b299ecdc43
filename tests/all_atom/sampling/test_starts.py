"""The protocols: where their walkers start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.all_atom.sampling.protocol import Protocol
from cgexp.all_atom.sampling.starts import Extended, Native, QuenchedSeeds, Seeded, Walkers
from cgexp.all_atom.sampling.task import Task
from cgexp.errors import InputError
from cgexp.store import write_arrays

LENGTHS = {"ps_per_walker": 0.4, "save_ps": 0.04, "drop_ps": 0.0, "segment_ps": 0.2}
HOT = {"hot_temperature": 500.0, "hot_ps": 0.4}


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    pytest.importorskip("openmm")
    return Task("AGA", 350.0, tmp_path_factory.mktemp("starts"))


@pytest.fixture(scope="module")
def frames(task: Task) -> NDArray[np.float64]:
    """Four extended chains of which the second and the fourth are bent."""
    bent = task.extended.positions.copy()
    bent[:, 0] *= 0.5
    more_bent = task.extended.positions.copy()
    more_bent[:, 0] *= 0.2
    return np.stack([task.extended.positions, bent, task.extended.positions + 0.01, more_bent])


def names(protocol: Protocol, task: Task, hot: NDArray[np.float64] | None = None) -> list[str]:
    origins = protocol.origins(task, hot)
    assert len(origins) == protocol.n_walkers
    return [origin.name for origin in origins]


def test_walkers_start_where_the_protocol_says(task: Task, frames: NDArray[np.float64]) -> None:
    assert names(Extended(n_extended=3, **LENGTHS), task) == ["extended"] * 3
    assert names(QuenchedSeeds(n_hot=2, **HOT, **LENGTHS), task, frames) == ["hot frame 3", "hot frame 1"]
    mixed = Walkers(n_native=0, n_extended=2, n_hot=1, **HOT, **LENGTHS)
    assert names(mixed, task, frames) == ["extended", "extended", "hot frame 3"]


def test_native_starts_need_a_native_structure(task: Task, tmp_path: Path) -> None:
    protocol = Native(n_native=2, **LENGTHS)
    with pytest.raises(InputError, match=r"no native torsions are known for 'AGA'.*dataset/protocol=extended"):
        names(protocol, task)
    chignolin = Task("YYDPETGTWY", 350.0, tmp_path)
    assert names(protocol, chignolin) == ["native"] * 2
    assert protocol.origins(chignolin, None)[0].positions is chignolin.native.positions


def test_a_hot_run_is_made_only_for_hot_starts(task: Task) -> None:
    protocol = Walkers(n_native=0, n_extended=1, n_hot=2, **HOT, **LENGTHS)
    (hot,) = protocol.hot_walkers(task)
    assert (hot.temperature, hot.n_steps, hot.forces) == (500.0, 100, False)
    assert replace(protocol, n_hot=0).hot_walkers(task) == []
    assert Extended(n_extended=1, **LENGTHS).hot_walkers(task) == []


def test_seeds_are_chosen_farthest_apart(task: Task, frames: NDArray[np.float64], tmp_path: Path) -> None:
    path = tmp_path / "seeds.npz"
    write_arrays(path, {"positions": frames.astype(np.float32)}, {"sequence": "AGA"})
    seeded = Seeded(path=path, n_seeds=2, **LENGTHS)
    assert names(seeded, task) == ["seed 0", "seed 3"]
    assert names(replace(seeded, n_seeds=1, n_extended=1), task) == ["extended", "seed 3"]
    before = seeded.settings
    assert "path" not in before
    write_arrays(path, {"positions": frames[:3].astype(np.float32)}, {"sequence": "AGA"})
    assert seeded.settings != before  # other frames are another protocol, wherever the file is
    with pytest.raises(InputError, match=r"holds 3 frames: expected at least n_seeds=4"):
        names(replace(seeded, n_seeds=4), task)


@pytest.mark.parametrize(
    ("name", "shape", "sequence", "words"),
    [
        ("coords", (2, 30, 3), "AGA", "holds no seeds"),
        ("positions", (2, 30, 3), "AAA", "for 'AAA': expected"),
        ("positions", (2, 10, 3), "AGA", r"shape \[2, 10, 3\].*expected \[n_frames, 30, 3\]"),
        ("positions", (30, 3), "AGA", "expected"),
    ],
)
def test_seeds_of_another_peptide_are_refused(
    task: Task, tmp_path: Path, name: str, shape: tuple[int, ...], sequence: str, words: str
) -> None:
    path = tmp_path / "seeds.npz"
    write_arrays(path, {name: np.zeros(shape, np.float32)}, {"sequence": sequence})
    with pytest.raises(InputError, match=words):
        Seeded(path=path, n_seeds=1, **LENGTHS).origins(task, None)


def test_broken_seeds_are_refused(task: Task, frames: NDArray[np.float64], tmp_path: Path) -> None:
    path = tmp_path / "seeds.npz"
    with pytest.raises(InputError, match=r"cannot read the seeds file .*seeds.npz"):
        _ = Seeded(path=path, n_seeds=1, **LENGTHS).settings
    broken = frames.copy()
    broken[1, 2, 0] = np.nan
    write_arrays(path, {"positions": broken}, {"sequence": "AGA"})
    with pytest.raises(InputError, match="not finite"):
        Seeded(path=path, n_seeds=1, **LENGTHS).origins(task, None)
