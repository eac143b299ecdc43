"""Lightning callbacks of our own."""

from __future__ import annotations

from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, EMAWeightAveraging, ThroughputMonitor

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
