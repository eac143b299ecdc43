"""Lightning callbacks of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    LearningRateFinder,
    ModelCheckpoint,
    ThroughputMonitor,
)

from cgexp.signatures import Fraction, PositiveInt
from cgexp.training.losses import Batch


def n_frames(batch: Batch) -> int:
    """Number of frames in a batch."""
    return len(batch.coords)


class AveragedWeights(EMAWeightAveraging):
    """Lightning's exponential moving average of the parameters; validation and checkpoints use the average.

    Buffers are copied, not averaged: they hold indices and normalisation, and an average would truncate indices.
    """

    def __init__(self, decay: Fraction = 0.99) -> None:
        super().__init__(decay=decay, use_buffers=False)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._device = trainer.strategy.root_device  # the module is still on the CPU here, the average must not stay
        super().setup(trainer, pl_module, stage)


class FolderCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint for a folder that may have moved since the run began.

    Lightning forgets its best checkpoint when the path differs, and would then overwrite it with a worse one.
    """

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


class CheckpointOnException(Callback):
    """Saves the state at an exception for a post-mortem.

    Resuming starts from the last whole epoch instead, which makes a resumed run equal an undisturbed one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        trainer.save_checkpoint(self.path)
