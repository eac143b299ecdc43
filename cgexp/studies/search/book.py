"""The trials of a search as Optuna keeps them: a journal of JSON lines, which optuna-dashboard opens. Holds no pickle.

One process writes it, which holds the lock of the search's folder. A journal whose last line was cut off by a kill is
mended when it is opened.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cgexp.config.space import Dimension, Value
from cgexp.studies.query import Condition
from cgexp.studies.search.settings import Settings
from cgexp.studies.search.trials import DONE, FAILED, PRUNED, Ran

if TYPE_CHECKING:
    import optuna

JOURNAL = "study.log"
REDUCTION = 3  # of the trials that reach a rung of successive halving, one in three goes on
STARTS = 10  # trials that are drawn at random before a sampler learns from them
SENTENCE, RUNS, VALUES, EPOCHS, HELD = "sentence", "runs", "values", "epochs", "constraints"  # of a trial's own records


class Book:
    """All trials of one search: gives the next one, is told what became of it.

    folder: of the search, locked by the caller. Trials that were begun by an earlier call, and not ended, are given
    again before new ones. start: values of the first trial; None: as the sampler chooses.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        space: Sequence[Dimension],
        start: Mapping[str, Value] | None = None,
    ) -> None:
        import optuna
        from optuna.storages.journal import JournalFileBackend

        self._optuna, self.settings, self.space = optuna, settings, space
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path = folder / JOURNAL
        mend(path)
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
        self.study = optuna.create_study(
            storage=storage,
            study_name=settings.name,
            direction=settings.direction,
            load_if_exists=True,
            pruner=self._pruner(),
        )
        self._open: dict[int, optuna.Trial] = {}
        if start is not None and not self.trials:
            self.study.enqueue_trial(dict(start))

    @property
    def trials(self) -> list[optuna.trial.FrozenTrial]:
        """All trials there are, in the order in which they were begun."""
        found: list[optuna.trial.FrozenTrial] = self.study.get_trials(deepcopy=False)
        return found

    @property
    def n_ended(self) -> int:
        return sum(trial.state.is_finished() for trial in self.trials)

    @property
    def n_begun(self) -> int:
        return sum(trial.state != self._optuna.trial.TrialState.WAITING for trial in self.trials)

    def interrupted(self) -> list[int]:
        """Numbers of the trials that an earlier call has begun and not ended."""
        running = self._optuna.trial.TrialState.RUNNING
        left = [trial for trial in self.trials if trial.state == running and trial.number not in self._open]
        for trial in left:
            self._open[trial.number] = self._optuna.Trial(self.study, trial._trial_id)
        return [trial.number for trial in left]

    def begin(self) -> int:
        """Begin a new trial; return its number."""
        # by the trial's number, so that a search that was interrupted chooses what an undisturbed one does
        self.study.sampler = self._sampler(self.n_begun)
        trial = self.study.ask()
        self._open[trial.number] = trial
        return int(trial.number)

    def values(self, number: int) -> dict[str, Value]:
        """The values of a trial, by key."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna's own: of a GP among categories, and of steps that do not divide
            return {one.key: one.rounded(_suggested(self._open[number], one)) for one in self.space}

    def report(self, number: int, told: tuple[int, float]) -> bool:
        """Note the validation loss after an epoch, (epoch, loss); return whether to stop the trial."""
        (epoch, loss), trial = told, self._open[number]
        if epoch not in self.trials[number].intermediate_values:
            trial.report(self.settings.sign * loss, epoch)
        return bool(trial.should_prune())

    def end(self, number: int, ran: Ran) -> None:
        """Note what became of a trial."""
        trial, states = self._open.pop(number), self._optuna.trial.TrialState
        values = [of_run[self.settings.objective] for of_run in ran.metrics]
        sentence = ran.sentence
        if ran.state == DONE and not all(map(math.isfinite, values)):
            sentence = f"{self.settings.objective} is {', '.join(map(str, values))}, which is no number"
        elif ran.state == DONE and (missing := self._missing(ran.metrics)):
            sentence = f"a run has no finite {missing}, of which a constraint is"
        for name, content in (
            (SENTENCE, sentence),
            (RUNS, [path.name for path in ran.paths]),
            (VALUES, [value if math.isfinite(value) else None for value in values]),
            (EPOCHS, ran.epochs),
        ):
            trial.set_user_attr(name, content)
        if ran.state == PRUNED:
            self.study.tell(number, state=states.PRUNED)
        elif ran.state == FAILED or sentence:
            self.study.tell(number, state=states.FAIL)
        else:
            for one in self.settings.constraints:
                excess = max(excess_of(one, of_run[one.key]) for of_run in ran.metrics)
                trial.set_constraint(f"{one.key}{one.sign}{one.value}", excess)
            self.study.tell(number, sum(values) / len(values))

    def _missing(self, metrics: Sequence[Mapping[str, float]]) -> str | None:
        """The metric of a constraint that a run does not have as a finite number."""
        keys = [one.key for one in self.settings.constraints]
        return next((key for key in keys for of_run in metrics if not math.isfinite(of_run.get(key, math.nan))), None)

    def _pruner(self) -> optuna.pruners.BasePruner:
        pruners = self._optuna.pruners
        if self.settings.pruner == "none":
            return pruners.NopPruner()
        return pruners.SuccessiveHalvingPruner(min_resource=self.settings.min_epochs, reduction_factor=REDUCTION)

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        samplers, seed = self._optuna.samplers, 1000 * self.settings.seeds[0] + number
        if self.settings.sampler == "random":
            return samplers.RandomSampler(seed=seed)
        if self.settings.sampler == "gp":
            return samplers.GPSampler(seed=seed, n_startup_trials=STARTS)
        return samplers.TPESampler(seed=seed, n_startup_trials=STARTS, multivariate=True)


def mend(path: Path) -> None:
    """Take away what a kill has left of a journal: a last line without an end, and Optuna's lock file."""
    for lock in path.parent.glob(f"{path.name}.lock*"):
        lock.unlink()
    if path.is_file():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with open(path, "r+b") as file:
                file.truncate(whole)


def excess_of(condition: Condition, value: float) -> float:
    """By how much a metric breaks a condition; 0 or less where it holds."""
    limit = float(condition.value)  # type: ignore[arg-type]
    if condition.sign == "=":
        return abs(value - limit)
    excess = value - limit if "<" in condition.sign else limit - value
    return math.ulp(limit) if excess == 0.0 and "=" not in condition.sign else excess


def _suggested(trial: optuna.Trial, one: Dimension) -> Any:
    """The value of a trial; one that has it already keeps it."""
    if one.values:
        return trial.suggest_categorical(one.key, one.values)
    if one.is_whole:
        return trial.suggest_int(one.key, int(one.low), int(one.high), step=int(one.step or 1), log=one.log)
    return trial.suggest_float(one.key, one.low, one.high, step=one.step, log=one.log)
