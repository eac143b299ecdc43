"""Batches of frame indices, in an order that is a function of seed and epoch; good labels may come more often."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


class IndexBatches:
    """Batches of frame indices; the order of an epoch is a function of (seed, epoch), so a resumed run repeats it.

    Each pass over the frames is shuffled anew. n_batches: of an epoch, which then ends within a pass or spans several
    of them; None: one pass. shares: positive, of mean 1, one for each index: how often a frame comes in a pass, on
    average; None: each comes once. before: called with the number of an epoch before its first batch. Lightning calls
    ``sampler.set_epoch`` before each epoch; this object is its own sampler.
    """

    def __init__(
        self,
        index: NDArray[Any],
        batch_size: int,
        seed: int | None,
        device: torch.device | None = None,
        n_batches: int | None = None,
        shares: Tensor | None = None,
        before: Callable[[int], None] | None = None,
    ) -> None:
        self.index = torch.as_tensor(index, dtype=torch.long)
        self.seed, self.device = seed, device
        self.n_batches, self.shares, self._before = n_batches, shares, before
        self.epoch = 0
        # A ragged last batch would weigh its frames more (and recompile a compiled step), so training drops it.
        self.batch_size = min(batch_size, len(index))
        self.drop_last = seed is not None
        self.sampler, self.batch_sampler = self, None  # what Lightning looks for in a loader

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n_batches or self.per_pass

    @property
    def per_pass(self) -> int:
        """Batches in one pass over the frames."""
        whole, rest = divmod(len(self.index), max(1, self.batch_size))
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Tensor]:
        if self._before is not None:
            self._before(self.epoch)
        order, shuffled = self.index.to(self.device), -1
        for number in range(self.epoch * len(self), (self.epoch + 1) * len(self)):
            passes, i = divmod(number, self.per_pass)
            if self.seed is not None and passes != shuffled:
                order, shuffled = self._shuffled(self.seed, passes), passes
            yield order[i * self.batch_size : (i + 1) * self.batch_size]

    def _shuffled(self, seed: int, number: int) -> Tensor:
        """The frames in the order of one pass; moved once a pass, not a batch, since a GPU waits for each copy."""
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        order = torch.randperm(len(self.index), generator=generator)
        if self.shares is not None:
            order = order[drawn(self.shares[order], generator)]
            order = order[torch.randperm(len(order), generator=generator)]
        return self.index[order].to(self.device)


def drawn(shares: Tensor, generator: torch.Generator) -> Tensor:
    """As many indices as there are shares, each drawn its share of times on average, rounded up or down.

    Systematic sampling: equally spaced points of one random offset on the line of all shares.
    """
    ends = torch.cumsum(shares.double(), dim=0)
    offset = torch.rand(1, generator=generator, dtype=torch.float64)
    points = (torch.arange(len(shares), dtype=torch.float64) + offset) * (ends[-1] / len(shares))
    return torch.searchsorted(ends, points, right=True).clamp_(max=len(shares) - 1)
