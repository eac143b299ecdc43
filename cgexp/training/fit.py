"""Training: how a network is trained, the config group ``trainer``; trainer.py does it, with Lightning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch

from cgexp.build import Template
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.parts.part import Part
from cgexp.parts.ranges import (
    AddedLater,
    ExecutionOnly,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    RunFolder,
    Share,
)

if TYPE_CHECKING:  # Lightning takes seconds to import
    from pytorch_lightning.callbacks import Callback

LAST, BEST, FAILED = "last.ckpt", "best.ckpt", "exception.ckpt"
ONE_PROCESS = "trainer.devices=1 trainer.n_nodes=1"
Watch = Callable[[int, float], bool]  # told epochs done and validation loss; returns whether to stop the training


@dataclass(frozen=True)
class Training(Part):
    """How to train: the config group ``trainer``.

    matmul_precision: of float32 matrix products on a GPU; high uses its tensor cores (TF32, 10 bits of mantissa).
    batch_size in frames; steps_per_epoch: an epoch is that many batches instead of one pass over the frames, so that
    data sets of different sizes get the same number of gradient steps (None: one pass). validation_fraction of the
    frames, in whole blocks; gradient_clip is the largest gradient norm (None: no clipping); ``use_weights`` says which
    weights the run keeps: those with the best validation loss, or the last. With a weight-averaging callback both are
    the averaged weights. fold: which of the 1/validation_fraction disjoint parts is held out, for cross-validation.
    start_from: folder of a run whose weights the network begins with. gradient_precision: ``bfloat16`` rounds factors
    of the parameter gradient's matrix products (fused kernel, on a processor that has such products), while energies,
    forces and loss are as they were. noise: standard deviation of Gaussian noise on each coordinate, length, drawn anew
    each epoch, with labels of forces and noise: what is learnt is the PMF convolved with it (training/noise.py).
    resident_gb: coordinates and forces of more than this many GB (1e9 bytes) stay on disk, in the run's folder, and
    batches are read from there, with the same numbers. callbacks: Lightning's, or Templates of them. devices: processes
    on a CPU, or GPUs, of this machine that share each batch (training/devices.py); the network learns the same on any
    number of them. n_nodes: machines, each with that many devices, that share each batch (training/nodes.py).
    """

    max_epochs: PositiveInt
    batch_size: PositiveInt
    accelerator: ExecutionOnly[Literal["cpu", "gpu", "auto"]] = "cpu"
    precision: Literal["float32", "float64"] = "float32"
    gradient_precision: Literal["full", "bfloat16"] = "full"
    matmul_precision: ExecutionOnly[Literal["highest", "high"]] = "highest"
    validation_fraction: Share = 0.1
    fold: NonNegativeInt = 0
    gradient_clip: Positive | None = None
    use_weights: Literal["best", "last"] = "best"
    callbacks: dict[str, Callback | Template[Callback]] = field(default_factory=dict)
    start_from: RunFolder[str | None] = None
    steps_per_epoch: PositiveInt | None = None
    noise: AddedLater[NonNegative] = 0.0
    resident_gb: ExecutionOnly[Positive] = 8.0
    devices: ExecutionOnly[PositiveInt] = 1
    n_nodes: ExecutionOnly[PositiveInt] = 1

    def __post_init__(self) -> None:
        if self.gradient_precision == "bfloat16" and self.precision == "float64":
            raise InputError(
                "trainer.gradient_precision=bfloat16 is for trainer.precision=float32: set one of the two otherwise"
            )
        if self.batch_size % self.n_processes:
            nodes = f" on each of trainer.n_nodes={self.n_nodes}" if self.n_nodes > 1 else ""
            raise InputError(
                f"trainer.batch_size={self.batch_size} is no multiple of trainer.devices={self.devices}{nodes}, which "
                f"share each batch: set trainer.batch_size={-(-self.batch_size // self.n_processes) * self.n_processes}"
            )
        n_folds = round(1.0 / self.validation_fraction) if self.validation_fraction else 1
        if self.fold >= n_folds:
            raise InputError(
                f"trainer.fold={self.fold} but trainer.validation_fraction={self.validation_fraction} makes {n_folds} "
                f"parts: expected 0 to {n_folds - 1}"
            )

    @property
    def n_processes(self) -> int:
        """How many share each batch, on all nodes together."""
        return self.devices * self.n_nodes

    def made_callbacks(self) -> list[Callback]:
        """The callbacks; those of a config are made here, anew at each call."""
        return [one.make() if isinstance(one, Template) else one for one in self.callbacks.values()]

    @property
    def dtype(self) -> torch.dtype:
        return torch.float64 if self.precision == "float64" else torch.float32

    def fits_memory(self, frames: Frames) -> bool:
        """Whether coordinates and forces of all frames are kept in memory, or on the device, during training."""
        return 2 * frames.coords.size * self.dtype.itemsize <= 1e9 * self.resident_gb

    @property
    def device(self) -> torch.device:
        """The device that training and simulation use."""
        if self.accelerator == "gpu" and not torch.cuda.is_available():
            raise InputError(
                "trainer.accelerator=gpu but no GPU was found: use trainer=cpu, or trainer=auto for either"
            )
        return torch.device("cuda" if self.accelerator != "cpu" and torch.cuda.is_available() else "cpu")
