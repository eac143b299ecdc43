"""Several processes that share each batch train what one does."""

from __future__ import annotations

import csv
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_lightning.plugins.environments import SLURMEnvironment
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cgexp.build import Template
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.toy_mlp import ToyMLP
from cgexp.systems.base import system_of
from cgexp.testing.configurations import chain_frames, toy_frames
from cgexp.training.callbacks import AveragedWeights
from cgexp.training.data import IndexBatches
from cgexp.training.fit import Training
from cgexp.training.losses import Loss, MeanSquaredError
from cgexp.training.trainer import _quiet, fit

ADAM = Template({"_target_": "torch.optim.Adam", "lr": 1e-2}, Optimizer)
ONE_CYCLE = Template({"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 1e-2}, LRScheduler)


def train(
    folder: Path,
    network: EnergyTerm,
    n_devices: int,
    kernel: str = "reference",
    scheduler: Template[LRScheduler] | None = ONE_CYCLE,
    **changes: Any,
) -> dict[str, float]:
    frames = chain_frames(200, 6) if isinstance(network, CGSchNet) else toy_frames(200)
    network.fit(frames, system_of(frames))
    settings = Training(
        max_epochs=5, batch_size=16, validation_fraction=0.2, precision="float64", devices=n_devices,
        callbacks={"ema": AveragedWeights(0.9)},
    )  # fmt: skip
    arguments: dict[str, Any] = {"settings": replace(settings, **changes), "loss": Loss({"force": MeanSquaredError()})}
    return fit(
        network, frames, np.zeros(frames.coords.shape), **arguments, optimizer=ADAM, scheduler=scheduler,
        folder=folder, seed=0, kernel=kernel,
    )  # fmt: skip


def make(kind: str) -> EnergyTerm:
    torch.manual_seed(0)
    return (
        CGSchNet(6, n_features=8, n_filters=8, n_rbf=16, cutoff=15.0) if kind == "cgschnet" else ToyMLP(1, 1)
    ).double()


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


def test_shares_of_a_batch_are_all_of_it() -> None:
    index = np.arange(100)
    whole = IndexBatches(index, 16, seed=3)
    shares = [IndexBatches(index, 16, seed=3, rank=(k, 4)) for k in range(4)]
    for batch, *parts in zip(whole, *shares, strict=True):
        assert torch.cat(parts).equal(batch)
    assert {len(loader) for loader in shares} == {len(whole)}
    assert IndexBatches(np.arange(10), 16, seed=3, rank=(0, 4)).batch_size == 8


@pytest.mark.parametrize(
    ("kind", "kernel"),
    [
        ("toy", "reference"),
        *(pytest.param("cgschnet", name, marks=pytest.mark.slow) for name in ("reference", "fused")),
    ],
)
def test_two_processes_equal_one_of_twice_the_share(tmp_path: Path, kind: str, kernel: str) -> None:
    """Fifty steps in float64: weights, losses and history."""
    found, expected = make(kind), make(kind)
    numbers = train(tmp_path / "two", found, 2, kernel)
    alone = train(tmp_path / "one", expected, 1, kernel)
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value, rtol=1e-8, atol=1e-8)
    for name in ("loss_train", "loss_validation", "epochs", "checkpoint_epoch"):
        assert numbers[name] == pytest.approx(alone[name], rel=1e-8)
    two, one = rows_of(tmp_path / "two"), rows_of(tmp_path / "one")
    assert one[-1]["step"] == two[-1]["step"] == "50"
    for row, other in zip(two, one, strict=True):
        for name in ("loss_train_running", "loss_validation", "gradient_norm"):
            assert float(row[name]) == pytest.approx(float(other[name]), rel=1e-8)


def test_a_sentence_of_a_process_is_raised_here_and_a_training_goes_on_on_other_devices(tmp_path: Path) -> None:
    train(tmp_path, make("toy"), 1, scheduler=None, max_epochs=1)
    assert train(tmp_path, make("toy"), 2, scheduler=None, max_epochs=2)["epochs"] == 2.0
    assert len(rows_of(tmp_path)) == 2
    network = make("toy")
    torch.nn.init.constant_(next(network.parameters()), torch.nan)
    with pytest.raises(InputError, match=r"^the training loss is not finite after epoch 0: lower optimizer\.lr"):
        train(tmp_path / "nan", network, 2, max_epochs=1)


def test_what_does_not_go_on_several_devices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no multiple of trainer\.devices=3.*set trainer\.batch_size=18"):
        Training(max_epochs=1, batch_size=16, devices=3)
    frames = toy_frames(20)
    with pytest.raises(InputError, match=r"set trainer\.devices=1"):
        fit(
            make("toy"), frames, np.zeros(frames.coords.shape), Training(max_epochs=1, batch_size=4, devices=2),
            Loss({"force": MeanSquaredError()}), ADAM, None, tmp_path, 0, watch=lambda epochs, loss: False,
        )  # fmt: skip


def test_a_clusters_commands_give_a_run_no_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run starts its processes itself: Lightning's advice to use srun, wherever that is installed, is wrong."""
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.delenv("SLURM_NTASKS", raising=False)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        SLURMEnvironment._validate_srun_used()
        assert len(told) == 1
        with _quiet():
            SLURMEnvironment._validate_srun_used()
    assert len(told) == 1
