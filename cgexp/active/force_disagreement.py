"""ForceDisagreement: the frames on which the models of an ensemble disagree most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp.active.acquisition import Context, Coords, ScoreRule
from cgexp.errors import InputError
from cgexp.kernels.evaluator import make_evaluator
from cgexp.models.potential import Potential
from cgexp.parts.ranges import PositiveInt


class ForceDisagreement(ScoreRule):
    """The highest deviation of forces over models trained on the same frames from different starts.

    Of bead i it is sqrt(mean over models |F_i - mean over models F_i|^2), as in DP-GEN (Zhang et al. 2019, Phys. Rev.
    Materials 3, 023804, eq. 2); of a frame the maximum or the mean over its beads. Where a force is not finite, the
    frame is out of every model's range and comes last. batch_size: frames whose forces are held at a time.
    """

    needs: ClassVar[tuple[str, ...]] = ("models",)

    def __init__(self, over_beads: Literal["max", "mean"] = "max", batch_size: PositiveInt = 10_000) -> None:
        self.over_beads = over_beads
        self.batch_size = batch_size

    def scores(self, candidates: Coords, known: Coords, context: Context) -> NDArray[np.float64]:
        """[m], energy/length; -inf where a force is not finite. Raises InputError for fewer than two models."""
        if len(context.models) < 2:
            raise InputError(
                f"force disagreement compares models with each other but has {len(context.models)}: train an ensemble "
                "of at least two, or choose another acquisition"
            )
        deviation = force_deviation(context.models, candidates, self.batch_size)
        score = deviation.max(axis=1) if self.over_beads == "max" else deviation.mean(axis=1)
        return np.where(np.isfinite(score), score, -np.inf)


def force_deviation(models: Sequence[Potential], coords: Coords, batch_size: int) -> NDArray[np.float64]:
    """Standard deviation of each bead's force over models: coords [m, n_beads, n_dims] -> [m, n_beads], energy/length.

    By Welford's sums, since forces of clashing beads are large and alike.
    """
    result = np.zeros(coords.shape[:2])
    batches = torch.from_numpy(np.array(coords, dtype=np.float32)).split(batch_size)
    evaluators = [make_evaluator("auto", model, batches[0]) for model in models]
    first = 0
    for batch in batches:
        mean, squares = torch.zeros(batch.shape, dtype=torch.float64), torch.zeros(batch.shape, dtype=torch.float64)
        for number, evaluate in enumerate(evaluators, start=1):
            forces = evaluate(batch)[1].double()
            before = forces - mean
            mean += before / number
            squares += before * (forces - mean)
        result[first : first + len(batch)] = (squares.sum(dim=-1) / len(models)).sqrt().numpy()
        first += len(batch)
    return result
