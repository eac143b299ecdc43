"""ToyMLP: the physics checks, Fourier features, and what fit does."""

from __future__ import annotations

import pytest
import torch

from cgexp.errors import InputError
from cgexp.models.toy_mlp import ToyMLP
from cgexp.testing.configurations import chain_frames, fit_to, toy_frames
from cgexp.testing.energy_checks import EnergyTermChecks


def fitted(n_dims=1, **options) -> ToyMLP:
    torch.manual_seed(0)
    model = ToyMLP(n_beads=1, n_dims=n_dims, width=16, depth=2, **options).double()
    fit_to(model, toy_frames(100, n_dims))
    return model


class TestToyMLP(EnergyTermChecks):
    invariant = False

    def make_term(self):
        return fitted()

    def make_blank(self):
        return ToyMLP(n_beads=1, n_dims=1, width=16, depth=2)

    def make_coords(self):
        return torch.from_numpy(toy_frames(7, seed=1).coords.copy())


class TestToyMLPWithFourierFeatures(TestToyMLP):
    def make_term(self):
        return fitted(n_fourier=32, fourier_std=12.0)

    def make_blank(self):
        return ToyMLP(n_beads=1, n_dims=1, width=16, depth=2, n_fourier=32, fourier_std=1.0, fourier_seed=5)


class TestToyMLPInTwoDimensions(TestToyMLP):
    def make_term(self):
        return fitted(n_dims=2, n_fourier=8, activation="tanh")

    def make_blank(self):
        return ToyMLP(n_beads=1, n_dims=2, width=16, depth=2, n_fourier=8, activation="tanh")

    def make_coords(self):
        return torch.from_numpy(toy_frames(7, n_dims=2, seed=1).coords.copy())


@pytest.mark.parametrize("activation", ["softplus", "gelu"])
def test_other_smooth_activations_pass_the_checks_too(activation):
    from cgexp.testing.finite_difference import force_error, parameter_gradient_error

    model, frames = fitted(activation=activation), toy_frames(7, seed=1)
    coords, forces = torch.from_numpy(frames.coords.copy()), torch.from_numpy(frames.forces.copy())
    assert force_error(model, coords) <= 1e-6
    assert parameter_gradient_error(model, coords, forces) <= 1e-5


def test_relu_warns_and_says_why():
    with pytest.warns(UserWarning, match="piecewise constant"):
        ToyMLP(n_beads=1, n_dims=1, activation="relu")


def test_wave_vectors_come_from_their_own_seed():
    torch.manual_seed(1)
    first = ToyMLP(1, 1, n_fourier=2000, fourier_std=3.0, fourier_seed=4).features.wave_vectors
    torch.manual_seed(2)
    second = ToyMLP(1, 1, n_fourier=2000, fourier_std=3.0, fourier_seed=4).features.wave_vectors
    assert torch.equal(first, second)
    assert first.std().item() == pytest.approx(3.0, rel=0.1)


def test_fit_takes_the_weighted_mean_and_spread():
    frames = toy_frames(50)
    weights = torch.linspace(0.0, 1.0, 50).double()
    model = ToyMLP(1, 1).double()
    fit_to(model, frames.with_labels(weights=weights.numpy()))
    x = torch.from_numpy(frames.coords.copy()).flatten()
    mean = (weights * x).sum() / weights.sum()
    spread = ((weights * (x - mean) ** 2).sum() / weights.sum()).sqrt()
    assert torch.allclose(model.features.z_score.mean, mean)
    assert torch.allclose(model.features.z_score.std, spread)


def test_an_input_that_never_changes_is_left_alone():
    frames = toy_frames(20)
    model = ToyMLP(1, 1)
    fit_to(model, frames.with_labels(coords=0.0 * frames.coords + 3.0))
    assert model.features.z_score.std.item() == 1.0


def test_frames_of_another_system_are_refused():
    with pytest.raises(InputError, match="1 beads in 1 dimensions but the frames of 'random chain' have 10 beads in 3"):
        fit_to(ToyMLP(1, 1), chain_frames(5))


class TestToyMLPInAnotherUnit(TestToyMLP):
    def make_term(self):
        return fitted(scale=20.0)

    def make_blank(self):
        return ToyMLP(n_beads=1, n_dims=1, width=16, depth=2, scale=20.0)

    def test_scale_multiplies_the_energy(self):
        coords = self.make_coords()
        torch.testing.assert_close(fitted(scale=20.0).energy(coords), 20.0 * fitted().energy(coords))
