"""Noise augmentation: labels of the convolved density, with the least scatter, and a training that can be resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cgexp.build import Template
from cgexp.config.compose import compose
from cgexp.config.identity import run_id
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.models.toy_mlp import ToyMLP
from cgexp.priors.prior import Prior
from cgexp.priors.wall import HarmonicWall
from cgexp.systems.base import system_of
from cgexp.systems.molecule import Molecule
from cgexp.training.data import ResidentData
from cgexp.training.fit import Training
from cgexp.training.losses import InverseVariance, Loss, MeanSquaredError
from cgexp.training.noise import NoiseAugmentation, mixing_matrix, standard_noise, with_noise
from cgexp.training.trainer import fit

SPRING, SIGMA, SCATTER = 4.0, 0.6, 3.0  # kT/length^2, length, kT/length of single forces
N = 200_000


def none(coords: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(coords)


def gaussian(stiffness: NDArray[np.float64], n_frames: int, scatter: float = SCATTER, seed: int = 0) -> Frames:
    """Beads in one dimension with U = 1/2 x K x at kT = 1, and forces -K x that scatter independently of x."""
    rng = np.random.default_rng(seed)
    coords = rng.multivariate_normal(np.zeros(len(stiffness)), np.linalg.inv(stiffness), n_frames)
    forces = -coords @ stiffness + scatter * rng.normal(size=coords.shape)
    return Frames(
        coords=coords[:, :, None],
        forces=forces[:, :, None],
        bead_types=np.zeros(len(stiffness), dtype=np.int64),
        block=np.arange(n_frames) // 100,
        units="reduced",
        temperature=1.0,
        system="springs",
        system_spec=Molecule("springs", len(stiffness), 1).spec,
        source="made for a test",
    )


def labelled(frames: Frames, noise: NoiseAugmentation) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Noised coords and labels, [n_frames, n_beads]."""
    coords, labels = noise(torch.tensor(frames.coords), torch.tensor(frames.forces), epoch=0)
    return coords[:, :, 0].numpy(), labels[:, :, 0].numpy()


@pytest.mark.parametrize("force_share", [0.0, 0.3, 1.0, None])
def test_a_spring_becomes_the_spring_of_the_convolved_density(force_share: float | None) -> None:
    frames = gaussian(np.array([[SPRING]]), N)
    noise = NoiseAugmentation(frames, SIGMA, none, seed=0)
    if force_share is not None:
        noise.mixing = np.array([[force_share]])
    y, labels = labelled(frames, noise)
    slope = float((y * labels).sum() / (y**2).sum())
    expected = -SPRING / (1.0 + SPRING * SIGMA**2)  # the variance grows from 1/k to 1/k + sigma^2
    error = np.std(labels - slope * y) / np.sqrt((y**2).sum())
    assert slope == pytest.approx(expected, abs=4.0 * error)
    assert error < 0.02 * abs(expected)


def test_coupled_beads_get_the_inverse_of_the_wider_covariance() -> None:
    stiffness = np.array([[6.0, -3.0, 0.0], [-3.0, 7.0, -2.0], [0.0, -2.0, 3.0]])
    frames = gaussian(stiffness, N)
    noise = NoiseAugmentation(frames, SIGMA, none, seed=0)
    assert np.abs(noise.mixing - np.diag(np.diag(noise.mixing))).max() > 0.02
    y, labels = labelled(frames, noise)
    found = np.linalg.lstsq(y, labels, rcond=None)[0].T
    expected = -np.linalg.inv(np.linalg.inv(stiffness) + SIGMA**2 * np.eye(3))
    np.testing.assert_allclose(found, expected, atol=0.05)


