from __future__ import annotations

import mdtraj
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from cgexp.analysis import observables as o
from cgexp.systems.peptide import Peptide


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
    assert o.bonds(coords) == pytest.approx(bonds, abs=1e-4)
    assert o.angles(coords) == pytest.approx(angles, abs=1e-4)
    assert o.dihedrals(coords) == pytest.approx(dihedrals, abs=1e-4)
    assert o.end_to_end(coords) == pytest.approx(mdtraj.compute_distances(traj, [[0, 9]]) * 10, abs=1e-4)
    assert o.radius_of_gyration(coords)[:, 0] == pytest.approx(mdtraj.compute_rg(traj) * 10, abs=1e-4)
    native = mdtraj.Trajectory(Peptide().native()[None] / 10, traj.topology)
    assert o.rmsd_to_native(coords, Peptide())[:, 0] == pytest.approx(mdtraj.rmsd(traj, native) * 10, abs=1e-3)


def test_rmsd_ignores_rotation_but_not_reflection() -> None:
    native = Peptide().native()
    turned = Rotation.from_euler("xyz", [0.3, 1.0, -2.0]).apply(native) + np.array([5.0, -3.0, 1.0])
    mirrored = native * [1.0, 1.0, -1.0]
    rmsd = o.rmsd_to_native(np.stack([turned, mirrored]), Peptide())[:, 0]
    assert rmsd[0] < 1e-6
    assert rmsd[1] > 1.0


def test_all_quantities_have_the_stated_shapes(coords: NDArray[np.float64]) -> None:
    shapes = {name: values.shape for name, values in o.peptide_observables(coords, Peptide()).items()}
    counts = {"bond": 9, "angle": 8, "dihedral": 7, "end_to_end": 1, "rg": 1, "rmsd": 1}
    assert shapes == {name: (20, n) for name, n in counts.items()}
    assert o.pair_distances(coords).shape == (20, 45)
    assert set(counts) == set(o.QUANTITIES)
