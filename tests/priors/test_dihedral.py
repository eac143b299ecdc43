"""FourierDihedrals: the physics checks, a known potential recovered from its samples, chirality."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cgexp.priors.dihedral import FourierDihedrals
from cgexp.systems.base import system_of
from cgexp.testing.configurations import chain_frames, fit_to, random_chains
from cgexp.testing.energy_checks import EnergyTermChecks


class TestFourierDihedrals(EnergyTermChecks):
    def make_term(self):
        term = FourierDihedrals(n_terms=4)
        fit_to(term, chain_frames(100))
        return term

    def make_blank(self):
        return FourierDihedrals(n_terms=1)

    def make_coords(self):
        return random_chains(4, seed=1)


def frames_with_dihedrals(phi):
    """Four beads whose dihedral takes the given values."""
    coords = np.zeros((len(phi), 4, 3))
    coords[:, 0] = [3.0, 0.0, 0.0]
    coords[:, 2] = [0.0, 0.0, 3.8]
    coords[:, 3] = np.stack([3.0 * np.cos(phi), 3.0 * np.sin(phi), np.full_like(phi, 5.0)], axis=1)
    frames = chain_frames(len(phi), n_beads=4)
    return frames.with_labels(coords=coords)


def sample(energy, kT, n, seed=0):
    """Angles distributed as exp(-energy / kT), by inverse transform on a fine grid."""
    grid = np.linspace(-np.pi, np.pi, 20001)
    cumulative = np.cumsum(np.exp(-energy(grid) / kT))
    return np.interp(np.random.default_rng(seed).random(n), cumulative / cumulative[-1], grid)


def test_a_fourier_series_is_recovered_from_its_samples():
    kT = chain_frames(1).kT

    def energy(phi):
        return 0.5 * np.cos(phi) - 0.3 * np.sin(phi) + 0.2 * np.cos(2 * phi) + 0.1 * np.sin(3 * phi)

    term = FourierDihedrals(n_terms=3, uniform_share=1e-9)
    fit_to(term, frames_with_dihedrals(sample(energy, kT, 50_000)))
    assert term.cosine.squeeze(1).tolist() == pytest.approx([0.5, 0.2, 0.0], abs=0.02)
    assert term.sine.squeeze(1).tolist() == pytest.approx([-0.3, 0.0, 0.1], abs=0.02)


def test_unvisited_angles_get_a_finite_energy_above_the_visited_ones():
    rng = np.random.default_rng(0)
    frames = frames_with_dihedrals(rng.normal(-1.0, 0.2, size=2000))
    term = FourierDihedrals()
    term.fit(frames, system_of(frames))
    energy = term.energies(torch.linspace(-np.pi, np.pi, 361, dtype=torch.float64)[:, None]).squeeze(1)
    assert torch.linspace(-np.pi, np.pi, 361)[energy.argmin()].item() == pytest.approx(-1.0, abs=0.1)
    assert 2.0 * frames.kT < energy.max() - energy.min() < 15.0 * frames.kT


def test_weights_choose_the_well():
    phi = np.concatenate([np.full(100, -1.0), np.full(100, 1.0)]) + np.random.default_rng(0).normal(0, 0.1, 200)
    frames = frames_with_dihedrals(phi).with_labels(weights=np.repeat([0.1, 1.0], 100))
    term = FourierDihedrals()
    term.fit(frames, system_of(frames))
    left, right = term.energies(torch.tensor([[-1.0], [1.0]], dtype=torch.float64)).squeeze(1)
    assert left > right


def test_a_structure_and_its_mirror_image_have_different_energies():
    phi = np.random.default_rng(0).normal(-1.0, 0.3, size=500)
    frames = frames_with_dihedrals(phi)
    term = FourierDihedrals()
    term.fit(frames, system_of(frames))
    coords = torch.from_numpy(np.array(frames.coords))
    mirror = coords * torch.tensor([1.0, -1.0, 1.0])
    assert (term.energy(mirror) - term.energy(coords)).mean() > frames.kT
