"""The data of a training: split by block, resident on the device as whole tensors or on disk; a batch is one index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.mapped import create
from cgexp.training.losses import Batch
from cgexp.training.noise import NoiseAugmentation, known_or_estimated
from cgexp.training.split import FRAMES_A_PART, split


class ResidentData(pl.LightningDataModule):
    """Frames as tensors on the training device, without a copy per batch; or as files, of which a batch is read.

    ``prior_forces`` [n_frames, n_beads, n_dims] are subtracted once, here, so that the network learns the rest.
    needs_force_sem: whether the loss weighs by the labels' errors, which are then estimated where they are not known.
    clean: all frames as they are, for evaluation. tensors: what is trained on, which is the same unless ``sample_by``
    or ``augment`` was called. scratch: folder for the tensors of all frames, which are then memory maps that stay where
    they are; batches are the same to the last digit. Raises InputError for a loss that weighs by errors, of data in
    files.
    """

    def __init__(
        self,
        frames: Frames,
        prior_forces: NDArray[np.floating],
        batch_size: int,
        validation_fraction: float,
        seed: int,
        dtype: torch.dtype,
        needs_force_sem: bool = False,
        fold: int = 0,
        steps_per_epoch: int | None = None,
        scratch: Path | None = None,
    ) -> None:
        super().__init__()
        if frames.forces is None:
            raise InputError("the data set has no forces: force matching needs a data set with reference forces")
        if prior_forces.shape != frames.forces.shape:
            raise ValueError(f"prior forces have shape {prior_forces.shape}, forces {frames.forces.shape}")
        self.train_index, self.validation_index = split(frames, validation_fraction, seed, fold)
        weights = np.ones(len(frames)) if frames.weights is None else np.array(frames.weights, dtype=np.float64)
        for index in (self.train_index, self.validation_index):  # mean 1 on each side: both losses are averages
            if len(index):
                weights[index] /= weights[index].mean()
        if scratch is not None and needs_force_sem:
            raise InputError(
                "a loss that weighs by errors of labels looks at all frames, which are more than trainer.resident_gb: "
                "raise it, or use loss=force"
            )
        self.on_disk = scratch is not None
        forces = frames.forces
        self.clean = self.tensors = Batch(
            whole_tensor(len(frames), lambda part: frames.coords[part], dtype, scratch, "coords"),
            whole_tensor(len(frames), lambda part: forces[part] - prior_forces[part], dtype, scratch, "forces"),
            torch.tensor(weights, dtype=dtype),
            torch.tensor(known_or_estimated(frames, prior_forces), dtype=dtype) if needs_force_sem else None,
        )
        self.batch_size, self.seed, self.steps_per_epoch = batch_size, seed, steps_per_epoch
        self._shares: Tensor | None = None
        self._device = torch.device("cpu")
        self.noise: NoiseAugmentation | None = None
        self.index_only = False  # training batches are handed over as indices, for a step that gathers by itself

    def sample_by(self, importance: Tensor | None) -> None:
        """Draw training frames in proportion to ``importance`` [n_train], and weigh them by its inverse.

        The loss keeps its expectation, whatever the importance; its scatter from batch to batch is what changes. None,
        or all alike: each frame comes once in a pass.
        """
        if importance is None or bool((importance == importance[0]).all()):
            return
        self._shares = importance.double().cpu() / importance.double().mean().cpu()
        weights = self.clean.weights.clone()
        weights[torch.as_tensor(self.train_index)] /= self._shares.to(weights)
        self.tensors = replace(self.clean, weights=weights)

    def augment(self, noise: NoiseAugmentation, forces: NDArray[np.floating]) -> None:
        """Train on noised coordinates, drawn anew before each epoch.

        forces: of all frames, from which the prior's are not subtracted.
        """
        self.noise = noise
        self._forces = torch.tensor(forces, dtype=self.clean.forces.dtype)
        self.tensors = replace(self.tensors, coords=self.clean.coords.clone(), forces=self.clean.forces.clone())

    def _draw_noise(self, epoch: int) -> None:
        """Write the noised frames of an epoch in place: a graph goes on reading from the same memory."""
        assert self.noise is not None
        index = torch.as_tensor(self.train_index).to(self.tensors.coords.device)
        self._forces = self._forces.to(self.tensors.coords.device)
        coords, forces = self.noise(self.clean.coords[index], self._forces[index], epoch)
        self.tensors.coords[index] = coords
        self.tensors.forces[index] = forces

    def train_dataloader(self) -> IndexBatches:
        trainer = self.trainer
        device = None if trainer is None else trainer.strategy.root_device
        rank = (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
        before = None if self.noise is None else self._draw_noise
        return IndexBatches(
            self.train_index, self.batch_size, self.seed, device, self.steps_per_epoch, self._shares, before, rank
        )

    def val_dataloader(self) -> IndexBatches | list[Any]:
        # large batches: validation needs no double backprop
        size = 4 * self.batch_size
        return IndexBatches(self.validation_index, size, None) if len(self.validation_index) else []

    def test_dataloader(self) -> IndexBatches | list[Any]:
        return self.val_dataloader()

    def transfer_batch_to_device(self, batch: Tensor, device: torch.device, dataloader_idx: int) -> Batch | Tensor:
        self.move(device)
        if self.index_only and self.trainer is not None and self.trainer.training:
            return batch.to(device)
        return self.batch(batch)

    def move(self, device: torch.device) -> None:
        """Put all frames on a device; nothing if they are there, or on disk."""
        self._device = device
        if self.on_disk:
            return
        if self.tensors.coords.device != device:
            same = self.clean is self.tensors
            self.tensors = _to(self.tensors, device)
            self.clean = self.tensors if same else _to(self.clean, device)

    def batch(self, index: Tensor) -> Batch:
        """The frames at ``index`` to train on, on the device that they were moved to."""
        return self._at(self.tensors, index)

    def clean_batch(self, index: Tensor) -> Batch:
        """The frames at ``index`` as they are, on the device that they were moved to."""
        return self._at(self.clean, index)

    def _at(self, tensors: Batch, index: Tensor) -> Batch:
        batch = batch_at(tensors, index.to(tensors.coords.device))
        return _to(batch, self._device) if self.on_disk else batch


def whole_tensor(
    n_frames: int,
    frames_of: Callable[[slice], NDArray[np.floating]],
    dtype: torch.dtype,
    scratch: Path | None,
    name: str,
) -> Tensor:
    """A tensor of all frames, of which frames_of gives some; in a file of this name where there is a scratch folder."""
    parts = [slice(k, k + FRAMES_A_PART) for k in range(0, n_frames, FRAMES_A_PART)]
    shape = (n_frames, *frames_of(slice(0, 1)).shape[1:])
    if scratch is None:
        whole = torch.empty(shape, dtype=dtype)
    else:
        whole = torch.from_numpy(create(scratch / f"{name}.npy", shape, str(dtype).removeprefix("torch.")))
    for part in parts:
        whole[part] = torch.from_numpy(np.array(frames_of(part)))
    return whole


def batch_at(tensors: Batch, index: Tensor) -> Batch:
    """The frames at ``index`` of a whole data set."""
    sem = tensors.force_sem
    return Batch(
        tensors.coords.index_select(0, index),
        tensors.forces.index_select(0, index),
        tensors.weights.index_select(0, index),
        None if sem is None else sem.index_select(0, index),
    )


def _to(tensors: Batch, device: torch.device) -> Batch:
    sem = tensors.force_sem
    return Batch(
        tensors.coords.to(device),
        tensors.forces.to(device),
        tensors.weights.to(device),
        None if sem is None else sem.to(device),
    )


class IndexBatches:
    """Batches of frame indices; the order of an epoch is a function of (seed, epoch), so a resumed run repeats it.

    Each pass over the frames is shuffled anew. n_batches: of an epoch, which then ends within a pass or spans several
    of them; None: one pass. shares: positive, of mean 1, one for each index: how often a frame comes in a pass, on
    average; None: each comes once. before: called with the number of an epoch before its first batch. rank: of this
    process, and how many there are, each of which is given its share of every batch. Lightning calls
    ``sampler.set_epoch`` before each epoch; this object is its own sampler.
    """

    def __init__(
        self,
        index: NDArray[np.integer],
        batch_size: int,
        seed: int | None,
        device: torch.device | None = None,
        n_batches: int | None = None,
        shares: Tensor | None = None,
        before: Callable[[int], None] | None = None,
        rank: tuple[int, int] = (0, 1),
    ) -> None:
        self.index = torch.as_tensor(index, dtype=torch.long)
        self.seed, self.device = seed, device
        self.n_batches, self.shares, self._before = n_batches, shares, before
        self.epoch = 0
        # A ragged last batch would weigh its frames more (and recompile a compiled step), so training drops it.
        number, n_processes = rank
        self.batch_size = min(batch_size, len(index)) // n_processes * n_processes
        share = self.batch_size // n_processes
        self._own = slice(None) if n_processes == 1 else slice(number * share, (number + 1) * share)
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
            yield order[i * self.batch_size : (i + 1) * self.batch_size][self._own]

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
