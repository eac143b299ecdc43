"""Labels of different quality: the noise of single forces is estimated, and a few precise labels do not drown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cgexp.build import Template
from cgexp.errors import InputError
from cgexp.frames import Frames, join
from cgexp.models.toy_mlp import ToyMLP
from cgexp.store import read_frames, write_frames
from cgexp.systems.base import system_of
from cgexp.systems.molecule import Molecule
from cgexp.testing.configurations import chain_frames
from cgexp.training.fit import Training
from cgexp.training.losses import InverseVariance, Loss, MeanSquaredError
from cgexp.training.noise import known_or_estimated
from cgexp.training.trainer import fit

SPREAD = np.array([0.5, 2.0, 8.0])  # noise of each bead


def noisy_frames(n_frames: int) -> tuple[Frames, NDArray[np.float64]]:
    """Frames of three beads whose mean force is known, and that mean force."""
    frames, rng = chain_frames(n_frames, n_beads=3), np.random.default_rng(1)
    mean = rng.normal(scale=5.0, size=frames.coords.shape)
    return frames.with_labels(forces=mean + SPREAD[:, None] * rng.normal(size=mean.shape)), mean


def test_the_noise_of_each_bead_is_what_the_model_leaves() -> None:
    frames, mean = noisy_frames(2000)
    sem = known_or_estimated(frames, mean)
    assert sem.shape == frames.coords.shape
    np.testing.assert_allclose(sem[0, :, 0], SPREAD, rtol=0.03)
    assert (sem == sem[:1, :, :1]).all()
    worse = known_or_estimated(frames, mean + 1.0)
    np.testing.assert_allclose(worse[0, :, 0] ** 2, SPREAD**2 + 1.0, rtol=0.06)


def test_errors_that_are_known_are_kept() -> None:
    noisy, mean = noisy_frames(500)
    precise = noisy.select(np.arange(20)).with_labels(forces=mean[:20], force_sem=np.zeros((20, 3, 3)))
    both = join([noisy, precise])
    sem = known_or_estimated(both, np.concatenate([mean, mean[:20]]))
    np.testing.assert_array_equal(sem[500:], 0.0)
    np.testing.assert_array_equal(sem[:500], known_or_estimated(noisy, mean))


def test_labels_that_are_explained_exactly_have_no_noise_to_estimate() -> None:
    frames, mean = noisy_frames(10)
    with pytest.raises(InputError, match="forces on bead 0 cannot be estimated, since the prior explains them exactly"):
        known_or_estimated(frames.with_labels(forces=mean), mean)


def test_unknown_errors_survive_the_disk(tmp_path: Path) -> None:
    noisy, mean = noisy_frames(10)
    both = join([noisy, noisy.with_labels(force_sem=np.ones((10, 3, 3)))])
    write_frames(tmp_path / "both.npz", both)
    assert read_frames(tmp_path / "both.npz").content_hash == both.content_hash


NOISE, PRECISE = 8.0, 0.1  # kT/length
COVERED, NOT_COVERED = (-2.0, 1.0), (1.0, 2.0)  # by the noisy labels, in x


def force(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return -2.0 * x + 3.0 * np.sin(3.0 * x)


def labelled(x: NDArray[np.float64], noise: float, rng: np.random.Generator) -> Frames:
    forces = force(x) + noise * rng.normal(size=x.shape)
    return Frames(
        coords=x[:, None, None],
        forces=forces[:, None, None],
        bead_types=np.zeros(1, dtype=np.int64),
        block=np.arange(len(x)),
        units="reduced",
        temperature=1.0,
        system="a force",
        system_spec=Molecule("a force", 1, 1).spec,
        source="made for a test",
    )


def errors(loss: Loss, frames: Frames, folder: Path) -> tuple[float, float]:
    """RMS force error in the two regions, after some training."""
    torch.manual_seed(0)
    network = ToyMLP(1, 1, width=32)
    network.fit(frames, system_of(frames))
    settings = Training(max_epochs=4, batch_size=500, validation_fraction=0.0, use_weights="last")
    scheduler = Template({"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 2e-2}, LRScheduler)
    zeros = np.zeros(frames.coords.shape)
    fit(
        network,
        frames,
        zeros,
        settings,
        loss,
        Template({"_target_": "torch.optim.Adam"}, Optimizer),
        scheduler,
        folder,
        seed=0,
    )

    def rms(low: float, high: float) -> float:
        x = np.linspace(low, high, 200)
        with torch.enable_grad():
            coords = torch.tensor(x[:, None, None], dtype=torch.float32).requires_grad_()
            (gradient,) = torch.autograd.grad(network.energy(coords).sum(), coords)
        return float(np.sqrt(np.mean((-gradient[:, 0, 0].numpy() - force(x)) ** 2)))

    return rms(*COVERED), rms(*NOT_COVERED)


def test_a_hundred_precise_labels_do_not_drown_in_fifty_thousand_noisy_ones(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noisy = labelled(rng.uniform(*COVERED, 50_000), NOISE, rng)
    x = np.concatenate([rng.uniform(*COVERED, 50), rng.uniform(*NOT_COVERED, 50)])
    precise = labelled(x, PRECISE, rng)
    precise = precise.with_labels(force_sem=np.full(precise.coords.shape, PRECISE))
    frames = join([noisy, precise])
    equal = errors(Loss({"force": MeanSquaredError()}), frames, tmp_path / "equal")
    weighted = errors(Loss({"force": InverseVariance()}), frames, tmp_path / "weighted")
    assert weighted[0] < 0.7 * equal[0]
    assert weighted[1] < 0.5 * equal[1]
