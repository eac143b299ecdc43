"""Lightning callbacks of our own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateFinder,
    ModelCheckpoint,
    ThroughputMonitor,
)
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from cgexp.parts.ranges import Fraction, PositiveInt
from cgexp.training.fit import Watch
from cgexp.training.losses import Batch

log = logging.getLogger(__name__)


def n_frames(batch: Batch | Tensor) -> int:
    """Number of frames in a batch, or in the index of one."""
    return len(batch.coords) if isinstance(batch, Batch) else len(batch)


class AveragedWeights(Callback):
    """Exponential moving average of the parameters after each step; validation and checkpoints use the average.

    Buffers are copied, not averaged: they hold indices and normalisation, and an average would truncate indices.
    All parameters are averaged in one call, and found once. Lightning's EMAWeightAveraging, with torch's multi-tensor
    average, takes 5 % more CPU time a training step on a toy (batch of 512), 4 % at 10 beads (fused kernel, batch of
    128), and on a GPU would wait for its counter at each step; checkpoints are as it writes them.

    decay: weight of the average so far in the next one.
    """

    def __init__(self, decay: Fraction = 0.99) -> None:
        self.decay = decay
        self._average: AveragedModel | None = None
        self._averaged_at = 0  # optimizer steps when the average was last taken
        self._tensors: tuple[list[Tensor], ...] | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit":
            # on the device of the training: the module is still on the CPU here, the average must not stay there
            self._average = AveragedModel(pl_module, device=trainer.strategy.root_device)
            # a counter on the GPU would be waited for at each step
            self._average.n_averaged = self._average.n_averaged.cpu()
            self._tensors = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        if step > self._averaged_at:
            self._update(pl_module)
            self._averaged_at = step

    @torch.no_grad()
    def _update(self, pl_module: pl.LightningModule) -> None:
        average = self._of_training
        if self._tensors is None:  # to be found once: looking through the modules takes longer than the averaging
            of = (average.module.parameters, pl_module.parameters, average.module.buffers, pl_module.buffers)
            self._tensors = tuple([tensor.detach() for tensor in tensors()] for tensors in of)
        averages, present, kept_buffers, buffers = self._tensors
        if average.n_averaged == 0:
            torch._foreach_copy_(averages, present)
        else:
            torch._foreach_lerp_(averages, present, 1.0 - self.decay)
        if buffers:
            torch._foreach_copy_(kept_buffers, buffers)
        average.n_averaged += 1

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._swap(pl_module)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._swap(pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for average, present in self._pairs(pl_module):
            present.data.copy_(average.data)

    def state_dict(self) -> dict[str, Any]:
        return {"latest_update_step": self._averaged_at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._averaged_at = state_dict["latest_update_step"]

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        average = self._of_training
        checkpoint["current_model_state"] = checkpoint["state_dict"]
        checkpoint["state_dict"] = average.module.state_dict()
        checkpoint["averaging_state"] = {"n_averaged": average.n_averaged}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        average = self._of_training
        average.module.load_state_dict(checkpoint["state_dict"])
        average.n_averaged.copy_(checkpoint["averaging_state"]["n_averaged"])
        pl_module.load_state_dict(checkpoint["current_model_state"])  # Lightning has loaded the average

    @property
    def _of_training(self) -> AveragedModel:
        assert self._average is not None, "there is an average in a training only"
        return self._average

    def _pairs(self, pl_module: pl.LightningModule) -> Iterator[tuple[Tensor, Tensor]]:
        """Each tensor of the average with the module's own."""
        average = self._of_training.module
        yield from zip(average.parameters(), pl_module.parameters(), strict=True)
        yield from zip(average.buffers(), pl_module.buffers(), strict=True)

    def _swap(self, pl_module: pl.LightningModule) -> None:
        """The module gets the average, and the average the module's parameters; a second time undoes it."""
        for average, present in self._pairs(pl_module):
            kept = average.data.clone()
            average.data.copy_(present.data)
            present.data.copy_(kept)


class FolderCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint for a folder that may have moved since the run began.

    Lightning forgets its best checkpoint when the path differs, and would then overwrite it with a worse one.
    """

    @cached_property
    def state_key(self) -> str:  # type: ignore[override]
        # asked for at every hook, and put together of five settings each time
        return str(super().state_key)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else path

        state = dict(state_dict, dirpath=self.dirpath)
        for name in ("best_model_path", "last_model_path", "kth_best_model_path"):
            state[name] = here(state[name])
        state["best_k_models"] = {here(path): score for path, score in state["best_k_models"].items()}
        super().load_state_dict(state)


class EarlyStop(EarlyStopping):
    """Lightning's EarlyStopping that, resumed after it had stopped, stops again at once."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class RateFinder(LearningRateFinder):
    """Lightning's learning rate finder, at the start of a training only: a resumed one has its rate already."""

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.ckpt_path is None:
            super().on_fit_start(trainer, pl_module)


class Throughput(ThroughputMonitor):
    """Lightning's ThroughputMonitor counting frames: logs ``device/samples_per_sec`` over ``window_size`` steps."""

    def __init__(self, window_size: PositiveInt = 100) -> None:
        super().__init__(batch_size_fn=n_frames, window_size=window_size)


class Watched(Callback):
    """Tells ``watch`` the validation loss of each epoch, and ends the training after an epoch where it says so.

    No part of a config: a training that is watched to its end is that of the same config unwatched.
    """

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.is_stopped = False

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        loss, epochs = trainer.callback_metrics.get("loss_validation"), trainer.current_epoch + 1
        if loss is not None and epochs < (trainer.max_epochs or 0) and self.watch(epochs, float(loss)):
            self.is_stopped = trainer.should_stop = True


class CheckpointOnException(Callback):
    """Saves the state at an exception for a post-mortem, once the training has begun.

    Resuming starts from the last whole epoch instead, which makes a resumed run equal an undisturbed one. A state that
    cannot be saved is said to be so, since it is the exception itself that matters.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        if trainer.world_size > 1 or trainer.global_step == 0:  # other processes might not be there to take part
            return
        try:
            trainer.save_checkpoint(self.path)
        except Exception as error:
            log.warning("%s could not be saved: %s", self.path, error)
