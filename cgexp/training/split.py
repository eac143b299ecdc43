"""Frames split into training and validation, by block."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.frames import Frames

FRAMES_A_PART = 2**14


def split(frames: Frames, fraction: float, seed: int, fold: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return indices (training, validation) into ``frames``: ``split_by_block`` of those that are a sample.

    Chosen frames (Frames.chosen) are trained on, all of them. So what is held out, and with it the validation loss, is
    the same as without them: a mean over the ensemble.
    """
    if frames.chosen is None:
        return split_by_block(frames.block, fraction, seed, fold)
    sampled = np.flatnonzero(~frames.chosen)
    train, validation = split_by_block(frames.block[sampled], fraction, seed, fold)
    return np.sort(np.concatenate([sampled[train], np.flatnonzero(frames.chosen)])), sampled[validation]


def split_by_block(
    block: NDArray[np.integer], fraction: float, seed: int, fold: int = 0
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return frame indices (training, validation) such that no block is in both.

    block: [n_frames]. Neighbouring frames of a trajectory are nearly equal, so a split by shuffled frames leaks.
    Blocks are shuffled and laid end to end; those that begin in the ``fold``-th stretch of ``fraction`` of the frames
    are held out, so that the folds of one seed are disjoint. Raises InputError where a side is empty.
    """
    if fraction == 0:
        return np.arange(len(block)), np.arange(0)
    ids, sizes = np.unique(block, return_counts=True)
    if len(ids) < 2:
        raise InputError(
            "the data set has one block, which cannot be split into training and validation: "
            "set trainer.validation_fraction=0 or use data from several walkers"
        )
    order = np.random.default_rng(seed).permutation(len(ids))
    begins = np.cumsum(sizes[order]) - sizes[order]
    # a hair of tolerance: 0.1 * 3 is not 0.3
    part = np.floor(begins / (fraction * len(block)) + 1e-9)
    chosen = order[part == fold]
    if fold == 0:
        chosen = chosen[: len(ids) - 1]  # some block must be left to train on
    if not 0 < len(chosen) < len(ids):
        raise InputError(
            f"trainer.fold={fold} holds out {len(chosen)} of {len(ids)} blocks: use larger parts or data with more "
            "blocks"
        )
    held_out = np.isin(block, ids[chosen])
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
