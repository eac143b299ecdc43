"""Settings that can be run and say nothing are warned of."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from cgexp.config.compose import compose
from cgexp.frames import Frames
from cgexp.runs.check import made_up_frames
from cgexp.runs.experiment import Experiment
from cgexp.runs.sense import warn_of_rest, warn_of_training


@pytest.fixture(scope="module")
def frames() -> Frames:
    return made_up_frames(Experiment.of(compose([])).dataset)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("trainer.noise=1e20", "what is learnt is the noise"),
        ("optimizer.lr=1e30", "set scheduler.max_lr"),
        ("trainer.noise=0.01", ""),
        ("scheduler.max_lr=1e-4", ""),
    ],
)
def test_a_setting_that_spoils_or_does_nothing_is_warned_of(
    override: str, told: str, frames: Frames, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        warn_of_training(Experiment.of(compose([override])), frames)
    assert bool(caplog.records) == bool(told)
    assert told in caplog.text


@pytest.mark.parametrize(("step", "warns"), [(1e-29, True), (0.1, False)])
def test_a_simulation_in_which_nothing_moves_is_warned_of(
    step: float, warns: bool, frames: Frames, caplog: pytest.LogCaptureFixture
) -> None:
    steps = step * np.random.default_rng(0).normal(size=(50, *frames.coords.shape))
    with caplog.at_level(logging.WARNING):
        warn_of_rest(frames.coords + np.cumsum(steps, axis=0), frames)
    assert ("what is judged is where they began" in caplog.text) == warns
