"""ActiveLearning: the settings of the loop, and when it stops before its last round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cgexp.active.round import Round
from cgexp.errors import InputError, did_you_mean
from cgexp.parts.part import Part
from cgexp.parts.ranges import ExecutionOnly, NonNegative, NonNegativeInt, OpenFraction, Positive, PositiveInt


@dataclass(frozen=True, kw_only=True)
class ActiveLearning(Part):
    """How to learn actively: the config group ``active``.

    n_rounds: rounds that add labels; the model trained after the last is judged, too. n_per_round: configurations that
    the oracle is asked for in a round. arm (of active learning, not of a study): which labels
    a round adds. ``learning`` takes what the acquisition rule selects from the model's
    simulation; ``plain`` what the oracle's own sampling gives when it goes on from the data; ``none`` adds nothing.
    mode: ``fresh`` trains a new network each round, ``warm`` one that begins with the last one's weights, ``online``
    goes on with weights and optimiser. n_models: networks of each round, of which the first is simulated. pool_stride:
    every so many saved frames are candidates, at most pool_size of them, drawn evenly. proposals: what the simulation
    that proposes candidates, which begins at frames of the data as they are by then, has other than the one that a
    model is judged by, which is that of the config and begins at the initial frames in every round and arm.
    refit_prior: the prior is fitted in every round to the data as they are by then, not once to the initial frames.
    added_share: of the weight that frames have in the loss and in a refitted prior, that of the added ones together;
    the mean force at a configuration does not depend on how often it is seen, so that what is fitted stays the same.
    None: as many as they are.
    budget_calls, budget_s: configurations and CPU seconds of the oracle in all rounds. timeout_s: seconds for one
    configuration, which is then given up. stop_coverage: length; stop when no candidate is farther from the frames that
    are labelled or were asked for. stop_metric: a metric that is to fall; stop when for stop_patience rounds it has
    not fallen by more than its resolution. None: no such limit.
    """

    n_rounds: NonNegativeInt = 5
    n_per_round: PositiveInt = 20
    arm: Literal["learning", "plain", "none"] = "learning"
    mode: Literal["fresh", "warm", "online"] = "fresh"
    n_models: PositiveInt = 1
    pool_stride: PositiveInt = 1
    pool_size: PositiveInt = 100_000
    proposals: Mapping[str, Any] | None = None
    refit_prior: bool = False
    added_share: OpenFraction | None = None
    budget_calls: PositiveInt | None = None
    budget_s: Positive | None = None
    timeout_s: ExecutionOnly[Positive | None] = None
    stop_coverage: NonNegative | None = None
    stop_metric: str | None = None
    stop_patience: PositiveInt = 2

    def proposes_apart(self, number: int) -> bool:
        """Whether a simulation of its own proposes the candidates of round ``number``, not the one that judges."""
        return self.arm == "learning" and (number > 0 or bool(self.proposals))


def stop_reason(
    settings: ActiveLearning, rounds: Sequence[Round], metrics: Mapping[str, float], coverage: float
) -> str | None:
    """Why no labels are added after this round's model was judged, in words; None to go on.

    rounds: of the rounds before. metrics, coverage (length): of this round.
    """
    if len(rounds) >= settings.n_rounds:
        return f"all {settings.n_rounds} rounds are done"
    if settings.budget_calls is not None and spent_calls(rounds) >= settings.budget_calls:
        return f"the budget of {settings.budget_calls} configurations is spent"
    if settings.budget_s is not None and spent_seconds(rounds) >= settings.budget_s:
        return f"the budget of {settings.budget_s:g} CPU seconds is spent"
    if settings.stop_coverage is not None and coverage <= settings.stop_coverage:
        return f"every candidate is within {settings.stop_coverage:g} of a frame that is labelled or was asked for"
    if settings.stop_metric is not None and not _gains(settings, rounds, metrics):
        return f"{settings.stop_metric} has not gained more than its resolution in {settings.stop_patience} rounds"
    return None


def n_affordable(settings: ActiveLearning, rounds: Sequence[Round]) -> int:
    """How many configurations the oracle may be asked for in this round."""
    if settings.budget_calls is None:
        return settings.n_per_round
    return max(0, min(settings.n_per_round, settings.budget_calls - spent_calls(rounds)))


def seconds_left(settings: ActiveLearning, rounds: Sequence[Round]) -> float | None:
    """CPU seconds that the oracle may use in this round; None: any."""
    return None if settings.budget_s is None else max(0.0, settings.budget_s - spent_seconds(rounds))


def spent_calls(rounds: Sequence[Round]) -> int:
    """Configurations that the oracle has answered in all rounds."""
    return sum(of_round.oracle_calls for of_round in rounds)


def spent_seconds(rounds: Sequence[Round]) -> float:
    """CPU seconds of the oracle in all rounds."""
    return float(sum(of_round.oracle_s for of_round in rounds))


def _gains(settings: ActiveLearning, rounds: Sequence[Round], metrics: Mapping[str, float]) -> bool:
    """Whether a metric's best of the last rounds is below its best before by more than what can be told apart."""
    name = settings.stop_metric
    assert name is not None
    # where all replicas of the study temperature failed, a round has no ensemble to judge
    known = metrics.get("replicas_failed_fraction", 0.0) > 0.0 or any(name in of_round.metrics for of_round in rounds)
    if name not in metrics and not known:
        raise InputError(
            f"active.stop_metric={name} is no metric of this run{did_you_mean(name, metrics)}: expected one of "
            f"{', '.join(key for key in metrics if key.startswith('w1_'))} or another"
        )
    values = [of_round.metrics.get(name, float("inf")) for of_round in rounds] + [metrics.get(name, float("inf"))]
    if len(values) <= settings.stop_patience:
        return True
    resolution = metrics.get(f"{name}_resolution", 2.0 * metrics.get(f"{name}_sem", 0.0))
    return min(values[-settings.stop_patience :]) < min(values[: -settings.stop_patience]) - resolution
