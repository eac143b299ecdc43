"""Where replicas start: at frames of the data, or where the system says that replicas of a kind start."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cgexp.frames import Frames
from cgexp.systems.base import System
from cgexp.systems.farthest import farthest_points

SPREAD_CANDIDATES = 10_000  # frames that farthest points are chosen from: 0.03 s a choice, of ten beads


def make_starts(kind: str, frames: Frames, system: System, n_replicas: int, seed: int) -> Tensor:
    """Starts: [n_replicas, n_beads, n_dims] in the precision of the frames.

    kind: 'data' or 'spread', or one of the system's own. Where the system has frames of a kind to start from, they are
    chosen as for 'data'; else all replicas start at one structure, which their velocities and noise tell apart. Raises
    InputError for a kind that this system does not have.
    """
    if kind == "data":
        return choose_starts(frames, n_replicas, seed)
    if kind == "spread":
        return _spread(frames, system, n_replicas, seed)
    start = system.start(kind, frames.coords)
    if start.structure is None:
        return choose_starts(frames.select(start.frames), n_replicas, seed)
    return torch.tensor(np.repeat(start.structure[None].astype(frames.coords.dtype), n_replicas, axis=0))


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


def _spread(frames: Frames, system: System, n_replicas: int, seed: int) -> Tensor:
    """Farthest points of the data, the first far from a random frame; none serves twice before all have served."""
    n_candidates = min(len(frames), SPREAD_CANDIDATES)
    candidates = frames.coords[np.arange(n_candidates) * len(frames) // n_candidates]
    anywhere = candidates[[np.random.default_rng(seed).integers(n_candidates)]]
    first = farthest_points(system, candidates, anywhere, 1)
    others = farthest_points(system, candidates, candidates[first], min(n_replicas, n_candidates) - 1)
    return torch.tensor(candidates[np.resize(np.concatenate([first, others]), n_replicas)])
