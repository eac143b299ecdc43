"""CGnet: the physics checks with and without spectral-norm control, its features, mirror images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cgexp.errors import InputError
from cgexp.models.cgnet import CGnet
from cgexp.models.layers import SpectralBound
from cgexp.systems.base import system_of
from cgexp.testing.configurations import chain_frames, fit_to, random_chains
from cgexp.testing.energy_checks import EnergyTermChecks


def fitted(lipschitz=None, scale=1.0) -> CGnet:
    torch.manual_seed(0)
    model = CGnet(n_beads=10, width=24, depth=3, lipschitz=lipschitz).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    fit_to(model, chain_frames(100))
    return model.eval()


class TestCGnet(EnergyTermChecks):
    def make_term(self):
        return fitted()

    def make_blank(self):
        return CGnet(n_beads=10, width=24, depth=3)

    def make_coords(self):
        return random_chains(4, seed=1)


class TestCGnetWithSpectralNormControl(TestCGnet):
    """Weights scaled up, so that the bound is at work in every layer."""

    def make_term(self):
        model = fitted(lipschitz=1.5, scale=5.0)
        settle(model)
        return model

    def make_blank(self):
        return CGnet(n_beads=10, width=24, depth=3, lipschitz=1.5).eval()


def settle(model: CGnet) -> None:
    """Let the power iteration converge: one step after every backward pass."""
    for _ in range(200):
        model.network(torch.zeros(1, 67, dtype=torch.float64)).sum().backward()
    model.zero_grad()


def test_the_spectral_norm_stays_at_the_bound():
    model = fitted(lipschitz=1.5, scale=5.0)
    settle(model)
    norms = [torch.linalg.matrix_norm(layer.weight, 2).item() for layer in model.network if hasattr(layer, "weight")]
    assert norms == pytest.approx([1.5] * len(norms), rel=1e-2)


def test_a_generous_bound_changes_nothing():
    coords = random_chains(3)
    assert torch.equal(fitted(lipschitz=100.0).energy(coords), fitted().energy(coords))


def test_a_pass_changes_no_state_and_a_backward_does():
    bound = SpectralBound(torch.eye(5, 4), bound=0.1)
    before = bound.left.clone()
    bound(torch.randn(5, 4, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(bound.left, before)
    model = fitted(lipschitz=1.5)
    spectral = model.network[0].parametrizations.weight[0]
    before = spectral.left.clone()
    model.energy(random_chains(2)).sum().backward()
    assert not torch.equal(spectral.left, before)


def test_forces_by_functional_gradients_agree():
    """As a compiled kernel takes them."""
    model, coords = fitted(lipschitz=1.5, scale=5.0), random_chains(2)
    gradient = torch.func.grad(lambda x: model.energy(x).sum())(coords)
    leaf = coords.clone().requires_grad_()
    assert torch.allclose(gradient, torch.autograd.grad(model.energy(leaf).sum(), leaf)[0])


def test_two_passes_can_both_be_differentiated():
    model, coords = fitted(lipschitz=1.5, scale=5.0), random_chains(2).requires_grad_()
    total = model.energy(coords).sum() + model.energy(coords).sum()
    (gradient,) = torch.autograd.grad(total, coords, create_graph=True)
    gradient.square().sum().backward()
    weight = model.network[0].parametrizations.weight.original
    assert torch.isfinite(weight.grad).all()


def test_features_are_z_scored_over_the_frames():
    frames = chain_frames(200)
    model = fitted()
    model.fit(frames, system_of(frames))
    features = model.features(torch.from_numpy(np.array(frames.coords)))
    assert features.shape == (200, 45 + 8 + 7 + 7)
    scaled = model.z_score(features)
    assert torch.allclose(scaled.mean(0), torch.zeros(67).double(), atol=1e-9)
    assert torch.allclose(scaled.std(0, unbiased=False), torch.ones(67).double(), atol=1e-9)


def test_a_mirror_image_has_another_energy():
    coords = random_chains(5)
    model = fitted()
    assert (model.energy(coords) - model.energy(-coords)).abs().min() > 1e-4


def test_relu_warns():
    with pytest.warns(UserWarning, match="piecewise constant"):
        CGnet(n_beads=10, activation="relu")


def test_a_chain_without_a_dihedral_is_refused():
    with pytest.raises(InputError, match="at least 4 beads"):
        CGnet(n_beads=3)
