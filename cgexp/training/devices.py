"""Training on several devices: Lightning's DDP, in processes that begin as copies of this one.

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
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from cgexp.errors import InputError, MachineError
from cgexp.training.fit import Training
from cgexp.training.nodes import require_nodes

SENTENCE = f"{InputError.__module__}.{InputError.__qualname__}: "
LOST = ("gloo/transport", "torch.distributed.Dist")  # in the last line of an error of torch, where a connection ends
GO_ON = "the same command goes on after the last epoch"


def strategy_for(settings: Training) -> Strategy | str:
    """Lightning's strategy; InputError if there are fewer GPUs here than devices, or as ``require_nodes``."""
    if settings.n_processes == 1:
        return "auto"
    require_nodes(settings)
    if settings.device.type == "cuda" and settings.devices > torch.cuda.device_count():
        raise InputError(
            f"trainer.devices={settings.devices} but there are {torch.cuda.device_count()} GPUs: set "
            "trainer.devices to that"
        )
    # forked: nothing of a training needs to be pickled, and frames in memory are shared; buffers are never trained
    return DDPStrategy(start_method="fork", broadcast_buffers=False)


@contextmanager
def sentences_of_processes() -> Iterator[None]:
    """Raise the InputError of a process here, as if it had been raised in this one.

    MachineError where a process was killed, or has lost one elsewhere.
    """
    told = logging.getLogger("torch.multiprocessing.spawn")  # that it ends the other processes
    level = told.level
    told.setLevel(logging.ERROR)
    try:
        yield
    except ProcessRaisedException as error:
        text = str(error).strip()
        _, found, sentence = text.rpartition(SENTENCE)
        if found:
            raise InputError(sentence) from error
        if any(word in text.splitlines()[-1] for word in LOST):
            raise MachineError(
                f"another process of the training has ended: its own output says why; {GO_ON}"
            ) from error
        raise
    except ProcessExitedException as error:
        raise MachineError(f"a process of the training was killed, as where memory runs out; {GO_ON}") from error
    finally:
        told.setLevel(level)


def writes(trainer: pl.Trainer) -> bool:
    """Whether this is the process that writes and reports, and the training is in it."""
    return trainer.world_size == 1 or (torch.distributed.is_initialized() and trainer.is_global_zero)
