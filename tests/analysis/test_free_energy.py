from __future__ import annotations

import numpy as np
import pytest

from cgexp.analysis import free_energy as fe


def test_histogram_of_a_harmonic_well_is_its_potential() -> None:
    x = np.random.default_rng(0).normal(size=400_000)
    edges = np.linspace(-2, 2, 21)
    exact = fe.exact_bin_pmf(lambda x: np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi), edges)
    assert fe.pmf_rmse(fe.histogram_pmf(x, edges), exact) < 0.01
    centres = 0.5 * (edges[1:] + edges[:-1])
    assert fe.pmf_rmse(exact, 0.5 * centres**2) < 0.01, "wide bins differ a little from their centres"
    assert fe.pmf_rmse(exact, 0.5 * centres**2) > 1e-4


def test_weights_turn_one_distribution_into_another() -> None:
    x = np.random.default_rng(1).uniform(-2, 2, size=400_000)
    edges = np.linspace(-2, 2, 21)
    weighted = fe.histogram_pmf(x, edges, np.exp(-0.5 * x**2))
    exact = fe.exact_bin_pmf(lambda x: np.exp(-0.5 * x**2), edges)
    assert fe.pmf_rmse(weighted, exact) < 0.01
    assert fe.pmf_rmse(fe.histogram_pmf(x, edges), exact) > 0.3


def test_an_unvisited_bin_counts_half_a_sample() -> None:
    pmf = fe.histogram_pmf([0.5, 0.6], [0.0, 1.0, 2.0])
    assert pmf == pytest.approx([0.0, -np.log(0.25)])


def test_integrating_a_force_gives_the_energy() -> None:
    x = np.linspace(-1, 2, 301)
    energy = fe.integrate_force(x, -np.cos(20 * x))
    assert energy[0] == 0
    assert energy == pytest.approx((np.sin(20 * x) - np.sin(-20)) / 20, abs=1e-5)


def test_pmf_rmse_ignores_a_constant() -> None:
    x = np.linspace(0, 1, 11)
    assert fe.pmf_rmse(x, x + 3) == pytest.approx(0, abs=1e-12)
    assert fe.pmf_rmse(np.zeros(2), np.array([0.0, 2.0])) == pytest.approx(1.0)


def test_map_has_its_minimum_at_zero_and_no_number_where_nothing_was() -> None:
    points = np.array([[0.5, 0.5]] * 4 + [[1.5, 0.5]])
    edges = (np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0]))
    found = fe.free_energy_map(points, edges)
    assert found[0, 0] == 0
    assert found[1, 0] == pytest.approx(np.log(4))
    assert np.isnan(found[:, 1]).all()
    weighted = fe.free_energy_map(points, edges, np.array([1.0, 1, 1, 1, 4]))
    assert weighted[1, 0] == pytest.approx(0)
