from __future__ import annotations

import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from cgexp.analysis import observables as o
from cgexp.systems.bond_graph import BondGraph
from cgexp.systems.molecule import Molecule
from cgexp.systems.peptide import Peptide

GRAPH = BondGraph.of_trace(Peptide())


@pytest.fixture
def coords() -> NDArray[np.float64]:
    return Peptide().native() + 0.5 * np.random.default_rng(0).normal(size=(20, 10, 3))


@pytest.fixture
def traj(coords: NDArray[np.float64]) -> mdtraj.Trajectory:
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in range(10):
        topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("ALA", chain))
    return mdtraj.Trajectory(coords / 10, topology)


def test_internal_coordinates_equal_mdtraj(coords: NDArray[np.float64], traj: mdtraj.Trajectory) -> None:
    i = np.arange(10)
    bonds = mdtraj.compute_distances(traj, np.stack([i[:-1], i[1:]], 1)) * 10
    angles = mdtraj.compute_angles(traj, np.stack([i[:-2], i[1:-1], i[2:]], 1))
    dihedrals = mdtraj.compute_dihedrals(traj, np.stack([i[:-3], i[1:-2], i[2:-1], i[3:]], 1))
    assert o.bonds(coords, GRAPH) == pytest.approx(bonds, abs=1e-4)
    assert o.angles(coords, GRAPH) == pytest.approx(angles, abs=1e-4)
    assert o.dihedrals(coords, GRAPH) == pytest.approx(dihedrals, abs=1e-4)
    assert o.end_to_end(coords) == pytest.approx(mdtraj.compute_distances(traj, [[0, 9]]) * 10, abs=1e-4)
    assert o.radius_of_gyration(coords)[:, 0] == pytest.approx(mdtraj.compute_rg(traj) * 10, abs=1e-4)
    native = mdtraj.Trajectory(Peptide().native()[None] / 10, traj.topology)
    assert o.observables_of(coords, Peptide())["rmsd"][:, 0] == pytest.approx(mdtraj.rmsd(traj, native) * 10, abs=1e-3)


def test_rmsd_ignores_rotation_but_not_reflection() -> None:
    native = Peptide().native()
    turned = Rotation.from_euler("xyz", [0.3, 1.0, -2.0]).apply(native) + np.array([5.0, -3.0, 1.0])
    mirrored = native * [1.0, 1.0, -1.0]
    rmsd = o.observables_of(np.stack([turned, mirrored]), Peptide())["rmsd"][:, 0]
    assert rmsd[0] < 1e-6
    assert rmsd[1] > 1.0


def test_all_quantities_have_the_stated_shapes(coords: NDArray[np.float64]) -> None:
    shapes = {name: values.shape for name, values in o.observables_of(coords, Peptide()).items()}
    counts = {"bond": 9, "angle": 8, "dihedral": 7, "end_to_end": 1, "rg": 1, "rmsd": 1}
    assert shapes == {name: (20, n) for name, n in counts.items()}
    assert o.pair_distances(coords).shape == (20, 45)
    assert set(counts) == set(o.QUANTITIES)


def test_what_a_system_lacks_is_left_out(coords: NDArray[np.float64]) -> None:
    counts = {n: v.shape[1] for n, v in o.observables_of(coords[:, :4], Peptide("AAAG")).items()}
    assert counts == {"bond": 3, "angle": 2, "dihedral": 1, "end_to_end": 1, "rg": 1}  # no native structure is known
    assert set(o.observables_of(coords[:, :2], Molecule("dimer", 2))) == {"bond", "end_to_end", "rg"}


def test_a_branched_molecule_is_measured_along_its_bonds(coords: NDArray[np.float64]) -> None:
    star = Molecule("star", 4, bonds=[(0, 1), (0, 2), (0, 3)])
    found = o.observables_of(coords[:, :4], star)
    expected = np.linalg.norm(coords[:, 1:4] - coords[:, :1], axis=-1)
    np.testing.assert_allclose(found["bond"], expected)
    assert found["angle"].shape[1] == 3
