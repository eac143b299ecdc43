"""What losses mean: those of no force and of the prior alone; and the numbers of a run that has nothing to train."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgexp.frames import Frames
from cgexp.training.rows import write_rows
from cgexp.training.split import FRAMES_A_PART, split


def loss_levels(
    frames: Frames, prior_forces: NDArray[np.floating], validation_index: NDArray[np.integer]
) -> dict[str, float]:
    """The losses (force^2) of predicting no force and of the prior alone, which tell what a loss means.

    On the validation frames where there are some, so that they compare with ``loss_validation``. None of frames that
    have no forces.
    """
    forces, weights = frames.forces, frames.weights
    index = validation_index if len(validation_index) else np.arange(len(frames))
    if forces is None:
        return {}
    squares: dict[str, list[NDArray[np.floating]]] = {"zero_force": [], "prior_only": []}
    for first in range(0, len(index), FRAMES_A_PART):
        part = index[first : first + FRAMES_A_PART]
        rest = {"zero_force": forces[part], "prior_only": forces[part] - prior_forces[part]}
        for name, values in rest.items():
            squares[name].append(np.square(values, dtype=np.float64).mean(axis=(1, 2)))
    own = None if weights is None else weights[index]
    return {f"loss_{name}": float(np.average(np.concatenate(of), weights=own)) for name, of in squares.items()}


def untrained(
    frames: Frames, prior_forces: NDArray[np.floating], forces: NDArray[np.floating], validation_fraction: float,
    fold: int, folder: Path, seed: int,
) -> dict[str, float]:  # fmt: skip
    """The numbers of ``fit`` for a model that is not trained, on the same split of the frames; a history of one row.

    prior_forces, forces: of the prior alone and of the whole model, [n_frames, n_beads, n_dims], force unit of the
    frames. Raises InputError if these cannot be split.
    """
    train, validation = split(frames, validation_fraction, seed, fold)
    numbers = loss_levels(frames, prior_forces, validation)
    if numbers:  # there are forces
        numbers["loss_train"] = loss_levels(frames, forces, train)["loss_prior_only"]
        if len(validation):
            numbers["loss_validation"] = loss_levels(frames, forces, validation)["loss_prior_only"]
    trained = numbers.get("loss_train", math.nan)
    row = {"epoch": 0, "step": 0, "lr": 0.0, "objective": trained, "loss_train_running": trained, "seconds": 0.0}
    validated = {name: numbers[name] for name in ("loss_validation",) if name in numbers}
    write_rows(folder / "history.csv", [row | validated])
    return {**numbers, "checkpoint_epoch": 0.0, "epochs": 0.0, "train_seconds": 0.0}
