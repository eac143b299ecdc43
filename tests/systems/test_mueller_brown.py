"""MuellerBrown: the toy checks, and the minima that the literature gives for the unscaled potential."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from cgexp.systems.mueller_brown import SCALE, MuellerBrown
from cgexp.testing.toy_checks import ToyChecks


class TestMuellerBrown(ToyChecks):
    def make_toy(self) -> MuellerBrown:
        return MuellerBrown()

    @pytest.mark.parametrize(
        ("energy", "where"),
        [(-146.7, (-0.558, 1.442)), (-108.2, (0.623, 0.028)), (-80.8, (-0.050, 0.467))],
    )
    def test_minima_are_those_of_the_literature(self, energy: float, where: tuple[float, float]) -> None:
        found = minimize(lambda point: float(MuellerBrown().energy(point)) / SCALE, where, method="Nelder-Mead")
        np.testing.assert_allclose(found.x, where, atol=1e-3)
        assert found.fun == pytest.approx(energy, abs=0.05)

    def test_a_simulation_crosses_the_barrier_and_the_range_is_visited(self) -> None:
        toy = MuellerBrown()
        pmf = toy.pmf(np.linspace(*toy.evaluation_range, 241))
        barrier = toy.pmf(np.linspace(-0.2, 0.3, 51)).max() - pmf.min()
        assert 2.0 < barrier < 4.0
        assert pmf.max() - pmf.min() < 6.0

    def test_the_force_along_x_is_mostly_noise(self) -> None:
        assert MuellerBrown().noise_floor() == pytest.approx(48.99, abs=0.01)
