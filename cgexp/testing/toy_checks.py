"""Checks of a toy potential: forces, exact averages, and the samples drawn from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgexp.datasets.toy_data import sample_boltzmann
from cgexp.systems.toy import ToyPotential

N_SAMPLES = 20_000


class ToyChecks:
    """Subclass for a toy potential: ``make_toy`` returns it."""

    def make_toy(self) -> ToyPotential:
        raise NotImplementedError

    def test_force_is_minus_the_derivative_of_the_energy(self) -> None:
        toy = self.make_toy()
        points, step = self._points(toy, 40), np.array([1e-5, 0.0])
        numeric = -(toy.energy(points + step) - toy.energy(points - step)) / 2e-5
        np.testing.assert_allclose(toy.force_x(points), numeric, atol=1e-6 * np.abs(numeric).max())

    def test_mean_force_is_minus_the_derivative_of_the_pmf(self) -> None:
        toy = self.make_toy()
        x = np.linspace(*toy.evaluation_range, 41)
        numeric = -(toy.pmf(x + 1e-5) - toy.pmf(x - 1e-5)) / 2e-5
        np.testing.assert_allclose(toy.mean_force(x), numeric, atol=1e-6 * np.abs(numeric).max())

    def test_density_is_normalised_over_the_systems_range(self) -> None:
        toy = self.make_toy()
        x = np.linspace(*toy.x_range, 4001)
        assert abs(float(np.trapezoid(toy.density(x), x)) - 1.0) < 1e-6

    def test_samples_follow_the_density_and_carry_its_mean_force(self) -> None:
        toy = self.make_toy()
        points = sample_boltzmann(toy, N_SAMPLES, np.random.default_rng(0))
        x = np.linspace(*toy.x_range, 4001)
        cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (toy.density(x)[1:] + toy.density(x)[:-1]) * np.diff(x))])
        u = np.sort(np.interp(points[:, 0], x, cumulative))
        largest = float(np.abs(u - (np.arange(N_SAMPLES) + 0.5) / N_SAMPLES).max())
        assert largest * N_SAMPLES**0.5 < 2.2  # Kolmogorov-Smirnov, p < 1e-4
        residual = toy.force_x(points) - np.interp(points[:, 0], x, toy.mean_force(x))
        error = max(float(residual.std()), 1e-9) / N_SAMPLES**0.5
        assert abs(float(residual.mean())) < 5 * error

    def _points(self, toy: ToyPotential, n: int) -> NDArray[np.float64]:
        low, high = toy.evaluation_range
        y_low, y_high = toy.y_range
        return np.random.default_rng(0).uniform([low, 0.5 * y_low], [high, 0.5 * y_high], (n, 2))
