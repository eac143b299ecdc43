"""ForceMatching: the LightningModule that trains a network by force matching."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cgexp.build import TARGET, Template
from cgexp.energy import EnergyTerm
from cgexp.kernels.choose import make_kernel
from cgexp.kernels.evaluator import make_forces
from cgexp.kernels.kernel import Kernel
from cgexp.kernels.probe import bfloat16_pays
from cgexp.models.potential import Potential
from cgexp.parts.sources import fact
from cgexp.priors.prior import Prior
from cgexp.training.data import ResidentData
from cgexp.training.graphed_step import GraphedStep, can_be_captured, set_capturable
from cgexp.training.losses import Batch, Loss, force_error, mean_over_frames

EVALUATION_BATCH = 2048  # frames whose labels are gathered at once
ENSEMBLES = "ensembles"  # of a checkpoint: where the sampling of the loss's terms is
NO_PRIOR = Prior({}, temperature=1.0)  # its forces are in the labels


class ForceMatching(pl.LightningModule):
    """Minimises the loss between the network's forces -dU/dx and reference forces; a step differentiates twice.

    The prior's forces are already subtracted from the labels (training/data.py). Logged: ``objective`` (the loss that
    is minimised), and mean squared force errors whatever the objective, force^2: ``loss_train_running`` (of the epoch's
    batches, while the weights change) and ``loss_validation``.

    graphed: True hands backward, clipping and the optimizer's step to a GraphedStep together with the loss; then
    Lightning's closure does all of it in ``training_step``, and Lightning counts, schedules and saves as usual. None:
    on a GPU with kernel=auto, where loss, kernel and optimizer allow it.
    """

    def __init__(
        self,
        network: EnergyTerm,
        loss: Loss,
        optimizer: Template[Optimizer],
        scheduler: Template[LRScheduler] | None,
        kernel: str = "reference",
        graphed: bool | None = None,
        bf16: bool = False,
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self._optimizer, self._scheduler, self.kernel_name = optimizer, scheduler, kernel
        self.lr = float(optimizer.spec.get("lr", 1e-3))  # the name Lightning's LearningRateFinder looks for
        # made as the training starts: the weight-averaging callback copies the module before, and a compiled function
        # is no part of its state
        self._kernel: Kernel | None = None
        self._evaluate: Callable[[Tensor], Tensor] | None = None  # forces for losses that nothing is minimised by
        self.bf16 = bf16  # in the parameter gradient, see Training
        self._graphed, self._step = graphed, cast(GraphedStep | None, None)
        self._sums = torch.zeros(0)
        # for a loss that samples the model: not before the training starts, so that no callback copies what it needs
        self.begin_sampling: Callable[[], None] = lambda: None

    def on_train_start(self) -> None:
        """Choose kernel and kind of step, now that weights and data are where they stay and a checkpoint is loaded."""
        data: ResidentData = self.trainer.datamodule
        data.move(self.device)
        if self.loss.ensembles:
            self.begin_sampling()
        (optimizer,) = self.trainer.optimizers
        on_gpu = self.device.type == "cuda"
        wanted = on_gpu and self.kernel_name == "auto" if self._graphed is None else self._graphed
        wanted = (
            wanted
            and not self.loss.penalties
            and not self.loss.ensembles
            and can_be_captured(optimizer, self.lr_schedulers())
        )
        # penalties look beside the data, and noise leads there
        coords = None if self.loss.penalties or data.noise else data.tensors.coords
        self._kernel = make_kernel(self.kernel_name, self.network, coords, self.bf16)
        if getattr(self._kernel, "bf16", False) and not bfloat16_pays(self._kernel, self.network, data.tensors.coords):
            self._kernel = make_kernel(self.kernel_name, self.network, coords)
        data.index_only = wanted and self._kernel.graphable
        set_capturable(optimizer, self.device if on_gpu and data.index_only else None)
        if data.index_only:
            self._step = GraphedStep(
                lambda index: self._losses(data.batch(index)), optimizer, self.trainer.gradient_clip_val, on_gpu
            )

    def on_train_epoch_end(self) -> None:
        if self._kernel is not None:
            self._kernel.check()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.loss.ensembles:
            checkpoint[ENSEMBLES] = {name: term.state() for name, term in self.loss.ensembles.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        for name, state in checkpoint.get(ENSEMBLES, {}).items():
            self.loss.ensembles[name].restore(state)

    def on_fit_end(self) -> None:
        self._kernel = self._step = None

    def gradients(self) -> list[Tensor]:
        """The gradients of the last step, as the optimizer used them."""
        if self._step is not None:
            return self._step.gradients()
        return [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]

    def training_step(self, batch: Batch | Tensor, batch_idx: int) -> Tensor:
        values = self._losses(batch) if isinstance(batch, Batch) else self._whole_step(batch)
        self._record(values, batch_idx)
        return values["objective"]

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], object] | None = None,
    ) -> None:
        if self._step is None:
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        elif optimizer_closure is not None:
            optimizer_closure()

    def backward(self, loss: Tensor) -> None:
        if self._step is None:
            loss.backward()

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        if self._step is None:
            optimizer.zero_grad()

    def _whole_step(self, index: Tensor) -> dict[str, Tensor]:
        assert self._step is not None
        return self._step(index)

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        """What is logged, by name; ``objective`` is what is minimised, with its graph."""
        assert self._kernel is not None
        weights = self.loss.squared_weights(batch)
        if weights is None:
            predicted = self._kernel(batch.coords)
            total, terms = self.loss(predicted, batch, self._kernel, self.global_step)
        else:
            total, predicted = self._kernel.squared_error(batch.coords, batch.forces, weights)
            terms = self.loss(predicted, batch)[1] if len(self.loss.terms) > 1 else {}
        error = total.detach() if self.loss.is_mean_squared_error else squared_error(predicted.detach(), batch)
        if self.loss.ensembles:
            of_ensembles = self.loss.of_ensembles(batch)
            total, terms = total + torch.stack(list(of_ensembles.values())).sum(), terms | of_ensembles
        values = {"objective": total, "loss_train_running": error}
        if len(terms) > 1:
            values |= {f"objective_{name}": value for name, value in terms.items()}
        return values

    def _record(self, values: Mapping[str, Tensor], batch_idx: int) -> None:
        """Log the mean of each value over the epoch, at its last batch: a log at every step costs a tenth of it."""
        present = torch.stack([value.detach() for value in values.values()])
        self._sums = present if batch_idx == 0 else self._sums + present
        if batch_idx + 1 == self.trainer.num_training_batches:
            for name, mean in zip(values, self._sums / (batch_idx + 1), strict=True):
                several = self.trainer.world_size > 1
                self.log(name, mean, on_step=False, on_epoch=True, batch_size=1, sync_dist=several)

    def on_validation_start(self) -> None:
        self._evaluate = None  # the weights are others than last time

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._log("loss_validation", squared_error(self._forces(batch.coords), batch), batch)

    def on_test_start(self) -> None:
        self._evaluate = None

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._log("loss_test", squared_error(self._forces(batch.coords), batch), batch)

    def configure_optimizers(self) -> Any:
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        optimizer = replace(self._optimizer, spec={**self._optimizer.spec, "lr": self.lr}).make(params=parameters)
        if self._scheduler is None:
            return optimizer
        total_steps = int(self.trainer.estimated_stepping_batches)
        scheduler = self._scheduler.make(optimizer=optimizer, total_steps=total_steps, T_max=total_steps)
        interval = "step" if fact(self._scheduler.spec[TARGET], "per_step", False) else "epoch"
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": interval, "monitor": "loss_validation"},
        }

    def loss_of(self, data: ResidentData, index: NDArray[np.integer]) -> float:
        """Mean squared force error (force^2) of the present weights on the frames at ``index``."""
        total, self._evaluate = 0.0, None
        data.move(self.device)
        for part in np.array_split(index, max(1, len(index) // EVALUATION_BATCH)):
            batch = data.clean_batch(torch.as_tensor(part))
            total += float(squared_error(self._forces(batch.coords), batch)) * len(part)
        return total / len(index)

    def _forces(self, coords: Tensor) -> Tensor:
        """Forces of the present weights by the kernel that trains, without a graph, whatever the caller has set."""
        if self._evaluate is None:
            self._evaluate = make_forces(self.kernel_name, Potential(self.network, NO_PRIOR), coords[:1])
        return self._evaluate(coords)

    def _log(self, name: str, value: Tensor, batch: Batch) -> None:
        self.log(name, value, on_step=False, on_epoch=True, batch_size=len(batch.coords))


def squared_error(predicted: Tensor, batch: Batch) -> Tensor:
    """Mean squared force error over frames (weighted), beads and dimensions: METRICS' ``loss_*``."""
    return mean_over_frames(force_error(predicted, batch).pow(2).mean(dim=(1, 2)), batch.weights)
