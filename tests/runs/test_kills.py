"""Any command, killed at random moments and given again, ends as if undisturbed and leaves nothing behind."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cgexp.training.history import ArrayCheckpointIO
from tests.runs.kills import Harness, Series, differences, server, state_of
from tests.runs.test_active import TINY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")

TOY = ("debug=fast", "experiment=toy_cgnet", "figures=none", "simulation.chunk_frames=5")
SWEEP = ("-m", "launcher=joblib", "seed=1,2")
SERIES = [
    Series("data", "data", ("debug=fast", "dataset=toy_cgnet_langevin"), 40),
    Series("train", "train", (*TOY, "trainer.max_epochs=4"), 40),
    Series("simulate", "simulate", TOY, 40, after=("train",)),
    Series("evaluate", "evaluate", TOY, 40, after=("train", "simulate")),
    Series("active", "active", tuple(TINY), 40),
    Series("sweep", "run", (*SWEEP, *TOY), 30),
]


def first(series: Series) -> tuple[str, ...]:
    """A command that does all that the one of a series does, in an empty folder.

    Of a sweep it is a single run: a pool of workers does not survive the fork that comes after.
    """
    options = [option for option in series.options if option not in SWEEP]
    return ("run" if series.after else series.verb, *options)


def test_a_training_that_is_killed_twice(tmp_path: Path) -> None:
    with server(tmp_path / "server", first(SERIES[1])) as one:
        counts = Harness(one, tmp_path, seed=0).run(replace(SERIES[1], n=2))
    assert counts.wrong == []
    assert sum(counts.kills.values()) >= 2


@pytest.mark.slow
@pytest.mark.timeout(14400)
@pytest.mark.parametrize("series", SERIES, ids=lambda series: series.name)
def test_killed_at_random_moments(series: Series, tmp_path: Path) -> None:
    with server(tmp_path / "server", first(series)) as one:
        counts = Harness(one, tmp_path, seed=1).run(series)
    print(f"\n{series.name}: {counts}", *counts.wrong, sep="\n")
    assert counts.wrong == []
    assert sum(counts.kills.values()) >= series.n


def test_checkpoints_are_compared_without_seconds_and_folders(tmp_path: Path) -> None:
    """Their bytes always differ; what a training goes on from does not."""
    states = []
    for name, weight in (("a", 1.0), ("b", 1.0), ("c", 2.0)):
        checkpoint = {
            "state_dict": {"w": torch.tensor([weight])},
            "callbacks": {"History": {"seconds": len(states), "rows": [{"epoch": 0, "seconds": len(states)}]}},
            "best": {f"/{name}/best.ckpt": 0.5},
        }
        ArrayCheckpointIO().save_checkpoint(checkpoint, tmp_path / name / "last.ckpt")
        states.append(state_of(tmp_path / name))
    assert differences(states[0], states[1]) == []
    assert differences(states[0], states[2]) == ["last.ckpt differs"]


def test_what_is_left_and_what_differs_is_seen(tmp_path: Path) -> None:
    (tmp_path / "prior.json").write_text("1")
    before = state_of(tmp_path)
    (tmp_path / "prior.json").write_text("2")
    (tmp_path / "x.part").write_text("")
    assert differences(before, state_of(tmp_path)) == ["x.part is left", "prior.json differs"]
