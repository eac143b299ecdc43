"""Whether the numbers of a study are within the bounds of its expected.yaml."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from cgexp.studies.study import Study


def violations(study: Study, numbers: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """A sentence for every number of expected.yaml that is missing or outside its bounds."""
    for name, (what, low, high) in study.expected.items():
        if name not in numbers:
            yield f"OUTSIDE {name}: expected {what} within {_interval(low, high)}, but there is no such number"
            continue
        values = np.asarray(numbers[name], dtype=np.float64)
        for value in [values.mean()] if what == "mean" else values:
            # written so that NaN is outside
            if not ((low is None or value >= low) and (high is None or value <= high)):
                yield f"OUTSIDE {name}: {what} {value:.6g}, expected within {_interval(low, high)}"


def all_within(study: Study, as_kept: Collection[str]) -> str:
    """What is said where there are no violations. as_kept: numbers that were not computed again."""
    n_kept = len(study.expected.keys() & set(as_kept))
    text = f"all {len(study.expected)} expected numbers are within their bounds"
    return f"{text}, but {n_kept} of them were not computed again: they are as kept" if n_kept else text


def _interval(low: float | None, high: float | None) -> str:
    return f"[{-math.inf if low is None else low:g}, {math.inf if high is None else high:g}]"
