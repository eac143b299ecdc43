"""What a training keeps: its history as rows, CSV and a logger, and checkpoints as plain arrays."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from pytorch_lightning.plugins.io import CheckpointIO
from torch import Tensor

from cgexp.errors import InputError
from cgexp.progress import Report
from cgexp.store import read_arrays, write_arrays
from cgexp.training.devices import writes
from cgexp.training.rows import COLUMNS, with_throughput, write_rows

WRITE_EVERY_S = 5.0
Log = Callable[[Mapping[str, float]], None]
RENAMED = {"loss_train": "loss_train_running"}  # in checkpoints written before
TERM = "objective_"  # begins the column of one term of an objective that has several


class History(Callback):
    """Collects the epoch's numbers; ``progress(done, total, text)`` is told after each epoch.

    ``log(row)`` is told each epoch, once: its row, what ``logger`` collected meanwhile, and ``frames_per_second``. A
    training that is resumed tells the epochs before it again first, so that a tracker has one whole curve.
    ``gradient_norm`` is that of the epoch's last step, as the optimizer used it (after clipping). A loss that is not
    finite ends the training with one sentence instead of a run of NaN. batch_size: in frames.
    """

    def __init__(
        self,
        path: Path,
        progress: Report | None = None,
        log: Log | None = None,
        logger: CollectingLogger | None = None,
        batch_size: int = 1,
    ) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self.progress, self.batch_size = progress, batch_size
        self._log, self._logger = log, logger
        self._gradient_norm: Tensor | None = None
        self.seconds = 0.0
        self._started = self._written = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"rows": [dict(row) for row in self.rows], "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = [{RENAMED.get(name, name): value for name, value in row.items()} for row in state_dict["rows"]]
        self.seconds = float(state_dict["seconds"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if writes(trainer):
            for row in with_throughput(self.rows, self.batch_size):
                self._tell(row)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx + 1 == trainer.num_training_batches and isinstance(pl_module, HasGradients):
            self._gradient_norm = norm_of(pl_module.gradients())

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seconds += time.perf_counter() - self._started

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.seconds += time.perf_counter() - self._started
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {"epoch": trainer.current_epoch, "step": trainer.global_step, "lr": current_lr(trainer)}
        row |= {name: value for name, value in logged.items() if name in COLUMNS or name.startswith(TERM)}
        if self._gradient_norm is not None:
            row["gradient_norm"] = float(self._gradient_norm)
        row["seconds"] = self.seconds
        self.rows.append(row)
        if writes(trainer):
            collected = {} if self._logger is None else self._logger.take()
            self._tell({**collected, **with_throughput(self.rows[-2:], self.batch_size)[-1]})
        if row.get("loss_train_running") is not None and not abs(row["loss_train_running"]) < float("inf"):
            raise InputError(
                f"the training loss is not finite after epoch {trainer.current_epoch}: lower optimizer.lr or set "
                "trainer.gradient_clip"
            )
        if not writes(trainer):
            return
        if time.monotonic() - self._written > WRITE_EVERY_S:
            self.write()
        if self.progress is not None:
            text = " ".join(
                f"{name} {row[name]:.5g}" for name in ("loss_train_running", "loss_validation") if name in row
            )
            self.progress(trainer.current_epoch + 1, trainer.max_epochs or 0, text)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        if writes(trainer):
            self.write()

    def _tell(self, row: Mapping[str, float]) -> None:
        if self._log is not None:
            self._log(row)

    def take_from(self, path: Path) -> None:
        """The rows of a training in other processes from its last checkpoint; ``log`` is told them."""
        self.load_state_dict(ArrayCheckpointIO().load_checkpoint(path)["callbacks"][self.state_key])
        for row in with_throughput(self.rows, self.batch_size):
            self._tell(row)

    def write(self) -> None:
        """Write all rows as CSV, atomically."""
        write_rows(self.path, self.rows)
        self._written = time.monotonic()


def current_lr(trainer: pl.Trainer) -> float:
    """Learning rate of the first parameter group."""
    return float(trainer.optimizers[0].param_groups[0]["lr"])


class CollectingLogger(Logger):
    """Keeps the last value of all that Lightning's callbacks log, until ``History`` takes it with an epoch's row.

    So training knows no particular tracker: those are in report/, for all stages of a run.
    """

    def __init__(self) -> None:
        super().__init__()
        self._collected: dict[str, float] = {}

    @property
    def name(self) -> str:
        return "cgexp"

    @property
    def version(self) -> str:
        return ""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._collected |= {name: float(value) for name, value in metrics.items()}

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The run's config is recorded by runs/, not here."""

    def take(self) -> dict[str, float]:
        """What was collected since the last call."""
        collected, self._collected = self._collected, {}
        return collected


@runtime_checkable
class HasGradients(Protocol):
    """A module that tells the gradients of its last step."""

    def gradients(self) -> list[Tensor]: ...


def norm_of(gradients: Sequence[Tensor]) -> Tensor | None:
    """The Euclidean norm of all gradients together, without waiting for the device; None if there are none."""
    if not gradients:
        return None
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))  # type: ignore[arg-type]


class ArrayCheckpointIO(CheckpointIO):
    """Stores Lightning's nested checkpoint as one checksummed array file.

    Tensors become arrays; the rest of the tree becomes JSON with tags for what JSON lacks (tuples, non-text keys).
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        arrays: dict[str, NDArray[Any]] = {}
        tree = encode(checkpoint, arrays)
        # not synced: twice an epoch that would cost small networks a tenth of their time; a damaged one is noticed
        write_arrays(Path(path), arrays, {"checkpoint": tree}, durable=False)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        arrays, meta = read_arrays(Path(path))
        checkpoint: dict[str, Any] = decode(meta["checkpoint"], arrays)
        return checkpoint

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)


def encode(value: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """Turn a tree of dicts, lists, tuples, tensors and plain values into JSON; tensors go to ``arrays``."""
    if isinstance(value, torch.Tensor):
        name = f"t{len(arrays)}"
        arrays[name] = value.detach().cpu().numpy()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[encode(key, arrays), encode(item, arrays)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [encode(item, arrays) for item in value]}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a checkpoint holds a {type(value).__name__}: expected tensors, numbers, texts and containers")


def decode(tree: Any, arrays: dict[str, NDArray[Any]]) -> Any:
    """The inverse of ``encode``."""
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return torch.from_numpy(np.array(arrays[content]))
    if kind == "dict":
        return {decode(key, arrays): decode(item, arrays) for key, item in content}
    items = [decode(item, arrays) for item in content]
    return tuple(items) if kind == "tuple" else items
