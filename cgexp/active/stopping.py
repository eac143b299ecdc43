"""When the loop stops before its last round, and how much the oracle may still be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cgexp.active.settings import ActiveLearning
from cgexp.errors import InputError, did_you_mean

Record = Mapping[str, Any]  # of a round, as in round.json


def stop_reason(
    settings: ActiveLearning, records: Sequence[Record], metrics: Mapping[str, float], coverage: float
) -> str | None:
    """Why no labels are added after this round's model was judged, in words; None to go on.

    records: of the rounds before. metrics, coverage (length): of this round.
    """
    if len(records) >= settings.n_rounds:
        return f"all {settings.n_rounds} rounds are done"
    if settings.budget_calls is not None and spent(records, "oracle_calls") >= settings.budget_calls:
        return f"the budget of {settings.budget_calls} configurations is spent"
    if settings.budget_s is not None and spent(records, "oracle_s") >= settings.budget_s:
        return f"the budget of {settings.budget_s:g} CPU seconds is spent"
    if settings.stop_coverage is not None and coverage <= settings.stop_coverage:
        return f"every candidate is within {settings.stop_coverage:g} of a frame that is labelled or was asked for"
    if settings.stop_metric is not None and not _gains(settings, records, metrics):
        return f"{settings.stop_metric} has not gained more than its resolution in {settings.stop_patience} rounds"
    return None


def n_affordable(settings: ActiveLearning, records: Sequence[Record]) -> int:
    """How many configurations the oracle may be asked for in this round."""
    if settings.budget_calls is None:
        return settings.n_per_round
    return max(0, min(settings.n_per_round, settings.budget_calls - int(spent(records, "oracle_calls"))))


def seconds_left(settings: ActiveLearning, records: Sequence[Record]) -> float | None:
    """CPU seconds that the oracle may use in this round; None: any."""
    return None if settings.budget_s is None else max(0.0, settings.budget_s - spent(records, "oracle_s"))


def spent(records: Sequence[Record], name: str) -> float:
    """Sum of a number over rounds."""
    return float(sum(record[name] for record in records))


def _gains(settings: ActiveLearning, records: Sequence[Record], metrics: Mapping[str, float]) -> bool:
    """Whether a metric's best of the last rounds is below its best before by more than what can be told apart."""
    name = settings.stop_metric
    assert name is not None
    # where all replicas of the study temperature failed, a round has no ensemble to judge
    known = metrics.get("replicas_failed_fraction", 0.0) > 0.0 or any(name in record["metrics"] for record in records)
    if name not in metrics and not known:
        raise InputError(
            f"active.stop_metric={name} is no metric of this run{did_you_mean(name, metrics)}: expected one of "
            f"{', '.join(key for key in metrics if key.startswith('w1_'))} or another"
        )
    values = [record["metrics"].get(name, float("inf")) for record in records] + [metrics.get(name, float("inf"))]
    if len(values) <= settings.stop_patience:
        return True
    resolution = metrics.get(f"{name}_resolution", 2.0 * metrics.get(f"{name}_sem", 0.0))
    return min(values[-settings.stop_patience :]) < min(values[: -settings.stop_patience]) - resolution
