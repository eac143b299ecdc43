"""Geometry: values known by hand, signs, second derivatives, lists."""

from __future__ import annotations

import math

import pytest
import torch

from cgexp import geometry
from cgexp.testing.configurations import random_chains

QUAD = torch.tensor([[0, 1, 2, 3]])


def four_beads(phi: float) -> torch.Tensor:
    """Beads whose last bond is turned clockwise by phi, seen along the middle bond from the second bead."""
    near, far = [1.0, 0.0, 0.0], [math.cos(phi), math.sin(phi), 2.0]
    return torch.tensor([[near, [0.0, 0.0, 0.0], [0.0, 0.0, 2.0], far]], dtype=torch.float64)


def test_distance_and_angle_known_by_hand():
    coords = torch.tensor([[[3.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 4.0, 0.0]]], dtype=torch.float64)
    assert geometry.distances(coords, torch.tensor([[0, 1], [0, 2]])).tolist() == [[3.0, 5.0]]
    assert geometry.angles(coords, torch.tensor([[0, 1, 2]])).item() == pytest.approx(math.pi / 2)
    assert geometry.angles(coords, torch.tensor([[1, 0, 2]])).item() == pytest.approx(math.atan2(4, 3))


@pytest.mark.parametrize("phi", [0.0, 0.3, -0.3, math.pi / 2, -2.5, 3.1, math.pi])
def test_dihedral_has_the_iupac_sign(phi):
    coords = four_beads(phi)
    assert geometry.dihedrals(coords, QUAD).item() == pytest.approx(phi)
    cosine, sine = geometry.dihedral_cos_sin(coords, QUAD)
    assert cosine.item() == pytest.approx(math.cos(phi))
    assert sine.item() == pytest.approx(math.sin(phi), abs=1e-15)


def test_mirror_image_changes_the_sign_of_dihedrals_only():
    coords = random_chains(5)
    mirror = coords * torch.tensor([-1.0, 1.0, 1.0])
    n = coords.shape[1]
    for function, beads in ((geometry.distances, geometry.pair_list(n)), (geometry.angles, geometry.angle_list(n))):
        assert torch.allclose(function(mirror, beads), function(coords, beads))
    quads = geometry.dihedral_list(n)
    assert torch.allclose(geometry.dihedrals(mirror, quads), -geometry.dihedrals(coords, quads))


def test_agrees_with_mdtraj():
    import mdtraj

    coords = random_chains(4)
    trajectory = mdtraj.Trajectory(coords.numpy() / 10.0, topology=None)
    quads, triples = geometry.dihedral_list(10), geometry.angle_list(10)
    theirs = torch.from_numpy(mdtraj.compute_dihedrals(trajectory, quads.numpy(), periodic=False, opt=False))
    assert torch.allclose(geometry.dihedrals(coords, quads), theirs.double(), atol=1e-4)
    theirs = torch.from_numpy(mdtraj.compute_angles(trajectory, triples.numpy(), periodic=False, opt=False))
    assert torch.allclose(geometry.angles(coords, triples), theirs.double(), atol=1e-4)


@pytest.mark.parametrize(
    ("function", "beads"),
    [
        (geometry.distances, geometry.pair_list(4)),
        (geometry.angles, geometry.angle_list(4)),
        (geometry.dihedrals, geometry.dihedral_list(4)),
        (lambda x, q: torch.cat(geometry.dihedral_cos_sin(x, q), 1), geometry.dihedral_list(4)),
    ],
    ids=["distances", "angles", "dihedrals", "dihedral_cos_sin"],
)
def test_first_and_second_derivatives(function, beads):
    coords = random_chains(1, n_beads=4, seed=3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: function(x, beads), (coords,))
    assert torch.autograd.gradgradcheck(lambda x: function(x, beads), (coords,))


def test_gradients_stay_finite_at_planar_dihedrals_and_nearly_straight_angles():
    nearly_straight = torch.tensor([[[-1.0, 1e-7, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]], dtype=torch.float64)
    for coords, function, beads in (
        (four_beads(0.0), geometry.dihedrals, QUAD),
        (four_beads(math.pi), geometry.dihedrals, QUAD),
        (nearly_straight, geometry.angles, torch.tensor([[0, 1, 2]])),
    ):
        leaf = coords.clone().requires_grad_()
        function(leaf, beads).sum().backward()
        assert torch.isfinite(leaf.grad).all()
        assert leaf.grad.abs().max() < 10.0


def test_lists():
    assert geometry.pair_list(3).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert geometry.pair_list(5, 3).tolist() == [[0, 3], [0, 4], [1, 4]]
    assert geometry.pair_list(10).shape == (45, 2)
    assert geometry.pair_list(10, 3).shape == (28, 2)
    assert geometry.bond_list(3).tolist() == [[0, 1], [1, 2]]
    assert geometry.angle_list(4).tolist() == [[0, 1, 2], [1, 2, 3]]
    assert geometry.dihedral_list(4).tolist() == QUAD.tolist()
    assert geometry.dihedral_list(3).shape == (0, 4)
