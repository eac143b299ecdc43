"""What `cgexp check` lets pass, runs: random options and numbers that look valid, in runs of seconds."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from cgexp.config.checks import check
from cgexp.config.compose import Config, compose
from cgexp.config.paths import group_options
from cgexp.errors import InputError
from cgexp.runs.check import report
from cgexp.runs.pipeline import run
from tests.fuzz.cases import keys

BASES = ("toy_cgnet", "toy_julia", "chignolin_first")
VARIED = ("model", "prior", "loss", "optimizer", "scheduler", "trainer", "analysis", "simulation")
FIXED = ("n_frames", "max_epochs", "n_steps", "save_every", "n_replicas", "num_threads", "n_parallel", "n_nodes")
NOT_HERE = ("trainer=gpu",)


def random_overrides(generator: random.Random, outputs: Path, bases: Sequence[str] = BASES) -> list[str]:
    """A base, up to two other options, and up to three numbers that are halved or doubled."""
    overrides = [f"experiment={generator.choice(bases)}", "debug=fast", "figures=none", f"outputs={outputs}"]
    for group in generator.sample(VARIED, generator.randint(0, 2)):
        option = f"{group}={generator.choice(group_options(group))}"
        overrides += [] if option in NOT_HERE else [option]
    try:
        config = compose(overrides)
    except InputError:
        return overrides
    numbers = [
        (".".join(path), value)
        for group in VARIED
        for path, value in keys(config[group], (group,))
        if type(value) in (int, float) and value and path[-1] not in FIXED
    ]
    for key, value in generator.sample(numbers, min(len(numbers), generator.randint(0, 3))):
        overrides.append(f"{key}={type(value)(value * generator.choice((0.5, 2)))}")
    return overrides


FINE = ("refused", "ran", "diverged")


def outcome(overrides: list[str]) -> str:
    """refused, ran, diverged (hardly trained, which no check can know), or what a run raised that check let pass."""
    try:
        config: Config = compose(overrides)
        check(config)
        list(report(config))
    except InputError:
        return "refused"
    try:
        run(config, say=lambda text: None)
    except Exception as error:  # whatever else it is, check should have said it
        if isinstance(error, InputError) and "the last at step" in str(error):
            return "diverged"
        return f"{' '.join(overrides)}: {type(error).__name__}: {error}"
    return "ran"


def outcomes(n: int, seed: int, outputs: Path, bases: Sequence[str] = BASES) -> list[str]:
    """Those of ``n`` random configs."""
    generator = random.Random(seed)
    return [outcome(random_overrides(generator, outputs, bases)) for _ in range(n)]


def test_a_few_that_check_lets_pass_run(tmp_path: Path) -> None:
    assert set(outcomes(2, 0, tmp_path, ("toy_cgnet",))) <= {*FINE}


@pytest.mark.slow
@pytest.mark.timeout(14400)
def test_four_hundred_that_check_lets_pass_run(tmp_path: Path) -> None:
    found = outcomes(400, 1, tmp_path)
    wrong = [one for one in found if one not in FINE]
    print(f"\n{Counter(one if one in FINE else 'failed' for one in found)}", *wrong, sep="\n")
    assert wrong == []
