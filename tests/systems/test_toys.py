from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from cgexp.errors import InputError
from cgexp.systems.cgnet_toy import CGnetToy
from cgexp.systems.julia_toy import JuliaToy
from cgexp.systems.toy import ToyPotential
from cgexp.testing.toy_checks import ToyChecks

TOYS = [JuliaToy, CGnetToy]


def quartic(x: np.ndarray) -> np.ndarray:
    return (x - 4) * (x - 2) * (x + 2) * (x + 3) / 50


def expectation(toy: ToyPotential, values: np.ndarray, x: np.ndarray) -> float:
    return float(np.trapezoid(toy.density(x) * values, x))


@pytest.mark.parametrize(
    ("toy", "y_part", "ripple"),
    [
        (JuliaToy(), lambda y: y**2 / 2, lambda x, y: np.sin(3 * (x + 5) * (x + 6)) / 25),
        (CGnetToy(), lambda y: y**2 / 20, lambda x, y: np.sin(3 * (x + 5) * (y - 6)) / 25),
    ],
)
def test_potentials_as_published(toy: ToyPotential, y_part: object, ripple: object) -> None:
    points = np.random.default_rng(0).uniform(-5, 5, (50, 2))
    x, y = points.T
    np.testing.assert_allclose(toy.energy(points), quartic(x) + y_part(y) + ripple(x, y), rtol=1e-12)  # type: ignore


class TestJuliaToy(ToyChecks):
    def make_toy(self) -> ToyPotential:
        return JuliaToy()


class TestCGnetToy(ToyChecks):
    def make_toy(self) -> ToyPotential:
        return CGnetToy()


class TestCGnetToyAtAnotherTemperature(ToyChecks):
    def make_toy(self) -> ToyPotential:
        return CGnetToy(temperature=0.7)


class TestCGnetFacts:
    """Numbers computed for PMF = -kT ln of the integral of exp(-V/kT) over y, with nothing subtracted."""

    toy = CGnetToy()

    def test_minima_and_barrier(self) -> None:
        def found(bounds: tuple[float, float], sign: float) -> tuple[float, float]:
            best = minimize_scalar(lambda x: sign * self.toy.pmf([x])[0], bounds=bounds, method="bounded")
            return best.x, sign * best.fun

        extrema = [found((-3.5, -1.5), 1.0), found((-1.0, 1.0), -1.0), found((2.0, 4.0), 1.0)]
        where, height = zip(*extrema, strict=True)
        np.testing.assert_allclose(where, [-2.55, 0.12, 3.17], atol=0.005)
        np.testing.assert_allclose(height, [-2.218, -1.106, -2.690], atol=0.0005)

    def test_noise_floor_and_moments(self) -> None:
        assert self.toy.noise_floor() == pytest.approx(0.3311, abs=5e-5)
        x = np.linspace(-8, 8, 1001)
        square = self.toy.mean_force(x) ** 2 + self.toy.force_variance(x)
        mean = expectation(self.toy, x, x)
        assert expectation(self.toy, square, x) == pytest.approx(1.329, abs=5e-4)
        assert mean == pytest.approx(0.806, abs=1e-3)
        assert expectation(self.toy, (x - mean) ** 2, x) == pytest.approx(6.58, abs=5e-3)
        left = x <= 0.15
        assert expectation(self.toy, left.astype(float), x) == pytest.approx(0.397, abs=2e-3)


def test_julia_force_has_no_noise_and_its_pmf_is_the_x_part() -> None:
    toy, x = JuliaToy(), np.linspace(-5, 5, 301)
    assert toy.noise_floor() < 1e-20
    assert toy.force_variance(x).max() < 1e-20
    exact = toy.energy(np.stack([x, np.zeros_like(x)], axis=1)) - 0.5 * math.log(2 * math.pi)
    np.testing.assert_allclose(toy.pmf(x), exact, atol=1e-10)
    np.testing.assert_allclose(toy.mean_force(x), toy.force_x(np.stack([x, np.ones_like(x)], axis=1)), atol=1e-10)


