"""fit: trains a potential's network on frames with Lightning and returns the numbers of the training."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.plugins.environments import LightningEnvironment
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cgexp.build import Template
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError, Pruned
from cgexp.frames import Frames
from cgexp.kernels.evaluator import make_evaluator
from cgexp.models.potential import Potential
from cgexp.progress import Report
from cgexp.training.callbacks import CheckpointOnException, FolderCheckpoint, Watched
from cgexp.training.data import ResidentData
from cgexp.training.devices import sentences_of_processes, strategy_for
from cgexp.training.fit import BEST, FAILED, LAST, ONE_PROCESS, Training, Watch
from cgexp.training.history import ArrayCheckpointIO, CollectingLogger, History, Log
from cgexp.training.levels import loss_levels
from cgexp.training.losses import Loss
from cgexp.training.module import ForceMatching
from cgexp.training.nodes import node_rank
from cgexp.training.noise import NoiseAugmentation
from cgexp.training.sampling_terms import begin_sampling, require_fitting, require_sample

messages = logging.getLogger(__name__)


def fit(
    network: EnergyTerm,
    frames: Frames,
    prior_forces: NDArray[np.floating],
    settings: Training,
    loss: Loss,
    optimizer: Template[Optimizer],
    scheduler: Template[LRScheduler] | None,
    folder: Path,
    seed: int,
    kernel: str = "reference",
    log: Log | None = None,
    progress: Report | None = None,
    graphed: bool | None = None,
    prior: EnergyTerm | None = None,
    watch: Watch | None = None,
    scratch: Path | None = None,
) -> dict[str, float]:
    """Train ``network`` in place on frames [n_frames] and return metrics.

    prior_forces: [n_frames, n_beads, n_dims] in the frames' force unit. ``folder`` receives the checkpoints and
    ``history.csv``; a ``last.ckpt`` found there is resumed, bit for bit on a CPU. Afterwards the network holds the
    weights that ``settings.use_weights`` names. graphed: as in ForceMatching. prior: that of prior_forces, needed with
    ``settings.noise`` and where the loss samples the model. watch: told each epoch's validation loss, may stop the
    training. scratch: folder for files of the frames, where these do not fit into memory (``Training.fits_memory``). A
    node that is not the first writes nothing and returns no metrics. Raises InputError on missing labels, a loss that
    is not finite, noise on selected frames, or settings that do not go with the loss; Pruned where ``watch`` has
    stopped it.
    """
    require_fitting(loss, settings, network)
    several = settings.n_processes > 1
    if several and watch is not None:
        raise InputError(f"a training that is watched, as in a search, is one process: set {ONE_PROCESS}")
    data = _data(frames, prior_forces, settings, loss, prior, seed, scratch)
    network.to(settings.dtype)
    module = ForceMatching(
        network, loss, optimizer, scheduler, kernel, graphed, bf16=settings.gradient_precision == "bfloat16"
    )
    module.begin_sampling = lambda: begin_sampling(loss, network, prior, frames.select(data.train_index), seed, kernel)
    logger = CollectingLogger() if log else None
    history = History(folder / "history.csv", progress, None if several else log, logger, settings.batch_size)
    held_out = data.validation_index
    checkpoints = _checkpoints(folder, "loss_validation" if len(held_out) else "loss_train_running")
    last = _last_checkpoint(folder, settings)
    watched = [] if watch is None else [Watched(watch)]
    with _quiet(), matmul_precision(settings.matmul_precision, settings.device):
        trainer = _trainer(
            settings, [*settings.made_callbacks(), history, *watched, *checkpoints], logger, folder, len(held_out) > 0
        )
        torch.manual_seed(seed)
        _train(trainer, module, data, last)
    if node_rank(settings):
        return {}  # the first node keeps what was learnt
    if several:
        history = History(folder / "history.csv", None, log, logger, settings.batch_size)
        history.take_from(last)
    history.write()
    if any(one.is_stopped for one in watched):
        raise Pruned(f"stopped after epoch {len(history.rows)} of {settings.max_epochs}")
    return _kept_weights(module, history, data, settings, folder) | loss_levels(frames, prior_forces, held_out)


def _train(trainer: pl.Trainer, module: ForceMatching, data: ResidentData, last: Path) -> None:
    """Train to the end, from the checkpoint ``last`` if it is there."""
    try:
        with sentences_of_processes():
            trainer.fit(module, datamodule=data, ckpt_path=str(last) if last.is_file() else None, weights_only=True)
    except SystemExit as error:  # how Lightning answers Ctrl-C
        raise KeyboardInterrupt from error


def _last_checkpoint(folder: Path, settings: Training) -> Path:
    """Where the training goes on from, if the file is there; removed where the best weights so far are lost."""
    last = folder / LAST
    if last.is_file() and settings.use_weights == "best" and not (folder / BEST).is_file():
        messages.warning("%s has lost %s: the training begins anew", folder, BEST)
        last.unlink(missing_ok=True)  # another node may have done so
    return last


def _data(
    frames: Frames, prior_forces: NDArray[np.floating], settings: Training, loss: Loss, prior: EnergyTerm | None,
    seed: int, scratch: Path | None,
) -> ResidentData:  # fmt: skip
    """The data as the loss wants them sampled; the loss has taken from them what it needs to know."""
    require_sample(loss, frames)
    data = ResidentData(
        frames, prior_forces, settings.batch_size, settings.validation_fraction, seed, settings.dtype,
        loss.needs_force_sem, settings.fold, settings.steps_per_epoch, scratch,
    )  # fmt: skip
    if loss.looks_at_all_frames:
        training_frames = data.clean_batch(torch.as_tensor(data.train_index))
        loss.prepare(training_frames)
        data.sample_by(loss.importance(training_frames))
    if settings.noise:
        _augment(data, frames, settings, loss, prior, seed)
    return data


def _kept_weights(
    module: ForceMatching, history: History, data: ResidentData, settings: Training, folder: Path
) -> dict[str, float]:
    """Give the network the weights that ``settings.use_weights`` names, on the CPU; return their numbers."""
    path = folder / (BEST if settings.use_weights == "best" else LAST)
    state = ArrayCheckpointIO().load_checkpoint(path)["state_dict"]
    module.load_state_dict(state)
    module.network.to("cpu").eval()
    (folder / FAILED).unlink(missing_ok=True)
    numbers = _numbers(history, data, path)
    return numbers | {"loss_train": module.to("cpu").loss_of(data, data.train_index)}


def _augment(
    data: ResidentData, frames: Frames, settings: Training, loss: Loss, prior: EnergyTerm | None, seed: int
) -> None:
    if prior is None:
        raise ValueError("settings.noise needs the prior, whose forces at noised coordinates are others")
    if loss.needs_force_sem:
        raise InputError(
            "trainer.noise makes labels whose errors are not those of the data: use loss=force, or trainer.noise=0"
        )
    if data.on_disk:
        raise InputError(
            "trainer.noise draws all frames anew, which are more than trainer.resident_gb: raise it, or set "
            "trainer.noise=0"
        )
    assert frames.forces is not None
    evaluate = make_evaluator("auto", Potential(None, prior), data.clean.coords.to(settings.device))
    training_frames = frames.select(data.train_index)
    data.augment(NoiseAugmentation(training_frames, settings.noise, lambda y: evaluate(y)[1], seed), frames.forces)


def _checkpoints(folder: Path, monitor: str) -> list[Callback]:
    common: dict[str, Any] = {"dirpath": folder, "enable_version_counter": False, "auto_insert_metric_name": False}
    best = FolderCheckpoint(filename=Path(BEST).stem, monitor=monitor, mode="min", save_top_k=1, **common)
    last = FolderCheckpoint(
        filename=Path(LAST).stem, monitor=None, save_top_k=1, every_n_epochs=1, save_on_train_epoch_end=True, **common
    )
    return [best, last, CheckpointOnException(folder / FAILED)]


def _trainer(
    settings: Training, callbacks: list[Callback], logger: CollectingLogger | None, folder: Path, validate: bool
) -> pl.Trainer:
    return pl.Trainer(
        accelerator="gpu" if settings.device.type == "cuda" else "cpu",
        devices=settings.devices,
        num_nodes=settings.n_nodes,
        strategy=strategy_for(settings),
        use_distributed_sampler=False,  # batches know their shares
        precision="64-true" if settings.precision == "float64" else "32-true",
        max_epochs=settings.max_epochs,
        gradient_clip_val=settings.gradient_clip,
        callbacks=callbacks,
        logger=logger or False,
        # a run is one process: what SLURM says of its job (--ntasks, requeueing at USR1) is not Lightning's to act on
        plugins=[ArrayCheckpointIO(), LightningEnvironment()],
        default_root_dir=folder,
        inference_mode=False,  # forces are gradients, also in validation and test
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        limit_val_batches=1.0 if validate else 0,
        log_every_n_steps=50,
        deterministic=True if settings.device.type == "cpu" else "warn",
    )


@contextmanager
def matmul_precision(name: str, device: torch.device) -> Iterator[None]:
    """torch's precision of float32 matrix products, within; on a GPU only."""
    before = torch.get_float32_matmul_precision()
    if device.type == "cuda":
        torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _numbers(history: History, data: ResidentData, checkpoint: Path) -> dict[str, float]:
    meta = ArrayCheckpointIO().load_checkpoint(checkpoint)
    kept = next((row for row in history.rows if row["epoch"] == meta["epoch"]), history.rows[-1])
    numbers: dict[str, float] = {name: kept[name] for name in ("loss_validation",) if name in kept}
    numbers["checkpoint_epoch"] = float(meta["epoch"])
    n_frames = len(history.rows) * len(data.train_dataloader()) * data.train_dataloader().batch_size
    numbers["epochs"] = float(len(history.rows))
    numbers["train_seconds"] = history.seconds
    numbers["train_frames_per_second"] = n_frames / max(history.seconds, 1e-9)
    return numbers


class _quiet:
    """Keeps Lightning's greetings and its advice on loader workers (there is no loader) off the screen."""

    def __enter__(self) -> None:
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        for text in (
            "does not have many workers",
            "srun.* command is available",  # on a cluster's login node: a run has processes of its own
            "smaller than the logging interval",
            "GPU available but not used",
            "Checkpoint directory",
            "LeafSpec",
            "flops_per_batch",
            "sync_dist",  # validation losses are those of all frames on every device
            "broadcast_buffers. is deprecated",  # what takes its place copies buffers at the beginning
            "Grad strides do not match",  # of a column with one number a row: nothing is copied that matters
        ):
            warnings.filterwarnings("ignore", f".*{text}.*")
        self._loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
        self._levels = [logger.level for logger in self._loggers]
        for logger in self._loggers:
            logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        for logger, level in zip(self._loggers, self._levels, strict=True):
            logger.setLevel(level)
        self._warnings.__exit__(None, None, None)
