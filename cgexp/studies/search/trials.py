"""What a worker does for a trial of a search: its runs, one after another, each an ordinary run folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cgexp.config.compose import Config
from cgexp.errors import MistakeOfOptions, Pruned, sentence_of
from cgexp.executor.apart import Ask
from cgexp.messages import on_screen, only_from
from cgexp.runs.active import run_active
from cgexp.runs.folder import RunFolder, folder_of
from cgexp.runs.pipeline import run
from cgexp.runs.sweeps import objective

DONE, FAILED, PRUNED = "done", "failed", "pruned"


@dataclass(frozen=True)
class Unit:
    """The runs of a trial. objective: a metric that each must have. is_pruned: whether the first may be stopped."""

    configs: Sequence[Config]
    objective: str
    is_pruned: bool = False


@dataclass(frozen=True)
class Ran:
    """What became of a trial: DONE, FAILED or PRUNED, and why; metrics of its finished runs; epochs trained."""

    state: str
    sentence: str = ""
    metrics: Sequence[Mapping[str, float]] = ()
    paths: Sequence[Path] = field(default=())
    epochs: float = 0.0


def do_runs(unit: Unit, ask: Ask) -> Ran:
    """Do the runs of a trial; finished ones are skipped. What goes wrong in a run becomes the trial's sentence.

    ask: is told (epoch, validation loss) of the first run and answers whether to stop it. Raises MistakeOfOptions if
    a run has no such metric as the objective: no other run has it, either.
    """
    metrics: list[Mapping[str, float]] = []
    paths = [folder_of(config).path for config in unit.configs]
    epochs = [0.0]

    def watch(epoch: int, loss: float) -> bool:
        epochs[0] = float(epoch)
        return bool(ask((epoch, loss)))

    with on_screen(), only_from(logging.ERROR):
        for number, config in enumerate(unit.configs):
            try:
                folder = _done(config, watch if unit.is_pruned and number == 0 else None)
                objective(folder, unit.objective, "objective")
                metrics.append(folder.read_metrics())
            except MistakeOfOptions:
                raise
            except Pruned as stopped:
                return Ran(PRUNED, str(stopped), metrics, paths, epochs[0])
            except Exception as error:
                return Ran(FAILED, sentence_of(error), metrics, paths, _epochs(metrics))
    return Ran(DONE, "", metrics, paths, _epochs(metrics))


def _done(config: Config, watch: Any) -> RunFolder:
    if config["active"] is not None:
        return run_active(config, _nothing)
    return run(config, say=_nothing, watch=watch)


def _nothing(_: str) -> None:
    """The search tells of its trials, not of their runs."""


def _epochs(metrics: Sequence[Mapping[str, float]]) -> float:
    return float(sum(of_run.get("epochs", 0.0) for of_run in metrics))