def test_the_combination_scatters_least() -> None:
    frames = gaussian(np.array([[6.0, -3.0], [-3.0, 7.0]]), 50_000)
    noise = NoiseAugmentation(frames, SIGMA, none, seed=0)
    best = noise.mixing

    def scatter(mixing: NDArray[np.float64]) -> float:
        noise.mixing = mixing
        y, labels = labelled(frames, noise)
        return float(np.var(labels - y @ np.linalg.lstsq(y, labels, rcond=None)[0]))

    least = scatter(best)
    assert least < 0.95 * min(scatter(np.eye(2)), scatter(np.zeros((2, 2))))
    for step in (np.eye(2), np.ones((2, 2)), np.array([[0.0, 1.0], [0.0, 0.0]])):
        for sign in (-0.1, 0.1):
            assert scatter(best + sign * step) > least


def test_without_noise_the_label_is_the_force_and_with_much_the_noise() -> None:
    forces = np.random.default_rng(0).normal(scale=5.0, size=(100, 3, 2))
    np.testing.assert_allclose(mixing_matrix(forces, scale=1e6), np.eye(3), atol=1e-9)
    np.testing.assert_allclose(mixing_matrix(forces, scale=1e-4), np.zeros((3, 3)), atol=1e-6)
    weights = np.array([1.0] * 50 + [0.0] * 50)
    np.testing.assert_allclose(mixing_matrix(forces, 2.0, weights), mixing_matrix(forces[:50], 2.0))


def test_the_prior_is_taken_off_at_the_noised_coordinates() -> None:
    frames = gaussian(np.array([[SPRING]]), N)
    exact = SPRING / (1.0 + SPRING * SIGMA**2)
    y, rest = labelled(frames, NoiseAugmentation(frames, SIGMA, lambda coords: -exact * coords, seed=0))
    slope = (y * rest).sum() / (y**2).sum()
    assert abs(slope) < 4.0 * np.std(rest) / np.sqrt((y**2).sum()), "an exact prior leaves nothing to learn"


def test_a_prior_fitted_on_noised_frames_is_that_of_the_convolved_density() -> None:
    frames = gaussian(np.array([[SPRING]]), N)
    assert with_noise(frames, 0.0, seed=0) is frames
    noised = with_noise(frames, SIGMA, seed=0)
    assert noised.forces is None
    assert noised.coords.var() == pytest.approx(1.0 / SPRING + SIGMA**2, rel=0.01)
    assert (with_noise(frames, SIGMA, seed=1).coords != noised.coords).all()


def test_noise_is_a_function_of_seed_and_epoch() -> None:
    like = torch.zeros(50, 2, 3)
    first = standard_noise(like, 0, 1)
    assert torch.equal(first, standard_noise(like, 0, 1))
    assert not torch.equal(first, standard_noise(like, 0, 2))
    assert not torch.equal(first, standard_noise(like, 1, 1))


# in training


def well(frames: Frames) -> Prior:
    prior = Prior({"well": HarmonicWall(force_constant=1.0, lower=0.0, upper=0.0)}, temperature=1.0)
    prior.fit(frames, system_of(frames))
    return prior


