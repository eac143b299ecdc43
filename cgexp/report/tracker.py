"""WandbRun: what a stage may tell Weights & Biases of a run; nothing that goes wrong here ends the run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import wandb

log = logging.getLogger(__name__)

# what numbers are of -> the number that they are drawn against
AXES = {"train": "epoch", "sim": "time", "round": "round"}
LOWEST_KEPT = ("train/loss_*", "train/objective*", "round/w1_*")  # whose minimum is in the summary beside the last


@dataclass(frozen=True)
class Chart:
    """A table of named columns of one length, and which two of them are drawn as a line; x None: the table alone."""

    columns: Mapping[str, Sequence[float | None]]
    title: str = ""
    x: str | None = None
    y: str | None = None


@dataclass(frozen=True)
class Artefact:
    """Files of a run that others may be made from, by reference: W&B gets paths and hashes, no copies.

    kind: dataset, potential, trajectory or metrics. files: name -> path. is_input: whether the run was made from it.
    """

    name: str
    kind: str
    files: Mapping[str, Path]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    is_input: bool = False


class WandbRun:
    """What a stage may tell W&B; every method does nothing where W&B is off, or from its first failure on."""

    def __init__(self, run: wandb.Run | None = None) -> None:
        self._run = run
        self._last: dict[str, float] = {}
        self._tell(self._define)

    @property
    def is_told(self) -> bool:
        """Whether W&B is on, and nothing went wrong so far."""
        return self._run is not None

    def log(self, of: str, row: Mapping[str, float]) -> None:
        """Log one row of numbers along an axis (see AXES), named ``of/name``; NaN is left out.

        A row that was told before, in this call of the program or an earlier one, is not told again.
        """
        place = row[AXES[of]]
        if self._run is None or place <= self._last.get(of, float("-inf")):
            return
        self._last[of] = place
        named = {f"{of}/{name}": value for name, value in row.items() if not isnan(value)}
        self._tell(lambda run: run.log(named))

    def summarise(self, of: str, metrics: Mapping[str, float]) -> None:
        """Set final numbers, named ``of/name``."""
        self._tell(lambda run: run.summary.update({f"{of}/{name}": value for name, value in metrics.items()}))

    def images(self, paths: Mapping[str, Path]) -> None:
        """Log figures by name."""

        def tell(run: wandb.Run) -> None:
            import wandb

            if paths:
                run.log({f"figures/{name}": wandb.Image(str(path)) for name, path in paths.items()})

        self._tell(tell)

    def charts(self, charts: Mapping[str, Chart]) -> None:
        """Log tables by name; one that says what is drawn is a chart in which the lines of many runs overlay."""

        def tell(run: wandb.Run) -> None:
            import wandb

            logged: dict[str, Any] = {}
            for name, chart in charts.items():
                rows = [list(row) for row in zip(*chart.columns.values(), strict=True)]
                table = wandb.Table(columns=list(chart.columns), data=rows)
                if chart.x is None or chart.y is None:
                    logged[f"tables/{name}"] = table
                else:
                    logged[f"charts/{name}"] = wandb.plot.line(table, chart.x, chart.y, title=chart.title)
            if logged:
                run.log(logged)

        self._tell(tell)

    def artefact(self, artefact: Artefact) -> None:
        """Record files as what the run was made from, or as what it made."""

        def tell(run: wandb.Run) -> None:
            import wandb

            found = wandb.Artifact(artefact.name, type=artefact.kind, metadata=dict(artefact.metadata))
            for name, path in artefact.files.items():
                found.add_reference(path.resolve().as_uri(), name=name)
            if not artefact.is_input:
                run.log_artifact(found)
            elif run.offline:  # where W&B's public use_artifact refuses, though its file has a place for it
                run._log_artifact(found, is_user_created=True, use_after_commit=True)
            else:
                run.use_artifact(found)

        self._tell(tell)

    def fail(self, sentence: str) -> None:
        """Record why the run failed."""
        self._tell(lambda run: run.summary.update({"failed": sentence}))

    def _define(self, run: wandb.Run) -> None:
        """Say what each kind of numbers is drawn against; take notice of how far an earlier call came."""
        for of, axis in AXES.items():
            run.define_metric(f"{of}/{axis}", hidden=True, summary="last")
            run.define_metric(f"{of}/*", step_metric=f"{of}/{axis}", summary="last")
        for names in LOWEST_KEPT:
            of = names.partition("/")[0]
            run.define_metric(names, step_metric=f"{of}/{AXES[of]}", summary="min,last")
        for of, axis in AXES.items():
            told = run.summary.get(f"{of}/{axis}")
            if isinstance(told, Mapping):
                told = told.get("last")
            if isinstance(told, int | float):
                self._last[of] = float(told)

    def _tell(self, call: Callable[[wandb.Run], None]) -> None:
        if self._run is None:
            return
        try:
            call(self._run)
        except Exception as error:  # of many libraries: none of them may stop a run
            self._run = None
            tell_lost(error)


def tell_lost(error: Exception) -> None:
    """Say that W&B failed."""
    log.warning("W&B failed and is told no more of this run, which goes on (%s: %s)", type(error).__name__, error)
