"""Training with Lightning: it learns, it resumes bit for bit, and it writes down what it kept."""

from __future__ import annotations

import csv
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cgexp.build import Template
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError, Pruned
from cgexp.frames import Frames
from cgexp.models.potential import Potential
from cgexp.models.toy_mlp import ToyMLP
from cgexp.priors.prior import Prior
from cgexp.systems.base import system_of
from cgexp.testing.configurations import toy_frames
from cgexp.training.callbacks import AveragedWeights, EarlyStop, RateFinder, Throughput
from cgexp.training.data import ResidentData
from cgexp.training.fit import BEST, FAILED, LAST, Training
from cgexp.training.history import ArrayCheckpointIO, decode, encode
from cgexp.training.losses import Loss, MeanSquaredError
from cgexp.training.module import ForceMatching
from cgexp.training.trainer import fit

ADAM = Template({"_target_": "torch.optim.Adam", "lr": 1e-2}, Optimizer)
ONE_CYCLE = Template({"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 1e-2}, LRScheduler)


def spring_frames() -> Frames:
    frames = toy_frames(200)
    return frames.with_labels(forces=-2.0 * frames.coords)


def train(folder: Path, network: EnergyTerm, frames: Frames, **changes: Any) -> dict[str, float]:
    settings = Training(max_epochs=8, batch_size=16, validation_fraction=0.2, callbacks={"ema": AveragedWeights(0.9)})
    arguments: dict[str, Any] = {
        "settings": settings,
        "loss": Loss({"force": MeanSquaredError()}),
        "optimizer": ADAM,
        "scheduler": ONE_CYCLE,
        "folder": folder,
        "seed": 0,
        **changes,
    }
    network.fit(frames, system_of(frames))
    return fit(network, frames, np.zeros(frames.coords.shape), **arguments)


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


def make_toy() -> EnergyTerm:
    torch.manual_seed(0)
    return ToyMLP(1, 1, width=16)


def test_it_learns_a_spring_and_reports_its_levels(tmp_path: Path) -> None:
    frames = spring_frames()
    numbers = train(tmp_path, make_toy(), frames)
    assert numbers["loss_validation"] < 0.1 * numbers["loss_zero_force"]
    assert numbers["loss_prior_only"] == pytest.approx(numbers["loss_zero_force"])
    assert numbers["train_frames_per_second"] > 0


def test_data_on_disk_train_the_same_weights(tmp_path: Path) -> None:
    found, expected = make_toy(), make_toy()
    numbers = train(tmp_path / "a", found, spring_frames(), scratch=tmp_path / "files")
    assert numbers["loss_train"] == train(tmp_path / "b", expected, spring_frames())["loss_train"]
    for name, value in expected.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name
    noisy = Training(max_epochs=1, batch_size=16, noise=0.1)
    with pytest.raises(InputError, match=r"more than trainer\.resident_gb"):
        train(
            tmp_path / "c", make_toy(), spring_frames(), settings=noisy, scratch=tmp_path / "files", prior=Prior({}, 1)
        )


def test_what_fits_into_memory_is_told_by_its_size() -> None:
    frames = spring_frames()
    exactly = 2 * 200 * 4 / 1e9
    assert Training(max_epochs=1, batch_size=1, resident_gb=exactly).fits_memory(frames)
    assert not Training(max_epochs=1, batch_size=1, resident_gb=exactly, precision="float64").fits_memory(frames)


def test_the_weights_kept_are_those_with_the_best_validation_loss(tmp_path: Path) -> None:
    network, frames = make_toy(), spring_frames()
    numbers = train(tmp_path, network, frames)
    rows = rows_of(tmp_path)
    best = min(rows, key=lambda row: float(row["loss_validation"]))
    assert numbers["checkpoint_epoch"] == float(best["epoch"])
    assert numbers["loss_validation"] == float(best["loss_validation"])
    state = ArrayCheckpointIO().load_checkpoint(tmp_path / BEST)["state_dict"]
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, state[f"network.{name}"])


def test_the_training_loss_is_one_number_of_the_kept_weights(tmp_path: Path) -> None:
    """The mean while the weights changed, of which each epoch has one, has a name of its own."""
    network, frames = make_toy(), spring_frames()
    settings = Training(max_epochs=4, batch_size=16, validation_fraction=0.0)
    numbers = train(tmp_path, network, frames, settings=settings)
    forces = Potential(network, Prior({}, 1.0)).forces(frames.coords)
    assert numbers["loss_train"] == pytest.approx(float(np.mean((forces - frames.forces) ** 2)), rel=1e-5)
    assert numbers.keys().isdisjoint(["loss_train_running"])
    assert all("loss_train_running" in row and "loss_train" not in row for row in rows_of(tmp_path))


def test_a_stopped_training_keeps_its_history(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def progress(done: int, total: int, text: str) -> None:
        if done == 5:
            raise Stop

    train(tmp_path / "a", make_toy(), spring_frames())
    with pytest.raises(Stop):
        train(tmp_path / "b", make_toy(), spring_frames(), progress=progress)
    assert len(rows_of(tmp_path / "b")) == 5
    train(tmp_path / "b", make_toy(), spring_frames())
    for row, other in zip(rows_of(tmp_path / "a"), rows_of(tmp_path / "b"), strict=True):
        assert {**row, "seconds": None} == {**other, "seconds": None}


class Kill(Exception):
    """What a kill looks like from inside."""


def kill_after(epoch: int) -> Callable[[int, int, str], None]:
    def progress(done: int, total: int, text: str) -> None:
        if done == epoch:
            raise Kill

    return progress


def overfitting() -> Training:
    # no averaging and a high rate on few frames, so that an early epoch is the best
    return Training(max_epochs=30, batch_size=4, validation_fraction=0.5)


def test_a_run_that_was_moved_still_knows_its_best_checkpoint(tmp_path: Path) -> None:
    frames = toy_frames(40)  # forces are noise: the network can only overfit
    arguments: dict[str, Any] = {"settings": overfitting(), "scheduler": None}
    expected = train(tmp_path / "a", make_toy(), frames, **arguments)
    assert expected["checkpoint_epoch"] < 20
    with pytest.raises(Kill):
        train(tmp_path / "b", make_toy(), frames, progress=kill_after(25), **arguments)
    (tmp_path / "b").rename(tmp_path / "c")
    moved = train(tmp_path / "c", make_toy(), frames, **arguments)
    assert moved["checkpoint_epoch"] == expected["checkpoint_epoch"]
    assert moved["loss_validation"] == expected["loss_validation"]


def test_a_resumed_run_does_not_look_for_a_learning_rate_again(tmp_path: Path) -> None:
    def settings() -> Training:
        return Training(4, 16, validation_fraction=0.2, callbacks={"finder": RateFinder(num_training_steps=20)})

    train(tmp_path / "a", make_toy(), spring_frames(), scheduler=None, settings=settings())
    with pytest.raises(Kill):
        train(tmp_path / "b", make_toy(), spring_frames(), scheduler=None, settings=settings(), progress=kill_after(2))
    train(tmp_path / "b", make_toy(), spring_frames(), scheduler=None, settings=settings())
    first, second = (rows_of(tmp_path / x) for x in "ab")
    assert [row["epoch"] for row in second] == ["0", "1", "2", "3"]
    assert [row["loss_validation"] for row in first] == [row["loss_validation"] for row in second]


def test_a_training_that_had_stopped_early_does_not_go_on(tmp_path: Path) -> None:
    def settings() -> Training:
        stop = EarlyStop("loss_validation", patience=2, min_delta=1e9)
        return Training(20, 16, validation_fraction=0.2, use_weights="last", callbacks={"stop": stop})

    first, again = make_toy(), make_toy()
    numbers = train(tmp_path, first, spring_frames(), settings=settings())
    assert numbers["epochs"] < 20
    (tmp_path / "history.csv").unlink()  # killed before it was written
    assert train(tmp_path, again, spring_frames(), settings=settings())["epochs"] == numbers["epochs"]
    assert (tmp_path / "history.csv").is_file()
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_losses_and_their_levels_compare_for_weighted_frames(tmp_path: Path) -> None:
    frames = spring_frames()
    frames = frames.with_labels(weights=np.where(frames.block % 2 == 0, 10.0, 0.1))
    zero = make_toy()
    for parameter in zero.parameters():
        torch.nn.init.zeros_(parameter)
    frozen = Template({"_target_": "torch.optim.Adam", "lr": 1e-30}, Optimizer)
    settings = Training(1, 16, validation_fraction=0.3)
    numbers = train(tmp_path, zero, frames, optimizer=frozen, scheduler=None, settings=settings)
    assert numbers["loss_validation"] == pytest.approx(numbers["loss_zero_force"], rel=0.05)


def test_a_loss_that_is_not_finite_ends_with_a_sentence(tmp_path: Path) -> None:
    frames = spring_frames()
    steep = frames.with_labels(forces=frames.coords * 1e30)
    with pytest.raises(InputError, match=r"not finite.*lower optimizer\.lr"):
        train(tmp_path, make_toy(), steep, scheduler=None)
    assert (tmp_path / "history.csv").is_file()


def test_the_fault_of_a_training_is_told_though_its_state_cannot_be_saved(tmp_path: Path) -> None:
    class Fails(pl.Callback):
        def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            if trainer.current_epoch == 1:
                (tmp_path / FAILED).mkdir()  # no file can be written there
                raise ValueError("the first fault")

    settings = Training(max_epochs=2, batch_size=16, validation_fraction=0.2, callbacks={"fails": Fails()})
    with pytest.raises(ValueError, match="the first fault"):
        train(tmp_path, make_toy(), spring_frames(), settings=settings)


def test_without_validation_the_training_loss_decides(tmp_path: Path) -> None:
    settings = Training(max_epochs=2, batch_size=16, validation_fraction=0.0)
    numbers = train(tmp_path, make_toy(), spring_frames(), settings=settings)
    assert "loss_validation" not in numbers


def test_float64_early_stopping_clipping_and_throughput(tmp_path: Path) -> None:
    callbacks = {
        "early_stopping": pl.callbacks.EarlyStopping("loss_validation", patience=1, min_delta=1e9),
        "throughput": Throughput(window_size=2),
    }
    logged: list[str] = []
    network = make_toy()
    settings = Training(8, 16, precision="float64", gradient_clip=1.0, use_weights="last", callbacks=callbacks)
    numbers = train(tmp_path, network, spring_frames(), settings=settings, log=logged.extend)
    assert numbers["epochs"] < 8
    assert next(network.parameters()).dtype == torch.float64
    assert {"loss_train_running", "loss_validation"} <= set(logged)


@pytest.mark.parametrize("scheduler", ["StepLR", "ReduceLROnPlateau", "CosineAnnealingLR", "ExponentialLR"])
def test_schedulers(tmp_path: Path, scheduler: str) -> None:
    spec: dict[str, Any] = {"_target_": f"torch.optim.lr_scheduler.{scheduler}"}
    spec |= {"StepLR": {"step_size": 1}, "ExponentialLR": {"gamma": 0.5}}.get(scheduler, {})
    settings = Training(max_epochs=3, batch_size=16)
    train(tmp_path, make_toy(), spring_frames(), scheduler=Template(spec, LRScheduler), settings=settings)
    rows = rows_of(tmp_path)
    if scheduler != "ReduceLROnPlateau":
        assert float(rows[-1]["lr"]) < float(rows[0]["lr"])


def test_the_learning_rate_finder_works(tmp_path: Path) -> None:
    finder = pl.callbacks.LearningRateFinder(num_training_steps=20)
    settings = Training(max_epochs=1, batch_size=16, callbacks={"lr_finder": finder})
    train(tmp_path, make_toy(), spring_frames(), scheduler=None, settings=settings)
    assert finder.optimal_lr is not None


def test_forces_work_in_validate_and_test(tmp_path: Path) -> None:
    """Lightning evaluates without gradients, but forces are gradients."""
    network, frames = make_toy(), spring_frames()
    network.fit(frames, system_of(frames))
    module = ForceMatching(network, Loss({"force": MeanSquaredError()}), ADAM, None)
    data = ResidentData(frames, np.zeros(frames.coords.shape), 16, 0.2, 0, torch.float32)
    trainer = pl.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False, inference_mode=False
    )
    validated = trainer.validate(module, datamodule=data, verbose=False)
    tested = trainer.test(module, datamodule=data, verbose=False)
    assert validated[0]["loss_validation"] > 0
    assert tested[0]["loss_test"] == pytest.approx(validated[0]["loss_validation"])


def test_a_gpu_that_is_not_there_is_a_sentence() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match="no GPU was found"):
        _ = Training(1, 1, accelerator="gpu").device
    assert replace(Training(1, 1), accelerator="auto").device.type == "cpu"


