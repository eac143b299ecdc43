"""Every kind of file of a run, flipped, truncated, emptied and deleted: named, made again or harmless, never used.

The default suite takes a sample of the cases; ``make test-slow`` takes all, of a toy, Chignolin and active learning.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from cgexp.config.compose import Config
from cgexp.runs.active import run_active
from cgexp.runs.folder import RunFolder, folder_of
from cgexp.runs.pipeline import run
from cgexp.simulation.simulation import Simulation
from cgexp.training.history import History
from tests.runs import small, test_active
from tests.runs.damage import DAMAGES, judge, kinds, numbers

Configure = Callable[[Path], Config]


class Stopped(BaseException):
    """As a kill would."""


def toy(outputs: Path) -> Config:
    return small.configure(outputs, "experiment=toy_cgnet", "simulation.chunk_frames=5", "figures=png")


def chignolin(outputs: Path) -> Config:
    return small.configure(outputs, "experiment=chignolin_first", "simulation.chunk_frames=5")


def active(outputs: Path) -> Config:
    return test_active.configure(outputs)


RUNS: dict[str, Configure] = {"toy": toy, "chignolin": chignolin, "active": active}
# after how many calls a half-finished run is stopped, in the training and in the simulation
STOPS = {"toy": {"training": 1, "simulation": 2}, "chignolin": {"training": 1, "simulation": 2}}
STOPS["active"] = {"training": 3, "simulation": 2}  # in the second round


def work(config: Config) -> RunFolder:
    return (run_active if config["active"] is not None else run)(config, say=lambda text: None)


@dataclass(frozen=True)
class State:
    """Outputs of a run, and what it comes to undisturbed."""

    outputs: Path
    configure: Configure
    undisturbed: dict[str, float]

    def cases(self, seed: int) -> list[tuple[str, str, int]]:
        """Every file and every damage, with a seed."""
        pairs = [(name, damage) for name in kinds(self.outputs) for damage in DAMAGES]
        return [(*pair, seed + i) for i, pair in enumerate(pairs)]


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], State]:
    """States by the run's name and how far it is, made once."""
    made: dict[tuple[str, str], State] = {}

    def state(name: str, until: str) -> State:
        if (name, until) not in made:
            outputs = tmp_path_factory.mktemp(f"{name}-{until}")
            if until == "finished":
                undisturbed = numbers(work(RUNS[name](outputs)))
            else:
                undisturbed = state(name, "finished").undisturbed
                with stopped_in(until, STOPS[name][until]), pytest.raises(Stopped):
                    work(RUNS[name](outputs))
            made[name, until] = State(outputs, RUNS[name], undisturbed)
        return made[name, until]

    return state


class stopped_in:
    """Stops the ``n``-th epoch or chunk, within."""

    def __init__(self, stage: str, n: int) -> None:
        self.patch, self.n = pytest.MonkeyPatch(), n
        self.owner, self.name = (History, "on_train_epoch_start") if stage == "training" else (Simulation, "chunk")

    def __enter__(self) -> None:
        original, calls = getattr(self.owner, self.name), Counter[str]()

        def counted(*arguments: object) -> object:
            calls["n"] += 1
            if calls["n"] > self.n:
                raise Stopped
            return original(*arguments)

        self.patch.setattr(self.owner, self.name, counted)

    def __exit__(self, *_: object) -> None:
        self.patch.undo()


def met(state: State, cases: list[tuple[str, str, int]], scratch: Path) -> Iterator[tuple[str, str]]:
    """How each case was met, and what failed of it ('' if nothing did)."""
    tree = scratch / "outputs"
    for name, damage, seed in cases:
        shutil.copytree(state.outputs, tree)
        config = state.configure(tree)
        try:
            how = judge(tree, folder_of(config), name, damage, seed, lambda c=config: work(c), state.undisturbed)
            yield f"{damage}: {how}", ""
        except Exception as error:
            yield f"{damage}: failed", f"{damage} {name} (seed {seed}): {type(error).__name__}: {error}"
        shutil.rmtree(tree)


UNTIL = ["finished", "training", "simulation"]


@pytest.fixture
def blank_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take half of a run's time, and what is in them is no matter here."""
    monkeypatch.setattr("cgexp.runs.page.draw", lambda *_: {name: Figure((1, 1)) for name in ("force", "pmf")})


@pytest.mark.parametrize("until", UNTIL)
def test_a_sample_of_damaged_files_of_a_toy(
    states: Callable[[str, str], State], until: str, tmp_path: Path, blank_figures: None
) -> None:
    state = states("toy", until)
    cases = state.cases(seed=0)
    chosen = np.random.default_rng(1).choice(len(cases), 6, replace=False)
    assert [failed for _, failed in met(state, [cases[i] for i in chosen], tmp_path)] == [""] * 6


@pytest.mark.slow
@pytest.mark.timeout(14400)
@pytest.mark.parametrize("until", UNTIL)
@pytest.mark.parametrize("name", list(RUNS))
def test_every_kind_of_file_damaged_in_every_way(
    states: Callable[[str, str], State], name: str, until: str, tmp_path: Path
) -> None:
    state = states(name, until)
    cases = state.cases(seed=100)
    results = list(met(state, cases, tmp_path))
    counts = dict(sorted(Counter(how for how, _ in results).items()))
    print(f"\n{name}, {until}: {len(cases)} cases of {len(kinds(state.outputs))} files: {counts}")
    assert [failed for _, failed in results if failed] == []
