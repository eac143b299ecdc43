"""HarmonicWall: the physics checks inside and outside, bounds from the data or given, refused bounds."""

from __future__ import annotations

import pytest
import torch

from cgexp.errors import InputError
from cgexp.priors.wall import HarmonicWall
from cgexp.systems.base import system_of
from cgexp.testing.configurations import fit_to, toy_frames
from cgexp.testing.energy_checks import EnergyTermChecks


class TestHarmonicWall(EnergyTermChecks):
    invariant = False

    def make_term(self):
        term = HarmonicWall(force_constant=20.0, lower=-1.0)
        fit_to(term, toy_frames(100, n_dims=2))
        return term

    def make_blank(self):
        return HarmonicWall()

    def make_coords(self):
        return torch.linspace(-9.0, 9.0, 16, dtype=torch.float64).reshape(8, 1, 2)


def test_bounds_are_those_of_the_data_and_the_inside_is_flat():
    frames = toy_frames(100)
    term = HarmonicWall(force_constant=10.0)
    term.fit(frames, system_of(frames))
    assert term.lower.item() == frames.coords.min()
    assert term.upper.item() == frames.coords.max()
    inside = torch.from_numpy(frames.coords.copy())
    assert term.energy(inside).abs().max() == 0.0
    assert term.energy(inside.max().view(1, 1, 1) + 2.0).item() == pytest.approx(20.0)
    assert term.stiffness() == 10.0


def test_equal_bounds_make_a_harmonic_well():
    term = HarmonicWall(force_constant=1.24, lower=0.2, upper=0.2)
    fit_to(term, toy_frames(10))
    x = torch.linspace(-8.0, 8.0, 9).double()
    assert torch.allclose(term.energy(x[:, None, None]), 0.62 * (x - 0.2) ** 2)


def test_a_wall_inside_the_data_is_told(caplog):
    fit_to(HarmonicWall(lower=0.0, upper=1.0), toy_frames(100))
    assert "from 0.0 to 1.0 stands inside the data" in caplog.text


@pytest.mark.parametrize("bounds", [{"lower": 1.0, "upper": 0.0}, {"lower": 1000.0}])
def test_crossed_bounds_are_refused(bounds):
    with pytest.raises(InputError, match="above upper"):
        fit_to(HarmonicWall(**bounds), toy_frames(10))
