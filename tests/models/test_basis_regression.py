"""BasisRegression: the physics checks, and that training ends where least squares does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cgexp.build import Template
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.models.basis_regression import BasisRegression
from cgexp.models.potential import Potential
from cgexp.systems.base import system_of
from cgexp.testing.configurations import chain_frames, fit_to, toy_frames
from cgexp.testing.energy_checks import EnergyTermChecks
from cgexp.testing.training_checks import TrainingChecks
from cgexp.training.fit import Training
from cgexp.training.losses import Loss, MeanSquaredError
from cgexp.training.trainer import fit


class TestBasisRegression(EnergyTermChecks):
    invariant = False

    def make_term(self) -> BasisRegression:
        model = self.make_blank().double()
        fit_to(model, toy_frames(100))
        torch.nn.init.normal_(model.coefficients, generator=torch.Generator().manual_seed(0))
        return model

    def make_blank(self) -> BasisRegression:
        return BasisRegression(degree=4, wave_numbers=[0.5, 1.0])

    def make_coords(self) -> Tensor:
        return torch.from_numpy(toy_frames(7, seed=1).coords.copy())


class TestTrainingOfBasisRegression(TrainingChecks):
    def make_network(self) -> BasisRegression:
        model = BasisRegression(degree=3, wave_numbers=[1.0])
        torch.nn.init.ones_(model.coefficients)  # the kernels are compared on forces that are not zero
        return model

    def make_frames(self) -> Frames:
        return toy_frames(200)


def quartic_force(x: NDArray[Any]) -> NDArray[Any]:
    """Of U = (x - 4)(x - 2)(x + 2)(x + 3)/50."""
    return -np.polyval(np.polyder(np.poly([4.0, 2.0, -2.0, -3.0])), x) / 50.0


def noisy_frames(noise: float) -> Frames:
    frames = toy_frames(400)
    scatter = noise * np.random.default_rng(5).normal(size=frames.coords.shape)
    return frames.with_labels(forces=quartic_force(frames.coords) + scatter)


def train(
    model: BasisRegression,
    frames: Frames,
    folder: Path,
    batch_size: int,
    spec: dict[str, Any],
    rate: float | None = None,
) -> None:
    """rate: the highest of a one-cycle schedule; None: no schedule."""
    model.fit(frames, system_of(frames))
    settings = Training(60, batch_size, validation_fraction=0.0, precision="float64", use_weights="last")
    cycle = {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": rate}
    scheduler, optimizer = None if rate is None else Template(cycle, LRScheduler), Template(spec, Optimizer)
    loss = Loss({"force": MeanSquaredError()})
    fit(model, frames, np.zeros(frames.coords.shape), settings, loss, optimizer, scheduler, folder, seed=0)


def forces_of(model: BasisRegression, x: NDArray[Any]) -> NDArray[Any]:
    return Potential(None, model).forces(torch.from_numpy(x).view(-1, 1, 1)).detach().numpy().ravel()


def least_squares(frames: Frames, x: NDArray[Any], degree: int, wave: float) -> NDArray[Any]:
    """Forces at x of the best energy in powers and one wave, by numpy."""

    def design(points: NDArray[Any]) -> NDArray[Any]:
        powers = [-k * points ** (k - 1) for k in range(1, degree + 1)]
        return np.stack([*powers, np.cos(wave * points), np.sin(wave * points)], axis=1)

    assert frames.forces is not None
    solution = np.linalg.lstsq(design(frames.coords.ravel().astype(float)), frames.forces.ravel(), rcond=None)[0]
    return design(x) @ solution


@pytest.mark.parametrize(
    ("batch_size", "spec", "rate", "tolerance"),
    [
        (400, {"_target_": "torch.optim.SGD", "lr": 0.5}, None, 1e-9),  # the Hessian is 2: a step of 1/2 is Newton's
        (50, {"_target_": "torch.optim.Adam", "lr": 3e-2}, 3e-2, 1e-2),
    ],
    ids=["whole batches", "minibatches"],
)
def test_training_reaches_the_least_squares_solution(
    tmp_path: Path, batch_size: int, spec: dict[str, Any], rate: float | None, tolerance: float
) -> None:
    frames, x = noisy_frames(0.6), np.linspace(-3.0, 4.0, 41)
    model = BasisRegression(degree=4, wave_numbers=[1.25])
    train(model, frames, tmp_path, batch_size, spec, rate)
    expected = least_squares(frames, x, 4, 1.25)  # a wave number that float32 holds exactly
    assert np.abs(forces_of(model, x) - expected).max() < tolerance * expected.std()


def test_a_quartic_is_exact_also_at_twice_the_datas_range(tmp_path: Path) -> None:
    frames = noisy_frames(0.0)
    model = BasisRegression(degree=4)
    train(model, frames, tmp_path, 400, {"_target_": "torch.optim.SGD", "lr": 0.5})
    x = np.linspace(2 * frames.coords.min(), 2 * frames.coords.max(), 51)
    np.testing.assert_allclose(forces_of(model, x), quartic_force(x), atol=1e-8)


@pytest.mark.parametrize("weighted", [False, True])
def test_forces_of_the_basis_have_the_identity_as_second_moment(weighted: bool) -> None:
    frames = toy_frames(300)
    weights = np.linspace(0.1, 2.0, 300)
    if weighted:
        frames = frames.with_labels(weights=weights)
    model = BasisRegression(degree=6, wave_numbers=[2.0]).double()
    model.fit(frames, system_of(frames))
    x = torch.from_numpy(frames.coords.copy()).requires_grad_()
    columns = []
    for unit in torch.eye(8, dtype=torch.float64):
        model.coefficients.data.copy_(unit)
        columns.append(torch.autograd.grad(model.energy(x).sum(), x)[0].flatten())
    forces = torch.stack(columns, dim=1)
    share = torch.from_numpy(weights / weights.sum()) if weighted else torch.full((300,), 1 / 300).double()
    torch.testing.assert_close(forces.T @ (share[:, None] * forces), torch.eye(8).double(), rtol=0.0, atol=1e-6)


def test_functions_that_depend_on_one_another_get_no_weight() -> None:
    model = BasisRegression(degree=2, wave_numbers=[1.0, 1.0]).double()
    fit_to(model, toy_frames(100))
    torch.nn.init.ones_(model.coefficients)
    assert torch.linalg.matrix_rank(model.whitening) == 4
    assert torch.isfinite(model.energy(torch.zeros(1, 1, 1).double())).all()


def test_a_fresh_one_has_no_force_and_looks_at_coordinates_only() -> None:
    frames = toy_frames(50)
    model = BasisRegression()
    model.fit(frames, system_of(frames))
    assert np.abs(forces_of(model, frames.coords.ravel().astype(np.float32))).max() == 0.0
    other = BasisRegression()
    fit_to(other, frames.with_labels(forces=None))
    assert torch.equal(other.whitening, model.whitening)


def test_other_systems_and_a_single_point_are_refused() -> None:
    with pytest.raises(InputError, match="1 beads in 1 dimensions but the frames of 'random chain' have 10 beads in 3"):
        fit_to(BasisRegression(), chain_frames(5))
    frames = toy_frames(20)
    with pytest.raises(InputError, match="all 20 frames of 'random points' have the same x"):
        fit_to(BasisRegression(), frames.with_labels(coords=0.0 * frames.coords + 3.0))
