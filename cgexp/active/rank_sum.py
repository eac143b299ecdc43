"""RankSum: several rules at once, each by the rank that it gives a frame."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cgexp.active.acquisition import Context, Coords, ScoreRule
from cgexp.errors import InputError, did_you_mean
from cgexp.parts.ranges import NonNegative


class RankSum(ScoreRule):
    """The highest weighted sum of ranks, which need no common unit: 1 is a rule's first choice, 0 its last.

    rules: name -> a rule that scores each frame by itself. weights: name -> weight; 1 where there is none. Frames that
    a rule finds equal share the mean of their ranks. Raises InputError for weights of rules that are not there, and if
    none is above 0.
    """

    def __init__(self, rules: dict[str, ScoreRule], weights: Mapping[str, NonNegative] | None = None) -> None:
        self.rules = rules
        self.weights = dict.fromkeys(rules, 1.0) | dict(weights or {})
        for name, weight in self.weights.items():
            if name not in rules:
                raise InputError(
                    f"acquisition.weights.{name} weighs no rule{did_you_mean(name, rules)}: expected "
                    f"{', '.join(rules) or 'rules'}"
                )
            if not (isinstance(weight, int | float) and weight >= 0):
                raise InputError(f"acquisition.weights.{name}={weight} is not valid: expected a number >= 0")
        if not sum(self.weights.values()) > 0:
            raise InputError("no rule of the rank sum has a weight above 0: give acquisition.rules one that counts")

    def scores(self, candidates: Coords, known: Coords, context: Context) -> NDArray[np.float64]:
        """[m], between 0 and 1."""
        from scipy.stats import rankdata

        total = np.zeros(len(candidates))
        for name, rule in self.rules.items():
            if self.weights[name] > 0:
                ranks = rankdata(rule.scores(candidates, known, context)) - 1.0
                total += self.weights[name] * ranks / max(1, len(candidates) - 1)
        return total / sum(self.weights.values())
