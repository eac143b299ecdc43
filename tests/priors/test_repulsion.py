"""Repulsion: the physics checks, the rule for sigma, which pairs it acts on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cgexp.geometry import distances, pair_list
from cgexp.priors.repulsion import Repulsion
from cgexp.systems.base import system_of
from cgexp.testing.configurations import chain_frames, fit_to, random_chains
from cgexp.testing.energy_checks import EnergyTermChecks


class TestRepulsion(EnergyTermChecks):
    def make_term(self):
        term = Repulsion()
        fit_to(term, chain_frames(100))
        return term

    def make_blank(self):
        return Repulsion()

    def make_coords(self):
        return random_chains(4, seed=1)


def test_the_energy_is_kT_at_the_closest_distances():
    frames = chain_frames(300)
    term = Repulsion(closest_share=0.01)
    term.fit(frames, system_of(frames))
    observed = distances(torch.from_numpy(np.array(frames.coords)), pair_list(10, 3))
    closest = torch.quantile(observed.flatten(), 0.01)
    assert term.energies(closest[None, None]).item() == pytest.approx(frames.kT, rel=0.01)


def test_frames_of_no_weight_do_not_count():
    frames = chain_frames(100)
    near = np.array(frames.coords)
    near[:50, 9] = near[:50, 0] + 0.5
    weighted, expected = Repulsion(), Repulsion()
    fit_to(weighted, frames.with_labels(coords=near, weights=np.repeat([0.0, 1.0], 50)))
    fit_to(expected, frames.select(slice(50, None)))
    assert weighted.sigma.item() == pytest.approx(expected.sigma.item(), rel=1e-3)


def test_a_given_sigma_is_kept_and_neighbours_along_the_chain_are_left_out():
    term = Repulsion(sigma=5.5, min_separation=4)
    fit_to(term, chain_frames(10))
    assert term.sigma.tolist() == [5.5]
    assert (term.beads[:, 1] - term.beads[:, 0]).min() == 4
    r = distances(random_chains(2), pair_list(10, 4))
    assert torch.allclose(term.energy(random_chains(2)), ((5.5 / r) ** 6).sum(1))
