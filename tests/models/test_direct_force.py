"""DirectForce: marked non-conservative, differentiable in its parameters, without an energy."""

from __future__ import annotations

import pytest
import torch

from cgexp.errors import InputError
from cgexp.models.direct_force import DirectForce
from cgexp.testing.configurations import fit_to, toy_frames
from cgexp.testing.finite_difference import parameter_gradient_error


@pytest.fixture
def model():
    torch.manual_seed(0)
    network = DirectForce(n_beads=1, n_dims=2, width=16, n_fourier=8).double()
    fit_to(network, toy_frames(100, n_dims=2))
    return network


def test_it_is_not_conservative_and_has_no_energy(model):
    coords = torch.from_numpy(toy_frames(4, n_dims=2).coords.copy())
    assert not model.conservative
    assert model.forces(coords).shape == coords.shape
    assert torch.equal(model(coords), model.forces(coords))
    with pytest.raises(InputError, match="has no energy"):
        model.energy(coords)


def test_loss_gradient_agrees_with_finite_differences(model, record_property):
    frames = toy_frames(6, n_dims=2, seed=2)
    error = parameter_gradient_error(
        model, torch.from_numpy(frames.coords.copy()), torch.from_numpy(frames.forces.copy())
    )
    record_property("parameter_gradient_error", error)
    assert error <= 1e-5


def test_relu_is_accepted_without_a_warning():
    DirectForce(n_beads=1, n_dims=1, activation="relu")


def test_frames_of_another_system_are_refused(model):
    with pytest.raises(InputError, match="DirectForce is made for 1 beads in 2 dimensions"):
        fit_to(model, toy_frames(5, n_dims=1))
