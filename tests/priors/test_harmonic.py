"""Harmonic bonds and angles: the physics checks, Boltzmann inversion, weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cgexp.errors import InputError
from cgexp.geometry import angle_list, angles, bond_list, distances
from cgexp.priors.harmonic import HarmonicAngles, HarmonicBonds, stiffness_of
from cgexp.systems.base import system_of
from cgexp.testing.configurations import chain_frames, fit_to, random_chains, toy_frames
from cgexp.testing.energy_checks import EnergyTermChecks


class TestHarmonicBonds(EnergyTermChecks):
    term = HarmonicBonds

    def make_term(self):
        term = self.term()
        fit_to(term, chain_frames(100))
        return term

    def make_blank(self):
        return self.term()

    def make_coords(self):
        return random_chains(4, seed=1)


class TestHarmonicAngles(TestHarmonicBonds):
    term = HarmonicAngles


@pytest.mark.parametrize(
    ("term", "measure", "beads"),
    [(HarmonicBonds(), distances, bond_list(10)), (HarmonicAngles(), angles, angle_list(10))],
    ids=["bonds", "angles"],
)
def test_boltzmann_inversion(term, measure, beads):
    frames = chain_frames(400)
    term.fit(frames, system_of(frames))
    values = measure(torch.from_numpy(np.array(frames.coords)), beads)
    assert torch.allclose(term.center, values.mean(0))
    assert torch.allclose(term.force_constant, frames.kT / values.var(0, unbiased=False))
    assert term.energies(term.center[None] + 0.1).tolist()[0] == pytest.approx((0.005 * term.force_constant).tolist())


def test_a_weight_of_two_counts_as_two_frames():
    frames = chain_frames(20)
    weights = np.ones(20)
    weights[3] = 2.0
    weighted, repeated = HarmonicBonds(), HarmonicBonds()
    fit_to(weighted, frames.with_labels(weights=weights))
    fit_to(repeated, frames.select([*range(20), 3]))
    assert torch.allclose(weighted.center, repeated.center)
    assert torch.allclose(weighted.force_constant, repeated.force_constant)


def test_stiffness_is_the_largest_bond_constant():
    bonds = HarmonicBonds()
    assert bonds.stiffness() is None
    fit_to(bonds, chain_frames(50))
    assert bonds.stiffness() == bonds.force_constant.max().item()


def test_a_coordinate_that_never_changes_is_refused():
    frames = chain_frames(1)
    with pytest.raises(InputError, match="the same in all 1 frames"):
        HarmonicBonds().fit(frames, system_of(frames))


def test_a_toy_has_no_angles():
    with pytest.raises(InputError, match="HarmonicAngles needs at least 3 beads in 3 dimensions"):
        fit_to(HarmonicAngles(), toy_frames(10))


def test_frames_say_how_stiff_a_model_of_them_is_at_least():
    frames, term = chain_frames(400), HarmonicBonds()
    fit_to(term, frames)
    assert stiffness_of(frames, system_of(frames)) == pytest.approx(term.stiffness())
    toy = toy_frames(200)
    assert stiffness_of(toy, system_of(toy)) == pytest.approx(toy.kT / np.var(toy.coords, dtype=np.float64))
    still = toy.with_labels(coords=np.zeros_like(toy.coords))
    assert stiffness_of(still, system_of(toy)) == 0.0
