"""Where replicas start: at frames of the data."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cgexp.frames import Frames


def choose_starts(frames: Frames, n_replicas: int, seed: int) -> Tensor:
    """One random frame from each of ``n_replicas`` random blocks: [n_replicas, n_beads, n_dims].

    No block serves twice before all have served once, which spreads the starts over the data.
    """
    generator = np.random.default_rng(seed)
    order = np.argsort(frames.block, kind="stable")
    _, first, sizes = np.unique(frames.block[order], return_index=True, return_counts=True)
    rounds = -(-n_replicas // len(first))
    chosen = np.concatenate([generator.permutation(len(first)) for _ in range(rounds)])[:n_replicas]
    index = order[first[chosen] + generator.integers(sizes[chosen])]
    return torch.tensor(frames.coords[index])
