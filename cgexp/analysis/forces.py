"""Forces judged without a simulation: ForceAnalysis, and RMSE against mean forces with known errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import bootstrap_sem
from cgexp.analysis.result import Analysis, Evaluation, Simulated
from cgexp.frames import Frames
from cgexp.parts.ranges import NonNegativeInt
from cgexp.systems.base import System

if TYPE_CHECKING:
    from torch import nn


class ForceAnalysis(Analysis):
    """Losses of the training, and the mean forces that every run is compared with (runs/evaluate.py).

    mean_force_set: shipped set of mean forces, 'auto': that of this system and temperature, None: none.
    n_bootstrap: a tenth of the draws of its configurations for the errors (0: none). seed: of these draws.
    """

    def __init__(
        self, mean_force_set: str | None = "auto", n_bootstrap: NonNegativeInt = 20, seed: NonNegativeInt = 0
    ) -> None:
        self.mean_force_set = mean_force_set
        self.n_bootstrap = n_bootstrap
        self.seed = seed

    def evaluate(
        self, system: System, potential: nn.Module, frames: Frames, trajectory: Simulated | None, burn_in: float
    ) -> Evaluation:
        """No metrics and curves of its own."""
        return Evaluation({}, {})


NAME = "mean_force_rmse"


def mean_force_metrics(
    forces: Mapping[str, NDArray[np.floating]],
    reference: NDArray[np.floating],
    sem: NDArray[np.floating],
    basins: NDArray[np.str_],
    n_bootstrap: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """``mean_force_rmse`` of each kind of forces, its value in each basin, and their errors.

    forces: kind -> [n, n_beads, n_dims]; '' is the model, others become part of the name. reference: mean forces, and
    sem: their standard errors, of the same shape. basins: name of each configuration's basin [n]; empty: no basins.
    The error of a value is from a bootstrap of the configurations, which all kinds share.
    """
    noise = np.square(sem, dtype=np.float64)
    excess = {
        kind: (np.square(values.astype(np.float64) - reference) - noise).mean(axis=(1, 2))
        for kind, values in forces.items()
    }

    def measure(drawn: NDArray[np.intp]) -> dict[str, float]:
        metrics = {}
        for kind, values in excess.items():
            name = f"{NAME}_{kind}" if kind else NAME
            metrics[name] = _root(values[drawn])
            for basin in np.unique(basins):
                members = values[drawn][basins[drawn] == basin]
                if members.size:  # a draw may lack a basin of few configurations
                    metrics[f"{name}_{basin}"] = _root(members)
        return metrics

    metrics = measure(np.arange(len(reference)))
    errors = bootstrap_sem(measure, len(reference), n_bootstrap, rng)
    return metrics | {f"{name}_sem": error for name, error in errors.items()}


def _root(excess: NDArray[np.float64]) -> float:
    """Root of the mean square error that is left without the labels' noise; 0 if nothing is left."""
    return float(np.sqrt(max(0.0, float(excess.mean()))))