@pytest.mark.parametrize("toy", TOYS)
def test_quadrature_is_converged(toy: type[ToyPotential], monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.linspace(*toy.evaluation_range, 50)
    standard = [toy().pmf(x), toy().mean_force(x), toy().force_variance(x)]
    monkeypatch.setattr("cgexp.systems.toy.N_Y", 9001)
    for coarse, fine in zip(standard, [toy().pmf(x), toy().mean_force(x), toy().force_variance(x)], strict=True):
        np.testing.assert_allclose(coarse, fine, atol=1e-10)


@pytest.mark.parametrize("temperature", [1.0, 1.5])
@pytest.mark.parametrize("toy", TOYS)
def test_mean_force_is_the_slope_of_the_pmf_and_density_is_normalised(
    toy: type[ToyPotential], temperature: float
) -> None:
    system, x = toy(temperature=temperature), np.linspace(-4, 4, 41)
    slope = (system.pmf(x + 1e-4) - system.pmf(x - 1e-4)) / 2e-4
    np.testing.assert_allclose(system.mean_force(x), -slope, atol=2e-5)
    wide = np.linspace(-8, 8, 1601)
    assert expectation(system, np.ones_like(wide), wide) == pytest.approx(1.0, abs=1e-6)


def test_shapes_and_distance() -> None:
    toy = CGnetToy()
    assert toy.pmf(np.zeros((3, 2))).shape == (3, 2)
    assert toy.pmf(np.linspace(0, 1, 600)).dtype == np.float64
    a, b = np.array([0.0, 3.0]).reshape(2, 1, 1), np.array([1.0, -1.0, 5.0]).reshape(3, 1, 1)
    np.testing.assert_allclose(toy.distance(a, b), [[1, 1, 5], [2, 4, 2]])


class NewToy(ToyPotential):
    """All that a new toy takes."""

    name = "new"
    x_range = (-8.0, 8.0)
    y_range = (-16.0, 16.0)
    evaluation_range = (-2.0, 2.0)

    def potential(self, x: Tensor, y: Tensor) -> Tensor:
        return 0.5 * x**2 + 0.5 * (y - x) ** 2


def test_a_new_toy_is_one_class() -> None:
    x = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(NewToy().mean_force(x), -x, atol=1e-9)
    np.testing.assert_allclose(NewToy().force_variance(x), 1.0, atol=1e-9)
    np.testing.assert_allclose(NewToy().density(x), np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi), atol=1e-9)


def test_ranges_that_cut_probability_off_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NewToy, "y_range", (-4.0, 4.0))
    with pytest.raises(InputError, match="y_range of system 'new'"):
        NewToy().pmf([1.0])
    monkeypatch.undo()
    monkeypatch.setattr(NewToy, "x_range", (-2.0, 2.0))
    with pytest.raises(InputError, match="x_range of system 'new'"):
        NewToy().noise_floor()


def test_no_gradient_is_kept() -> None:
    with torch.no_grad():
        assert np.isfinite(CGnetToy().mean_force([0.0])).all()


def test_equal_toys_share_their_quadrature_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    x, calls = np.linspace(-1, 1, 7), [0]
    original = NewToy._moments_batch

    def counted(self: NewToy, batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        calls[0] += 1
        return original(self, batch)

    monkeypatch.setattr(NewToy, "_moments_batch", counted)
    first, same, warmer, own = NewToy(1.1), NewToy(1.1), NewToy(1.2), NewToy(1.1)
    own.rule = lambda: 0  # type: ignore[attr-defined]  # what cannot be compared is not shared
    found = [toy.pmf(x) for toy in (first, same, warmer, own)]
    assert calls == [3]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[3])
    assert abs(found[0] - found[2]).min() > 0.01
    found[0][:] = 0.0  # a copy
    assert (same.pmf(x) == found[1]).all()
