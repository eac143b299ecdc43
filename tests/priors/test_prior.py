"""Prior: sum of terms, its record in words and numbers, the file, and that it holds a chain together."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cgexp.energy import negative_gradient
from cgexp.errors import InputError
from cgexp.geometry import bond_list, distances, pair_list
from cgexp.priors.dihedral import FourierDihedrals
from cgexp.priors.harmonic import HarmonicAngles, HarmonicBonds
from cgexp.priors.prior import Prior
from cgexp.priors.repulsion import Repulsion
from cgexp.priors.wall import HarmonicWall
from cgexp.store import write_json
from cgexp.systems.base import system_of
from cgexp.testing.configurations import chain_frames, fit_to, random_chains, toy_frames
from cgexp.testing.energy_checks import EnergyTermChecks


def peptide_prior() -> Prior:
    terms = {
        "bonds": HarmonicBonds(),
        "angles": HarmonicAngles(),
        "dihedrals": FourierDihedrals(),
        "repulsion": Repulsion(),
    }
    return Prior(terms, temperature=300.0)


def fitted() -> Prior:
    prior = peptide_prior()
    fit_to(prior, chain_frames(300))
    return prior


class TestPrior(EnergyTermChecks):
    def make_term(self):
        return fitted()

    def make_blank(self):
        return peptide_prior()

    def make_coords(self):
        return random_chains(4, seed=1)


def test_energy_is_the_sum_of_the_terms():
    prior, coords = fitted(), random_chains(3)
    assert torch.allclose(prior.energy(coords), sum(term.energy(coords) for _, term in prior.items()))


def test_no_terms_is_zero_energy_in_the_precision_of_the_coordinates():
    prior = Prior({}, temperature=1.0)
    fit_to(prior, toy_frames(5))
    energy = prior.energy(torch.zeros(4, 1, 1))
    assert energy.shape == (4,)
    assert energy.dtype == torch.float32
    assert energy.abs().max() == 0.0
    assert prior.stiffness() is None


def test_another_temperature_is_refused():
    with pytest.raises(InputError, match=r"set prior\.temperature=350"):
        fit_to(peptide_prior(), chain_frames(10, temperature=350.0))


def test_an_unfitted_prior_is_refused():
    with pytest.raises(InputError, match="has not been fitted"):
        peptide_prior().energy(random_chains(1))


def test_the_record_states_convention_units_temperature_and_data():
    frames = chain_frames(50)
    prior = peptide_prior()
    prior.fit(frames, system_of(frames))
    record = json.loads(json.dumps(prior.describe()))
    assert record["units"] == "molecular"
    assert (record["temperature"], record["temperature_unit"]) == (300.0, "K")
    assert record["data_hash"] == frames.content_hash
    bonds = record["terms"]["bonds"]
    assert "1/2 k (r - r0)^2" in bonds["convention"]
    assert bonds["parameters"]["force_constant"]["unit"] == "kcal/mol/Å^2"
    assert bonds["parameters"]["center"]["unit"] == "Å"
    assert len(bonds["parameters"]["force_constant"]["values"]) == 9
    assert record["terms"]["dihedrals"]["arguments"] == {"n_terms": 3, "uniform_share": 0.01}


@pytest.mark.parametrize("name", ["peptide", "wall", "none"])
def test_a_file_gives_the_same_prior_back_without_the_data(tmp_path, name):
    frames = chain_frames(50) if name == "peptide" else toy_frames(50)
    prior = {
        "peptide": peptide_prior(),
        "wall": Prior({"wall": HarmonicWall(force_constant=20.0, upper=3.0)}, temperature=1.0),
        "none": Prior({}, temperature=1.0),
    }[name]
    prior.fit(frames, system_of(frames))
    prior.save(tmp_path / "prior.json")
    loaded = Prior.load(tmp_path / "prior.json")
    coords = torch.from_numpy(np.array(frames.coords))
    assert torch.equal(loaded.energy(coords), prior.energy(coords))
    assert loaded.describe() == prior.describe()
    loaded.fit(frames, system_of(frames))
    assert loaded.describe() == prior.describe()


def test_another_file_is_refused(tmp_path):
    write_json(tmp_path / "other.json", {"x": 1})
    with pytest.raises(InputError, match="holds no prior"):
        Prior.load(tmp_path / "other.json")


def test_the_state_dict_holds_tensors_only_and_restores_the_facts():
    prior, blank = fitted(), peptide_prior()
    state = prior.state_dict()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    blank.load_state_dict(state)
    assert blank.describe() == prior.describe()


def test_it_can_be_cast_to_single_precision():
    prior, coords = fitted(), random_chains(3)
    single = fitted().to(torch.float32)
    assert single.energy(coords.float()).dtype == torch.float32
    assert torch.allclose(single.energy(coords.float()).double(), prior.energy(coords), rtol=1e-4)


def test_fit_quality_puts_data_beside_the_fit():
    frames = chain_frames(2000)
    prior = peptide_prior()
    prior.fit(frames, system_of(frames))
    quality = prior.fit_quality(frames)
    assert {name: curve.energy_fit.shape[1] for name, curve in quality.items()} == {
        "bonds": 9,
        "angles": 8,
        "dihedrals": 7,
        "repulsion": 1,
    }
    bonds = quality["bonds"]
    assert bonds.unit == "Å"
    assert bonds.x.shape == (len(bonds.energy_fit),)
    # The test's bonds are normally distributed, so the harmonic fit is exact but for counting noise.
    near = np.abs(bonds.x - 3.8) < 0.06
    assert np.abs(bonds.energy_data - bonds.energy_fit)[near].max() < 0.5


def test_it_holds_a_chain_together():
    """Overdamped dynamics at the fitted temperature: bonds keep their length, beads keep apart."""
    prior, coords = fitted(), random_chains(20, seed=4)
    kT, step = chain_frames(1).kT, 2e-4
    generator = torch.Generator().manual_seed(0)
    for _ in range(500):
        leaf = coords.requires_grad_()
        force = negative_gradient(prior.energy(leaf), leaf)
        noise = torch.randn(coords.shape, generator=generator, dtype=coords.dtype)
        coords = (coords + step * force + (2.0 * kT * step) ** 0.5 * noise).detach()
    assert (distances(coords, bond_list(10)) - 3.8).abs().max() < 0.5
    assert distances(coords, pair_list(10, 3)).min() > 2.5
