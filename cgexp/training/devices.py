"""Training on several devices of one machine: Lightning's DDP, in processes that begin as copies of this one.

Each process takes its share of every batch; gradients are averaged over all, so that weights and numbers are those of
one device but for the order of sums. Only the process of rank 0 writes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy, Strategy
from torch.multiprocessing import ProcessRaisedException

from cgexp.errors import InputError

SENTENCE = f"{InputError.__module__}.{InputError.__qualname__}: "


def strategy_for(n_devices: int, device: torch.device) -> Strategy | str:
    """Lightning's strategy; InputError if there are fewer GPUs than devices."""
    if n_devices == 1:
        return "auto"
    if device.type == "cuda" and n_devices > torch.cuda.device_count():
        raise InputError(
            f"trainer.devices={n_devices} but there are {torch.cuda.device_count()} GPUs: set trainer.devices to that"
        )
    # forked: nothing of a training needs to be pickled, and frames in memory are shared; buffers are never trained
    return DDPStrategy(start_method="fork", broadcast_buffers=False)


@contextmanager
def sentences_of_processes() -> Iterator[None]:
    """Raise the InputError of a process here, as if it had been raised in this one."""
    told = logging.getLogger("torch.multiprocessing.spawn")  # that it ends the other processes
    level = told.level
    told.setLevel(logging.ERROR)
    try:
        yield
    except ProcessRaisedException as error:
        _, found, sentence = str(error).strip().rpartition(SENTENCE)
        if not found:
            raise
        raise InputError(sentence) from error
    finally:
        told.setLevel(level)


def writes(trainer: pl.Trainer) -> bool:
    """Whether this is the process that writes and reports, and the training is in it."""
    return trainer.world_size == 1 or (torch.distributed.is_initialized() and trainer.is_global_zero)
