"""CGSchNet: the physics checks, against a directed all-pairs twin, mirror images, cutoff, bead types."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from cgexp.errors import InputError
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.features import ExpNormalBasis, GaussianBasis, cosine_cutoff, cosine_cutoff_slope
from cgexp.systems.base import system_of
from cgexp.testing.configurations import chain_frames, fit_to, random_chains
from cgexp.testing.energy_checks import EnergyTermChecks

SMALL = {"n_beads": 10, "n_blocks": 2, "n_features": 12, "n_filters": 10, "n_rbf": 8}


def fitted(**options) -> CGSchNet:
    torch.manual_seed(0)
    model = CGSchNet(**SMALL, **options).double()
    fit_to(model, chain_frames(10))
    return model


class TestCGSchNet(EnergyTermChecks):
    same_type_beads = (1, 5)  # chain_frames repeats its bead types every four beads
    options = {}

    def make_term(self):
        return fitted(**self.options)

    def make_blank(self):
        return CGSchNet(**SMALL, **self.options)

    def make_coords(self):
        return random_chains(4, seed=1)


class TestCGSchNetWithTrainableGaussians(TestCGSchNet):
    options = {"rbf": "gaussian", "trainable_rbf": True}


class TestCGSchNetWithTrainableExpNormalsAndShortCutoff(TestCGSchNet):
    options = {"trainable_rbf": True, "cutoff": 12.0, "activation": "silu"}


def test_pairs_once_equals_every_directed_pair():
    """The plain twin: filters of the whole n x n matrix, the diagonal masked out."""
    model, coords = fitted(), random_chains(3, seed=2)
    eye = torch.eye(10, dtype=torch.bool)
    separation = (coords[:, :, None] - coords[:, None]).square().sum(-1)
    r = torch.where(eye, torch.ones_like(separation), separation).sqrt()
    envelope = (cosine_cutoff(r, model.cutoff) * ~eye)[..., None]
    features = model.embedding(model.bead_types).expand(3, 10, -1)
    for block in model.blocks:
        filters = block.filter(model.basis(r)) * envelope
        received = torch.einsum("nijf,njf->nif", filters, block.project(features))
        features = features + block.update(received)
    energy = model.readout(features).sum(dim=(1, 2))
    assert torch.allclose(model.energy(coords), energy, rtol=1e-12, atol=1e-12)


def test_a_mirror_image_has_the_same_energy():
    """Distances cannot tell left from right: chirality is for a dihedral prior to keep."""
    model, coords = fitted(), random_chains(5)
    mirror = coords * torch.tensor([1.0, 1.0, -1.0])
    assert torch.allclose(model.energy(coords), model.energy(mirror), rtol=0, atol=1e-12)


def test_beads_of_different_types_cannot_be_exchanged():
    model, coords = fitted(), random_chains(5)
    exchanged = coords[:, [1, 0, *range(2, 10)]]
    assert (model.energy(coords) - model.energy(exchanged)).abs().min() > 1e-6


def test_beads_beyond_the_cutoff_feel_no_force():
    torch.manual_seed(0)
    model = CGSchNet(n_beads=2, cutoff=9.0).double()
    pairs = torch.zeros(2, 2, 3, dtype=torch.float64)
    pairs[:, 1, 0] = torch.tensor([8.0, 9.5])
    leaf = pairs.requires_grad_()
    (gradient,) = torch.autograd.grad(model.energy(leaf).sum(), leaf)
    assert gradient[0].abs().max() > 0
    assert gradient[1].abs().max() == 0


def test_cutoff_is_smooth_at_its_end():
    r = torch.tensor([0.0, 4.5, 9.0, 9.1], dtype=torch.float64, requires_grad=True)
    value = cosine_cutoff(r, 9.0)
    (slope,) = torch.autograd.grad(value.sum(), r)
    assert torch.allclose(value, torch.tensor([1.0, 0.5, 0.0, 0.0]).double(), atol=1e-15)
    assert torch.allclose(slope, torch.tensor([0.0, -math.pi / 18.0, 0.0, 0.0]).double(), atol=1e-15)


def test_radial_bases_peak_at_their_centres():
    gaussian = GaussianBasis(5, 8.0, trainable=False)
    assert torch.allclose(gaussian(torch.linspace(0.0, 8.0, 5)).diagonal(), torch.ones(5))
    expnormal = ExpNormalBasis(5, 8.0, trainable=False)
    centres = -torch.log(expnormal.centers) / expnormal.alpha
    assert torch.allclose(expnormal(centres).diagonal(), cosine_cutoff(centres, 8.0))


@pytest.mark.parametrize("basis", [ExpNormalBasis(64, 30.0, False), GaussianBasis(64, 10.0, False)])
def test_radial_bases_make_no_subnormal_numbers(basis):
    """They would halve the speed of training on a CPU."""
    values = basis(torch.linspace(0.5, 29.0, 20_000))
    assert values[values > 0].min() > 1e-25
    assert (values == 0).any()


@pytest.mark.parametrize("trainable", [False, True])
@pytest.mark.parametrize("kind", [ExpNormalBasis, GaussianBasis])
def test_slopes_of_radial_functions_are_those_of_forward_mode(kind, trainable):
    """Bit for bit, also beyond the cutoff and where functions are cut to 0."""
    basis, r = kind(32, 12.0, trainable), torch.linspace(0.2, 13.0, 501, dtype=torch.float64)
    for function, slope in (
        (basis, basis.slope),
        (lambda r: cosine_cutoff(r, 12.0), lambda r: cosine_cutoff_slope(r, 12.0)),
    ):
        expected = torch.func.jvp(function, (r,), (torch.ones_like(r),))[1]
        assert torch.equal(slope(r), expected)
        assert (expected != 0.0).any()


def test_trainable_bases_are_parameters():
    fixed, free = fitted(), fitted(trainable_rbf=True)
    assert "basis.centers" not in dict(fixed.named_parameters())
    assert {"basis.centers", "basis.exponents"} <= dict(free.named_parameters()).keys()
    assert fixed.state_dict().keys() == free.state_dict().keys()


def test_too_few_rows_for_the_bead_types_are_refused():
    frames = chain_frames(5).with_labels(bead_types=np.arange(10) + 15)
    with pytest.raises(InputError, match=r"set model\.n_bead_types=25"):
        CGSchNet(**SMALL).fit(frames, system_of(frames))


def test_relu_warns_and_a_single_bead_is_refused():
    with pytest.warns(UserWarning, match="piecewise constant"):
        CGSchNet(**SMALL, activation="relu")
    with pytest.raises(InputError, match="at least 2 beads"):
        CGSchNet(n_beads=1)


@pytest.mark.slow
def test_compiled_step_equals_eager(monkeypatch):
    """The whole force-matching step with autograd inside compiles, and its parameter gradients are those of eager."""
    monkeypatch.setattr(torch._dynamo.config, "trace_autograd_ops", True, raising=True)
    model, coords = fitted().float(), random_chains(16, seed=3).float()
    target = torch.zeros_like(coords)

    def loss(leaf: torch.Tensor) -> torch.Tensor:
        (gradient,) = torch.autograd.grad(model.energy(leaf).sum(), leaf, create_graph=True)
        return (-gradient - target).square().mean()

    gradients = []
    for step in (loss, torch.compile(loss)):
        model.zero_grad()
        step(coords.clone().requires_grad_()).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    eager, compiled = gradients
    assert (compiled - eager).abs().max() <= 1e-4 * eager.square().mean().sqrt()
