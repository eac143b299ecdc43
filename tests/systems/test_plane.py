"""Plane: energy, force and its derivatives of a toy in both dimensions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cgexp.systems.cgnet_toy import CGnetToy
from cgexp.systems.julia_toy import JuliaToy
from cgexp.systems.mueller_brown import MuellerBrown
from cgexp.systems.plane import Plane
from cgexp.systems.toy import ToyPotential

POINTS = np.random.default_rng(0).uniform(-1.2, 1.2, (40, 2))
STEP = 1e-5 * np.eye(2)


@pytest.fixture(params=[JuliaToy, CGnetToy, MuellerBrown])
def toy(request: pytest.FixtureRequest) -> ToyPotential:
    return request.param(temperature=0.7)


def test_it_is_the_toy_with_two_dimensions(toy: ToyPotential) -> None:
    plane = Plane(toy)
    assert plane.name == f"{toy.name}_plane"
    assert (plane.n_beads, plane.n_dims, plane.units, plane.temperature) == (1, 2, "reduced", 0.7)
    assert plane.evaluation_range == toy.evaluation_range
    np.testing.assert_array_equal(plane.energy(POINTS), toy.energy(POINTS))
    np.testing.assert_allclose(plane.force(POINTS)[:, 0], toy.force_x(POINTS), rtol=1e-12)


def test_force_is_minus_the_gradient_of_the_energy(toy: ToyPotential) -> None:
    plane = Plane(toy)
    numeric = [-(plane.energy(POINTS + step) - plane.energy(POINTS - step)) / 2e-5 for step in STEP]
    np.testing.assert_allclose(plane.force(POINTS), np.stack(numeric, axis=-1), atol=1e-6)


def test_jacobian_is_the_derivative_of_the_force_and_symmetric(toy: ToyPotential) -> None:
    plane = Plane(toy)
    jacobian = plane.force_jacobian(POINTS)
    numeric = [(plane.force(POINTS + step) - plane.force(POINTS - step)) / 2e-5 for step in STEP]
    np.testing.assert_allclose(jacobian, np.stack(numeric, axis=-1), atol=1e-5)
    np.testing.assert_allclose(jacobian, jacobian.swapaxes(1, 2), atol=1e-10)


def test_shapes_distance_and_no_need_of_a_graph() -> None:
    plane = Plane(JuliaToy())
    grid = np.zeros((3, 4, 2))
    with torch.no_grad():
        assert (plane.force(grid).shape, plane.force_jacobian(grid).shape) == ((3, 4, 2), (3, 4, 2, 2))
    a, b = np.array([[[0.0, 0.0]]]), np.array([[[3.0, 4.0]], [[0.0, 1.0]]])
    np.testing.assert_allclose(plane.distance(a, b), [[5.0, 1.0]])
