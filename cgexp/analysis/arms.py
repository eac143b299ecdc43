"""Arms of runs side by side: means over seeds, differences where seeds pair, and which arm is best beyond chance."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cgexp.analysis.bootstrap import LEVEL, holm, mean_and_interval, p_of_mean

ALPHA = 1.0 - LEVEL
Setting = str | float | bool | None
# The longest prefix of a metric's name says whether less of it is better or more; no entry: neither.
LESS, MORE = -1, 1
DIRECTIONS: Mapping[str, int | None] = {
    "loss_": LESS,
    "loss_zero_force": None,
    "loss_prior_only": None,
    "loss_noise_floor": None,
    "force_rmse": LESS,
    "pmf_rmse": LESS,
    "leak": LESS,
    "curl_rms": LESS,
    "loop_work_rms": LESS,
    "w1_": LESS,
    "w1_tica_resolution": None,
    "w1_tica_bias": None,
    "w1_tica_split_half_null": None,
    "js_": LESS,
    "kl_": LESS,
    "contact_rmse": LESS,
    "mirror_fraction": LESS,
    "msm_ck_error": LESS,
    "mean_force_rmse": LESS,
    "mean_force_rmse_prior_only": None,
    "mean_force_rmse_zero_force": None,
    "replicas_failed": LESS,
    "exchange_acceptance": MORE,
    "round_trips": MORE,
    "train_seconds": LESS,
    "train_frames_per_second": MORE,
    "simulation_replica_steps_per_second": MORE,
    "memory_peak_mb": LESS,
    "n_parameters": LESS,
    "coverage_max": LESS,
    "oracle_calls": LESS,
    "oracle_s": LESS,
    "labels_": LESS,
}


def direction_of(metric: str) -> int | None:
    """LESS or MORE, whichever is better of a metric; None where neither is, as of a share or of an error."""
    if metric.endswith(("_sem", "_resolution", "_above", "_below", "_reference")):
        return None
    return DIRECTIONS.get(max((prefix for prefix in DIRECTIONS if metric.startswith(prefix)), key=len, default=""))


@dataclass(frozen=True)
class ArmRuns:
    """Runs that differ in their seed alone. settings: what tells the arm from others, key -> value.

    metrics: of each run by what pairs it with runs of other arms, its seed in the simplest case.
    """

    label: str
    settings: Mapping[str, Setting]
    metrics: Mapping[Hashable, Mapping[str, float]]

    def values(self, metric: str) -> dict[Hashable, float]:
        """The finite values of a metric by what pairs them."""
        found = {key: run[metric] for key, run in self.metrics.items() if metric in run}
        return {key: value for key, value in found.items() if math.isfinite(value)}


@dataclass(frozen=True)
class Spread:
    """Values of a metric over the runs of an arm: their number, mean, and standard deviation (None for one run)."""

    n: int
    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        mean = math.fsum(values) / len(values)
        return cls(len(values), mean, float(np.std(values, ddof=1)) if len(values) > 1 else None)


@dataclass(frozen=True)
class Difference:
    """A metric of an arm less that of the baseline over the ``n`` seeds that both have.

    low, high: ends of the 95 % interval by Student's t. p: two-sided. p_holm: corrected for all arms compared with the
    baseline in this metric.
    """

    n: int
    mean: float
    low: float
    high: float
    p: float
    p_holm: float

    @property
    def is_significant(self) -> bool:
        """Whether chance alone gives such a difference in less than one case of twenty, all arms taken together."""
        return self.p_holm < ALPHA


@dataclass(frozen=True)
class Comparison:
    """arms in order; columns: keys of their settings; metrics: names. baseline: which arm the others are less.

    spreads, differences: one mapping of metric -> numbers for each arm; no entry where there is nothing to say.
    best: metric -> the arm that is significantly better than every other one; no entry where none is.
    """

    columns: tuple[str, ...]
    metrics: tuple[str, ...]
    arms: tuple[ArmRuns, ...]
    baseline: int
    spreads: tuple[Mapping[str, Spread], ...]
    differences: tuple[Mapping[str, Difference], ...]
    best: Mapping[str, int]


def compare_arms(arms: Sequence[ArmRuns], columns: Sequence[str], metrics: Sequence[str], baseline: int) -> Comparison:
    """Compare every arm with ``arms[baseline]``, and find the best of each metric that has a direction."""
    spreads = [
        {name: Spread.of(list(values.values())) for name in metrics if (values := arm.values(name))} for arm in arms
    ]
    by_metric = {name: _differences(arms, name, baseline) for name in metrics}
    differences = [{name: of_arm[i] for name, of_arm in by_metric.items() if i in of_arm} for i in range(len(arms))]
    best = {name: found for name in metrics if (found := _best(arms, spreads, name)) is not None}
    return Comparison(tuple(columns), tuple(metrics), tuple(arms), baseline, tuple(spreads), tuple(differences), best)


def paired(first: ArmRuns, second: ArmRuns, metric: str) -> list[float]:
    """``metric`` of the first arm less that of the second, for the seeds that both have."""
    a, b = first.values(metric), second.values(metric)
    return [a[key] - b[key] for key in a if key in b]


def _differences(arms: Sequence[ArmRuns], metric: str, baseline: int) -> dict[int, Difference]:
    """Of every arm that shares two seeds with the baseline."""
    pairs = {i: paired(arm, arms[baseline], metric) for i, arm in enumerate(arms) if i != baseline}
    pairs = {i: found for i, found in pairs.items() if len(found) > 1}
    p = [float(p_of_mean(np.array(found))) for found in pairs.values()]
    result = {}
    for (i, found), one, corrected in zip(pairs.items(), p, holm(np.array(p)), strict=True):
        mean, low, high = mean_and_interval(np.array(found))
        assert low is not None
        assert high is not None
        result[i] = Difference(len(found), float(mean), float(low), float(high), one, float(corrected))
    return result


def _best(arms: Sequence[ArmRuns], spreads: Sequence[Mapping[str, Spread]], metric: str) -> int | None:
    """The arm of the best mean, if paired tests find it better than every other one.

    It is one of all pairs of arms that could have turned out best, so the tests are corrected for all of these.
    """
    direction, known = direction_of(metric), [i for i, found in enumerate(spreads) if metric in found]
    if direction is None or len(known) < 2:
        return None
    best = max(known, key=lambda i: direction * spreads[i][metric].mean)
    pairs = [paired(arms[best], arms[i], metric) for i in known if i != best]
    if any(len(found) < 2 or direction * math.fsum(found) <= 0.0 for found in pairs):
        return None
    p = np.array([float(p_of_mean(np.array(found))) for found in pairs])
    n_tests = len(known) * (len(known) - 1) // 2
    return best if bool((holm(p, n_tests) < ALPHA).all()) else None
