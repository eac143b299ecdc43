"""ForceMatching: the LightningModule that trains a network by force matching."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgexp.build import build
from cgexp.energy import EnergyTerm, negative_gradient
from cgexp.kernels.choose import make_kernel
from cgexp.kernels.kernel import Kernel
from cgexp.training.data import ResidentData
from cgexp.training.losses import Batch, Loss, force_error, mean_over_frames

EVALUATION_BATCH = 2048  # frames
PER_STEP_SCHEDULERS = ("OneCycleLR", "CosineAnnealingLR", "LinearLR", "LambdaLR", "CyclicLR")


class ForceMatching(pl.LightningModule):
    """Minimises the loss between the network's forces -dU/dx and reference forces; a step differentiates twice.

    The prior's forces are already subtracted from the labels (training/data.py). Logged: ``objective`` (the loss that
    is minimised), ``loss_train`` and ``loss_validation`` (mean squared force error whatever the objective, force^2).
    """

    def __init__(
        self,
        network: EnergyTerm,
        loss: Loss,
        optimizer: Mapping[str, Any],
        scheduler: Mapping[str, Any] | None,
        kernel: str = "reference",
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.optimizer_spec, self.scheduler_spec, self.kernel_name = dict(optimizer), scheduler, kernel
        self.lr = float(optimizer.get("lr", 1e-3))  # the name Lightning's LearningRateFinder looks for
        # made at the first step: the weight-averaging callback copies the module before, and a compiled function
        # is no part of its state
        self._kernel: Kernel | None = None
        self._sums = torch.zeros(0)

    def on_fit_end(self) -> None:
        self._kernel = None

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        if self._kernel is None:
            self._kernel = make_kernel(self.kernel_name, self.network, self.trainer.datamodule.tensors.coords)
        weights = self.loss.squared_weights(batch)
        if weights is None:
            predicted = self._kernel(batch.coords)
            total, terms = self.loss(predicted, batch, self._kernel, self.global_step)
        else:
            total, predicted = self._kernel.squared_error(batch.coords, batch.forces, weights)
            terms = self.loss(predicted, batch)[1] if len(self.loss.terms) > 1 else {}
        values = {"objective": total, "loss_train": squared_error(predicted.detach(), batch)}
        if len(terms) > 1:
            values |= {f"objective_{name}": value for name, value in terms.items()}
        self._record(values, batch_idx)
        return total

    def _record(self, values: Mapping[str, Tensor], batch_idx: int) -> None:
        """Log the mean of each value over the epoch, at its last batch: a log at every step costs a tenth of it."""
        present = torch.stack([value.detach() for value in values.values()])
        self._sums = present if batch_idx == 0 else self._sums + present
        if batch_idx + 1 == self.trainer.num_training_batches:
            for name, mean in zip(values, self._sums / (batch_idx + 1), strict=True):
                self.log(name, mean, on_step=False, on_epoch=True, batch_size=1)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._log("loss_validation", squared_error(self._forces(batch.coords), batch), batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._log("loss_test", squared_error(self._forces(batch.coords), batch), batch)

    def configure_optimizers(self) -> Any:
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        optimizer = build({**self.optimizer_spec, "lr": self.lr}, params=parameters)
        if self.scheduler_spec is None:
            return optimizer
        total_steps = int(self.trainer.estimated_stepping_batches)
        scheduler = build(self.scheduler_spec, optimizer=optimizer, total_steps=total_steps, T_max=total_steps)
        interval = "step" if type(scheduler).__name__ in PER_STEP_SCHEDULERS else "epoch"
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": interval, "monitor": "loss_validation"},
        }

    def loss_of(self, data: ResidentData, index: NDArray[Any]) -> float:
        """Mean squared force error (force^2) of the present weights on the frames at ``index``."""
        total = 0.0
        for part in np.array_split(index, max(1, len(index) // EVALUATION_BATCH)):
            batch = data.transfer_batch_to_device(torch.as_tensor(part), self.device, 0)
            total += float(squared_error(self._forces(batch.coords), batch)) * len(part)
        return total / len(index)

    def _forces(self, coords: Tensor) -> Tensor:
        """Forces without a graph through the parameters; works where the caller has switched gradients off."""
        if not self.network.conservative:
            return self.network(coords).detach()  # type: ignore[no-any-return]
        with torch.enable_grad():
            leaf = coords.detach().requires_grad_(True)
            return negative_gradient(self.network.energy(leaf), leaf).detach()

    def _log(self, name: str, value: Tensor, batch: Batch) -> None:
        self.log(name, value, on_step=False, on_epoch=True, batch_size=len(batch.coords))


def squared_error(predicted: Tensor, batch: Batch) -> Tensor:
    """Mean squared force error over frames (weighted), beads and dimensions: METRICS' ``loss_*``."""
    return mean_over_frames(force_error(predicted, batch).pow(2).mean(dim=(1, 2)), batch.weights)
