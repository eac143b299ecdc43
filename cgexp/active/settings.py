"""ActiveLearning: the settings of the loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cgexp.parts.marks import ExecutionOnly
from cgexp.parts.part import Part
from cgexp.parts.ranges import NonNegative, NonNegativeInt, Positive, PositiveInt


@dataclass(frozen=True, kw_only=True)
class ActiveLearning(Part):
    """How to learn actively: the config group ``active``.

    n_rounds: rounds that add labels; the model trained after the last is judged, too. n_per_round: configurations that
    the oracle is asked for in a round. arm: ``learning`` takes what the acquisition rule selects from the model's
    simulation; ``plain`` what the oracle's own sampling gives when it goes on from the data; ``none`` adds nothing.
    mode: ``fresh`` trains a new network each round, ``warm`` one that begins with the last one's weights, ``online``
    goes on with weights and optimiser. n_models: networks of each round, of which the first is simulated. pool_stride:
    every so many saved frames are candidates, at most pool_size of them, drawn evenly. proposals: what the simulation
    that proposes candidates, which begins at frames of the data as they are by then, has other than the one that a
    model is judged by, which is that of the config and begins at the initial frames in every round and arm.
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
    budget_calls: PositiveInt | None = None
    budget_s: Positive | None = None
    timeout_s: ExecutionOnly[Positive | None] = None
    stop_coverage: NonNegative | None = None
    stop_metric: str | None = None
    stop_patience: PositiveInt = 2