def test_checkpoints_hold_no_pickle_and_come_back_whole(tmp_path: Path) -> None:
    tree: dict[str, Any] = {
        "state": {0: {"step": torch.tensor(3.0), "name": "x"}, "t": (1, [2.5, None, True])},
        "empty": torch.zeros(0, dtype=torch.int64),
        "flag": False,
    }
    arrays: dict[str, Any] = {}
    back = decode(encode(tree, arrays), arrays)
    assert back["state"]["t"] == (1, [2.5, None, True])
    assert torch.equal(back["state"][0]["step"], torch.tensor(3.0))
    assert back["empty"].dtype == torch.int64
    with pytest.raises(TypeError, match="holds a function"):
        encode({"f": encode}, {})
    train(tmp_path, make_toy(), spring_frames(), settings=Training(1, 16))
    content = (tmp_path / LAST).read_bytes()
    assert content[:2] == b"PK"
    assert b"torch._utils" not in content


def test_a_slurm_job_of_several_tasks_trains_once_and_is_not_requeued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = {
        "SLURM_NTASKS": "4",
        "SLURM_JOB_ID": "1",
        "SLURM_JOB_NAME": "cgexp",
        "SLURM_PROCID": "0",
        "SLURM_NODEID": "0",
    }
    for name, value in {**job, "SLURM_LOCALID": "0", "SLURM_NNODES": "1", "SLURM_NODELIST": "node1"}.items():
        monkeypatch.setenv(name, value)
    handlers = []

    class Look(pl.Callback):
        def on_train_start(self, *_: Any) -> None:
            handlers.append(signal.getsignal(signal.SIGUSR1))

    settings = Training(max_epochs=1, batch_size=16, validation_fraction=0.2, callbacks={"look": Look()})
    train(tmp_path, make_toy(), spring_frames(), settings=settings)
    assert handlers == [signal.SIG_DFL]


def test_a_training_that_is_watched_is_stopped_after_an_epoch_and_goes_on_bit_for_bit(tmp_path: Path) -> None:
    frames, told = spring_frames(), list[tuple[int, float]]()

    def watch(epoch: int, loss: float) -> bool:
        told.append((epoch, loss))
        return epoch == 3

    with pytest.raises(Pruned, match="stopped after epoch 3 of 8"):
        train(tmp_path / "watched", make_toy(), frames, watch=watch)
    assert [epoch for epoch, _ in told] == [1, 2, 3]
    assert [loss for _, loss in told] == [float(row["loss_validation"]) for row in rows_of(tmp_path / "watched")]
    assert not (tmp_path / "watched" / FAILED).exists()
    network, whole = make_toy(), make_toy()
    train(tmp_path / "watched", network, frames)
    train(tmp_path / "whole", whole, frames)
    for found, expected in zip(network.parameters(), whole.parameters(), strict=True):
        assert torch.equal(found, expected)
