"""What stands in the place of a training where there is nothing to train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cgexp.frames import Frames
from cgexp.training.data import split_by_block
from cgexp.training.fit import Training, loss_levels
from cgexp.training.history import History


def untrained(
    frames: Frames, prior_forces: NDArray[Any], settings: Training, folder: Path, seed: int
) -> dict[str, float]:
    """The numbers of ``fit`` for the prior alone, on the same split of the frames; writes a history of one row.

    prior_forces: [n_frames, n_beads, n_dims], force unit of the frames. Raises InputError if these cannot be split.
    """
    train, validation = split_by_block(frames.block, settings.validation_fraction, seed, settings.fold)
    levels = loss_levels(frames, prior_forces, validation)
    losses = {"loss_train": loss_levels(frames, prior_forces, train)["loss_prior_only"]}
    if len(validation):
        losses["loss_validation"] = levels["loss_prior_only"]
    history = History(folder / "history.csv")
    history.rows.append({"epoch": 0, "step": 0, "lr": 0.0, "objective": losses["loss_train"], **losses, "seconds": 0.0})
    history.write()
    return {**losses, **levels, "checkpoint_epoch": 0.0, "epochs": 0.0, "train_seconds": 0.0}