def trained(folder: Path, frames: Frames, prior: Prior | None, **changes: Any) -> tuple[EnergyTerm, dict[str, float]]:
    torch.manual_seed(0)
    network = ToyMLP(1, 1, width=16)
    network.fit(frames, system_of(frames))
    options = {"noise": SIGMA, "max_epochs": 4, **changes.pop("options", {})}
    settings = Training(batch_size=100, validation_fraction=0.2, use_weights="last", **options)
    arguments: dict[str, Any] = {
        "loss": Loss({"force": MeanSquaredError()}),
        "optimizer": Template({"_target_": "torch.optim.Adam", "lr": 1e-2}, Optimizer),
        "scheduler": Template({"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 1e-2}, LRScheduler),
        **changes,
    }
    prior_forces = -1.0 * frames.coords
    numbers = fit(network, frames, prior_forces, settings, folder=folder, seed=0, prior=prior, **arguments)
    return network, numbers


def test_a_network_learns_the_convolved_spring(tmp_path: Path) -> None:
    frames = gaussian(np.array([[SPRING]]), 20_000, scatter=0.5)
    network, numbers = trained(tmp_path, frames, well(frames))
    x = torch.linspace(-0.8, 0.8, 50).reshape(-1, 1, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(network.energy(x).sum(), x)
    x = x.detach()
    slope = float(((-gradient - x) * x).sum() / (x * x).sum())  # network and prior
    assert slope == pytest.approx(-SPRING / (1.0 + SPRING * SIGMA**2), rel=0.1)
    clean = (SPRING + slope) ** 2 / SPRING + 0.5**2
    assert numbers["loss_validation"] == pytest.approx(clean, rel=0.1), "of the frames as they are"


def test_no_noise_is_no_augmentation(tmp_path: Path) -> None:
    frames = gaussian(np.array([[SPRING]]), 1000)
    first, _ = trained(tmp_path / "a", frames, well(frames), options={"noise": 0.0})
    second, _ = trained(tmp_path / "b", frames, None, options={"noise": 0.0})
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("graphed", [False, True])
def test_a_training_that_was_stopped_equals_one_run_through(tmp_path: Path, graphed: bool) -> None:
    def stop(done: int, total: int, text: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    frames = gaussian(np.array([[SPRING]]), 1000)
    through, _ = trained(tmp_path / "a", frames, well(frames), graphed=graphed)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "b", frames, well(frames), graphed=graphed, progress=stop)
    resumed, _ = trained(tmp_path / "b", frames, well(frames), graphed=graphed)
    for a, b in zip(through.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_each_epoch_draws_anew_and_leaves_validation_alone() -> None:
    frames = gaussian(np.array([[SPRING]]), 1000)
    assert frames.forces is not None
    data = ResidentData(frames, np.zeros(frames.coords.shape), 100, 0.2, 0, torch.float32)
    data.augment(NoiseAugmentation(frames, SIGMA, none, seed=0), frames.forces)
    seen = []
    batches = data.train_dataloader()
    for epoch in (0, 1, 0):
        batches.set_epoch(epoch)
        next(iter(batches))
        seen.append(data.tensors.coords.clone())
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0][data.train_index], seen[1][data.train_index])
    held_out = torch.as_tensor(data.validation_index)
    assert torch.equal(data.batch(held_out).coords, data.clean_batch(held_out).coords)
    assert torch.equal(data.batch(held_out).forces, data.clean_batch(held_out).forces)


def test_what_noise_does_not_go_with_is_refused(tmp_path: Path) -> None:
    frames = gaussian(np.array([[SPRING]]), 1000)
    with pytest.raises(InputError, match=r"trainer\.noise makes labels whose errors are not those of the data"):
        trained(tmp_path, frames, well(frames), loss=Loss({"force": InverseVariance()}))
    some = np.where(np.arange(len(frames)) < 3, 0.5, np.inf)[:, None, None]
    for marks in (
        {"parent": np.full(len(frames), -1)},
        {"round": np.zeros(len(frames), dtype=np.int64)},
        {"force_sem": np.full_like(frames.coords, 0.5)},
        {"force_sem": np.broadcast_to(some, frames.coords.shape)},
    ):
        with pytest.raises(InputError, match="parent, round, chosen or mean forces with a standard error were"):
            trained(tmp_path, frames.with_labels(**marks), well(frames))
    NoiseAugmentation(frames.with_labels(force_sem=np.zeros_like(frames.coords)), SIGMA, none, 0)  # a teacher's
    settings, loss = Training(max_epochs=1, batch_size=100, noise=0.1), Loss({"force": MeanSquaredError()})
    optimizer = Template({"_target_": "torch.optim.Adam"}, Optimizer)
    with pytest.raises(ValueError, match="needs the prior"):
        fit(ToyMLP(1, 1), frames, np.zeros(frames.coords.shape), settings, loss, optimizer, None, tmp_path, seed=0)


def test_runs_without_noise_keep_their_ids() -> None:
    assert run_id(compose(["trainer.noise=0.0"])) == run_id(compose([]))
    assert run_id(compose(["trainer.noise=0.05"])) != run_id(compose([]))
