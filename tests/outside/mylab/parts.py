"""A system, a network, a prior term, a loss term, an oracle, an acquisition rule and an analysis with a figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cgexp.active.acquisition import Context, Coords, ScoreRule
from cgexp.analysis.result import Evaluation
from cgexp.analysis.toy import ToyAnalysis
from cgexp.datasets.toy_data import ExactSamples
from cgexp.energy import EnergyTerm
from cgexp.oracles.toy import ToyOracle
from cgexp.parts.ranges import ExecutionOnly, Positive, PositiveInt, Size, Weight
from cgexp.priors.wall import HarmonicWall
from cgexp.systems.toy import ToyPotential
from cgexp.training.losses import Batch, ErrorTerm


class DoubleWell(ToyPotential):
    """V = 3 (x^2 - 1)^2 + y^2/2 + x y/2, in kT."""

    name = "mylab_double_well"
    x_range = (-3.0, 3.0)
    y_range = (-10.0, 10.0)
    evaluation_range = (-1.6, 1.6)

    def potential(self, x: Tensor, y: Tensor) -> Tensor:
        return 3.0 * (x**2 - 1.0) ** 2 + y**2 / 2.0 + x * y / 2.0


@dataclass(kw_only=True)
class Samples(ExactSamples):
    """Has a physical key called as others call an execution key, and an execution key of its own."""

    platform: str = "glass"
    n_jobs: ExecutionOnly[PositiveInt] = 1


class Line(EnergyTerm):
    """A perceptron of one coordinate."""

    def __init__(self, n_beads: PositiveInt, n_dims: PositiveInt, width: Size = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(n_beads * n_dims, width), nn.Tanh(), nn.Linear(width, 1))

    def energy(self, coords: Tensor) -> Tensor:
        return self.layers(coords.flatten(1))[:, 0]


class Wall(HarmonicWall):
    """The wall under another name."""


class Quartic(ErrorTerm):
    """error^2 + stiffness error^4."""

    def __init__(self, weight: Weight = 1.0, stiffness: Positive = 0.01) -> None:
        super().__init__(weight)
        self.stiffness = stiffness

    def elementwise(self, error: Tensor, batch: Batch) -> Tensor:
        return error**2 + self.stiffness * error**4


@dataclass(kw_only=True)
class Exact(ToyOracle):
    """The exact mean force under another name."""

    name: ClassVar[str] = "mylab"

    @property
    def source(self) -> str:
        return "mylab: the mean force at x"


class Leftmost(ScoreRule):
    """The frames with the smallest x."""

    def scores(self, candidates: Coords, known: Coords, context: Context) -> NDArray[np.float64]:
        return -np.asarray(candidates[:, 0, 0], dtype=np.float64)


class Analysis(ToyAnalysis):
    """The analysis of toys with a figure of its own."""

    figures: ClassVar[Mapping[str, str]] = {"mylab_x": "mylab.drawing.histogram"}

    def evaluate(self, *arguments: Any, **options: Any) -> Evaluation:
        result = super().evaluate(*arguments, **options)
        result.curves["mylab_x"] = {"x": np.asarray(arguments[2].coords)[:, 0, 0]}
        result.metrics["mylab_mean_x"] = float(result.curves["mylab_x"]["x"].mean())
        return result
