"""Potential: the physics checks on prior + network, graphs and contexts, and the file it is kept in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cgexp.build import build
from cgexp.energy import EnergyTerm, negative_gradient
from cgexp.errors import InputError
from cgexp.models.potential import Potential, load_potential, save_potential
from cgexp.priors.prior import Prior
from cgexp.store import read_arrays, write_arrays
from cgexp.systems.base import system_of
from cgexp.testing.configurations import chain_frames, random_chains, toy_frames
from cgexp.testing.energy_checks import EnergyTermChecks

PEPTIDE_PRIOR = {
    "_target_": "cgexp.priors.prior.Prior",
    "terms": {
        "bonds": {"_target_": "cgexp.priors.harmonic.HarmonicBonds"},
        "angles": {"_target_": "cgexp.priors.harmonic.HarmonicAngles"},
        "dihedrals": {"_target_": "cgexp.priors.dihedral.FourierDihedrals"},
        "repulsion": {"_target_": "cgexp.priors.repulsion.Repulsion"},
    },
    "temperature": 300.0,
}
NO_PRIOR = {"_target_": "cgexp.priors.prior.Prior", "terms": {}, "temperature": 1.0}
WALL = {
    "_target_": "cgexp.priors.prior.Prior",
    "terms": {"wall": {"_target_": "cgexp.priors.wall.HarmonicWall", "force_constant": 20.0}},
    "temperature": 1.0,
}
CGSCHNET = {
    "_target_": "cgexp.models.cgschnet.CGSchNet",
    "n_beads": 10,
    "n_features": 12,
    "n_filters": 10,
    "n_rbf": 8,
}
CGNET = {"_target_": "cgexp.models.cgnet.CGnet", "n_beads": 10, "width": 24, "depth": 2, "lipschitz": 1.0}
TOY_MLP = {"_target_": "cgexp.models.toy_mlp.ToyMLP", "n_beads": 1, "n_dims": 1, "width": 16, "n_fourier": 8}
DIRECT = {"_target_": "cgexp.models.direct_force.DirectForce", "n_beads": 1, "n_dims": 1, "width": 16}


def blank(model_spec, prior_spec) -> Potential:
    torch.manual_seed(0)
    return (
        Potential(None if model_spec is None else build(model_spec, EnergyTerm), build(prior_spec, Prior))
        .double()
        .eval()
    )


def fitted(model_spec, prior_spec, frames) -> Potential:
    potential = blank(model_spec, prior_spec)
    for term in (potential.network, potential.prior):
        if term is not None:
            term.fit(frames, system_of(frames))
    return potential


class TestCGSchNetAndPeptidePrior(EnergyTermChecks):
    specs = (CGSCHNET, PEPTIDE_PRIOR)

    def make_term(self):
        return fitted(*self.specs, chain_frames(200))

    def make_blank(self):
        return blank(*self.specs)

    def make_coords(self):
        return random_chains(4, seed=1)


class TestCGnetAndPeptidePrior(TestCGSchNetAndPeptidePrior):
    specs = (CGNET, PEPTIDE_PRIOR)


class TestPeptidePriorAlone(TestCGSchNetAndPeptidePrior):
    specs = (None, PEPTIDE_PRIOR)


class TestToyMLPAndWall(EnergyTermChecks):
    invariant = False

    def make_term(self):
        return fitted(TOY_MLP, WALL, toy_frames(100))

    def make_blank(self):
        return blank(TOY_MLP, WALL)

    def make_coords(self):
        """Points on both sides of the wall."""
        return torch.linspace(-9.0, 9.0, 8, dtype=torch.float64)[:, None, None]


@pytest.fixture
def peptide():
    return fitted(CGSCHNET, PEPTIDE_PRIOR, chain_frames(100))


def test_energy_is_the_sum_of_its_parts(peptide):
    coords = random_chains(3)
    assert torch.equal(peptide.energy(coords), peptide.network.energy(coords) + peptide.prior.energy(coords))


def test_no_network_and_no_prior_is_no_force():
    coords = random_chains(3)
    energy, forces = blank(None, NO_PRIOR).energy_and_forces(coords)
    assert torch.equal(energy, torch.zeros(3).double())
    assert torch.equal(forces, torch.zeros_like(coords))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_forces_inside_a_context_without_gradients(peptide, context):
    expected_energy, expected = peptide.energy_and_forces(random_chains(3))
    with context():
        coords = random_chains(3)
        assert torch.equal(peptide.forces(coords), expected)
        energy, forces = peptide.energy_and_forces(coords)
    assert torch.equal(forces, expected)
    assert torch.equal(energy, expected_energy)


def test_forces_without_create_graph_hold_no_graph_and_leave_the_parameters_as_they_were(peptide):
    next(iter(peptide.network.parameters())).requires_grad_(False)
    before = [parameter.requires_grad for parameter in peptide.parameters()]
    coords = random_chains(2)
    energy, forces = peptide.energy_and_forces(coords)
    assert not energy.requires_grad
    assert not forces.requires_grad
    assert not peptide.forces(coords).requires_grad
    assert not coords.requires_grad
    assert [parameter.requires_grad for parameter in peptide.parameters()] == before


def test_forces_with_create_graph_train_the_parameters(peptide):
    peptide.forces(random_chains(2), create_graph=True).square().sum().backward()
    gradients = [parameter.grad for parameter in peptide.network.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)


def test_arrays_single_frames_and_any_precision_are_taken_and_nothing_returned_holds_a_graph(peptide):
    coords = random_chains(3)
    energy, forces = (found.numpy() for found in peptide.energy_and_forces(coords))
    assert not peptide.energy(coords).requires_grad
    for given in (coords.numpy(), np.asarray(coords, dtype=">f8"), np.asfortranarray(coords)):
        np.testing.assert_allclose(peptide.energy(given), energy)
        np.testing.assert_allclose(peptide.forces(given), forces)
    np.testing.assert_allclose(peptide.energy(coords[1].numpy()), energy[1])
    assert peptide.energy(coords[1]).shape == ()
    np.testing.assert_allclose(peptide.forces(coords[1].numpy()), forces[1], rtol=1e-6)
    single = peptide.float()
    assert single.energy(coords).dtype == torch.float32
    np.testing.assert_allclose(single.forces(coords.numpy()), forces, rtol=1e-2, atol=1e-2)
    leaf = coords.clone().requires_grad_()
    assert torch.allclose(negative_gradient(single.energy(leaf), leaf), single.forces(coords).double())


@pytest.mark.parametrize(
    ("coords", "told"),
    [
        ([[0.0, 0.0, 0.0]], "coords are a list: expected a tensor or an array"),
        (chain_frames(3), "as its .coords"),
        (np.zeros(3), r"coords have shape \[3\]"),
        (np.zeros((2, 9, 3)), "coords have 9 beads .* the potential is of 10"),
        (np.zeros((2, 10, 2)), "coords have 2 dimensions"),
    ],
)
def test_other_coordinates_are_told_what_is_wanted(peptide, coords, told):
    for function in (peptide.energy, peptide.forces):
        with pytest.raises(InputError, match=told):
            function(coords)


def test_it_says_what_it_is(peptide):
    assert repr(peptide).startswith("<Potential: CGSchNet, ")
    assert repr(peptide).endswith("parameters; prior terms: bonds, angles, dihedrals, repulsion>")


def test_direct_forces_add_to_the_prior_and_have_no_energy():
    potential = fitted(DIRECT, WALL, toy_frames(100))
    coords = torch.tensor([0.0, 12.0], dtype=torch.float64)[:, None, None]
    energy, forces = potential.energy_and_forces(coords)
    assert energy is None
    assert not potential.conservative
    wall = negative_gradient(potential.prior.energy(leaf := coords.clone().requires_grad_()), leaf)
    assert torch.allclose(forces, potential.network.forces(coords) + wall)
    assert wall[1].item() < -10.0
    assert potential.forces(coords, create_graph=True).requires_grad
    with pytest.raises(InputError, match="has no energy"):
        potential.energy(coords)


@pytest.mark.parametrize(
    ("model_spec", "prior_spec", "frames"),
    [
        (CGSCHNET, PEPTIDE_PRIOR, chain_frames(50)),
        (CGNET, PEPTIDE_PRIOR, chain_frames(50)),
        (None, PEPTIDE_PRIOR, chain_frames(50)),
        (TOY_MLP, WALL, toy_frames(50)),
        (TOY_MLP, NO_PRIOR, toy_frames(50)),
        (DIRECT, WALL, toy_frames(50)),
    ],
    ids=["cgschnet", "cgnet", "prior", "toy", "no prior", "direct"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_file_gives_the_same_potential_back(tmp_path, model_spec, prior_spec, frames, dtype):
    potential = fitted(model_spec, prior_spec, frames).to(dtype)
    save_potential(tmp_path / "potential.npz", potential, model_spec, prior_spec, note="kept")
    loaded = load_potential(tmp_path / "potential.npz")
    coords = torch.from_numpy(np.array(frames.coords[:5])).to(dtype)
    energy, forces = potential.energy_and_forces(coords)
    loaded_energy, loaded_forces = loaded.energy_and_forces(coords)
    assert torch.equal(loaded_forces, forces)
    assert loaded_forces.dtype == dtype
    assert loaded_energy is None if energy is None else torch.equal(loaded_energy, energy)
    assert loaded.prior.data_hash == frames.content_hash
    assert read_arrays(tmp_path / "potential.npz")[1]["note"] == "kept"


def test_a_file_of_something_else_is_refused(tmp_path):
    write_arrays(tmp_path / "other.npz", {"x": np.zeros(2)})
    with pytest.raises(InputError, match="holds no potential"):
        load_potential(tmp_path / "other.npz")


def test_a_file_that_does_not_fit_its_model_is_refused(tmp_path, peptide):
    wrong = {**CGSCHNET, "n_features": 6}
    save_potential(tmp_path / "wrong.npz", peptide, wrong, PEPTIDE_PRIOR)
    with pytest.raises(InputError, match="does not fit the model it names"):
        load_potential(tmp_path / "wrong.npz")
