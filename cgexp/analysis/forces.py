"""ForceAnalysis: a potential of a peptide judged by its forces alone, without a simulation."""

from __future__ import annotations

from typing import Any

from cgexp.analysis.result import Analysis, Evaluation
from cgexp.parts.ranges import NonNegativeInt


class ForceAnalysis(Analysis):
    """Losses of the training, and the mean forces that every run is compared with (runs/mean_force.py).

    mean_force_set: shipped set of mean forces, 'auto': that of this system and temperature, None: none.
    n_bootstrap: a tenth of the draws of its configurations for the errors (0: none). seed: of these draws.
    """

    def __init__(
        self, mean_force_set: str | None = "auto", n_bootstrap: NonNegativeInt = 20, seed: NonNegativeInt = 0
    ) -> None:
        self.mean_force_set = mean_force_set
        self.n_bootstrap = n_bootstrap
        self.seed = seed

    def evaluate(self, system: Any, potential: Any, frames: Any, trajectory: Any, burn_in: float) -> Evaluation:
        """No metrics and curves of its own."""
        return Evaluation({}, {})
