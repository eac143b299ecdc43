"""A search whose runs are made up: each has the loss that a formula gives, and nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cgexp.config.compose import Config
from cgexp.config.identity import run_id
from cgexp.config.space import Dimension, Value
from cgexp.executor.apart import Outcome
from cgexp.studies.query import conditions
from cgexp.studies.search.search import Search
from cgexp.studies.search.settings import Settings
from cgexp.studies.search.trials import DONE, PRUNED, Ran, Unit
from tests.studies.synthetic import config_with, put

SPACE = [
    Dimension("model.width", low=8, high=512, is_whole=True, log=True),
    Dimension("scheduler.max_lr", low=1e-4, high=1e-1, log=True),
    Dimension("model.activation", values=("silu", "tanh")),
]
Metrics = Callable[[Config], Mapping[str, float]]


class MadeUp(Search):
    """A search whose configs are put together without Hydra."""

    def configs(self, values: Mapping[str, Value], seeds: Sequence[int]) -> list[Config]:
        changes: dict[str, Any] = {key.replace(".", "__"): value for key, value in values.items()}
        return [{**config_with(seed, **changes), "outputs": self.default["outputs"]} for seed in seeds]


def made_up(outputs: Path, constraints: str = "", **changes: Any) -> MadeUp:
    """A search below ``outputs``. changes: of its settings."""
    settings = Settings(
        name="made_up",
        space="made_up",
        objective="w1_x",
        n_trials=12,
        direction="minimize",
        sampler="random",
        pruner="none",
        min_epochs=2,
        seeds=(0,),
        constraints=tuple(conditions(constraints)) if constraints else (),
        n_jobs=1,
        timeout=None,
        confirm=0,
    )
    default = {**config_with(0), "outputs": str(outputs)}
    return MadeUp(replace(settings, **changes), SPACE, ["experiment=toy_cgnet"], default)


def loss_of(config: Config) -> Mapping[str, float]:
    """Least for a width of 64 and a rate of 0.01."""
    width, rate = config["model"]["width"], config["scheduler"]["max_lr"]
    off = abs(width / 64.0 - 1.0) + abs(rate / 0.01 - 1.0)
    return {"w1_x": off + 0.001 * config["seed"], "replicas_failed": float(width > 100), "epochs": 12.0}


def ran_with(metrics: Metrics = loss_of, writes: bool = False) -> Callable[[Unit, Any], Ran]:
    """In place of ``do_runs``: a run that may be pruned tells 12 epochs. writes: folders of the runs, too."""

    def work(unit: Unit, ask: Any) -> Ran:
        found, paths = [], []
        for config in unit.configs:
            of_run = metrics(config)
            for epoch in range(1, 12) if unit.is_pruned and config is unit.configs[0] else ():
                if ask((epoch, of_run["w1_x"] + 1.0 / epoch)):
                    return Ran(PRUNED, f"stopped after epoch {epoch} of 12", found, paths, float(epoch))
            outputs, name = Path(config["outputs"]), run_id(config)
            paths.append(put(outputs, name, config, of_run).path if writes else outputs / "toy_cgnet" / name)
            found.append(of_run)
        return Ran(DONE, "", found, paths, 12.0 * len(found))

    return work


def inline(
    work: Any, units: Iterator[Any], n_workers: int, timeout_s: float | None = None, answer: Any = None
) -> Iterator[tuple[Any, Outcome]]:
    """In place of ``do_apart``: in this process."""
    for name, unit in units:
        yield name, Outcome(work(unit, lambda told, name=name: answer(name, told)), 0.0)
