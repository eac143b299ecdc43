"""Checks of a model's training: resuming changes nothing, and every kernel gives the reference's gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cgexp.build import Template
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.kernels.choose import KERNELS, make_kernel
from cgexp.kernels.fused_cgschnet import FusedCGSchNet
from cgexp.kernels.table import TableKernel
from cgexp.priors.prior import Prior
from cgexp.systems.base import system_of
from cgexp.testing.finite_difference import relative_error
from cgexp.training.callbacks import AveragedWeights
from cgexp.training.fit import Training
from cgexp.training.losses import Loss, MeanSquaredError
from cgexp.training.trainer import fit

MAX_TABLE_ERROR = 2e-5  # float64, relative: of kernels that read filters from a table
MAX_EXACT_ERROR = 1e-9  # of all other kernels
N_EPOCHS, N_BEFORE_STOP = 5, 3


class Stop(Exception):
    """What a kill looks like from inside."""


class ResumeChecks:
    """A training that was stopped and resumed equals one that was not.

    ``make_network`` returns a fresh network with the same weights each time, ``make_frames`` data. use_weights: as in
    Training.
    """

    use_weights: Literal["best", "last"] = "best"

    def make_network(self) -> EnergyTerm:
        raise NotImplementedError

    def make_frames(self) -> Frames:
        raise NotImplementedError

    def make_loss(self) -> Loss:
        return Loss({"force": MeanSquaredError()})

    def test_stop_and_resume_equals_run_through_bit_for_bit(self, tmp_path: Path) -> None:
        through, stopped, resumed = (self.make_network() for _ in range(3))
        expected = self._train(through, tmp_path / "through")
        with pytest.raises(Stop):
            self._train(stopped, tmp_path / "stopped", stop=True)
        numbers = self._train(resumed, tmp_path / "stopped")
        for name, value in through.state_dict().items():
            assert torch.equal(value, resumed.state_dict()[name]), name
        assert numbers["loss_validation"] == expected["loss_validation"]

    def _train(self, network: EnergyTerm, folder: Path, stop: bool = False) -> dict[str, float]:
        frames = self.make_frames()
        network.fit(frames, system_of(frames))
        settings = Training(
            max_epochs=N_EPOCHS,
            batch_size=16,
            validation_fraction=0.2,
            callbacks={"ema": AveragedWeights(0.9)},
            use_weights=self.use_weights,
        )

        def progress(done: int, total: int, text: str) -> None:
            if stop and done == N_BEFORE_STOP:
                raise Stop

        return fit(
            network,
            frames,
            np.zeros(frames.coords.shape),
            settings,
            self.make_loss(),
            Template({"_target_": "torch.optim.Adam", "lr": 1e-2}, Optimizer),
            Template({"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 1e-2}, LRScheduler),
            folder,
            seed=0,
            progress=progress,
            prior=Prior({}, temperature=1.0),
        )


class TrainingChecks(ResumeChecks):
    """Subclass for a model: ``make_network`` and ``make_frames`` as in ResumeChecks.

    The kernel checks compile, which takes a while: they are marked slow.
    """

    @pytest.mark.slow
    @pytest.mark.parametrize("kernel", sorted(set(KERNELS) - {"reference"}))
    def test_kernel_gives_the_references_forces_and_gradients(self, kernel: str) -> None:
        try:
            made = make_kernel(kernel, self.make_network())
        except InputError as error:
            pytest.skip(str(error))
        limit = MAX_TABLE_ERROR if isinstance(made, TableKernel | FusedCGSchNet) else MAX_EXACT_ERROR
        forces, gradients = self._forces_and_gradients("reference")
        fast_forces, fast_gradients = self._forces_and_gradients(kernel)
        assert relative_error(fast_forces, forces) <= limit
        assert fast_gradients.keys() == gradients.keys()
        for name, gradient in gradients.items():
            scale = max(float(gradient.square().mean().sqrt()), 1e-12)
            assert float((fast_gradients[name] - gradient).abs().max()) <= limit * scale, name

    def _forces_and_gradients(self, kernel: str) -> tuple[Tensor, dict[str, Tensor]]:
        network, frames = self.make_network().double(), self.make_frames()
        network.fit(frames, system_of(frames))
        network.eval()  # the same state in both kernels, where a training step would move it
        coords = torch.tensor(frames.coords, dtype=torch.float64)
        forces = make_kernel(kernel, network)(coords)
        assert frames.forces is not None
        (forces - torch.tensor(frames.forces)).pow(2).mean().backward()
        found = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
        return forces.detach(), found
