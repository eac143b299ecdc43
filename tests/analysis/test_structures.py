"""What a report shows in space: from frames and a trajectory, to a file and back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cgexp.analysis.structures import REFERENCE, SIMULATION, Structures, bonds_of_trace, structures_of
from cgexp.frames import Frames
from cgexp.store import read_arrays, write_arrays
from cgexp.systems.base import System
from cgexp.systems.metric import superposed_rmsd
from cgexp.systems.molecule import Molecule
from cgexp.systems.peptide import Peptide


def ensemble(system: System, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centre = np.cumsum(rng.normal(size=(system.n_beads, 3)), axis=0)
    return (centre + 0.2 * rng.normal(size=(n, system.n_beads, 3))).astype(np.float32)


def reference(system: System) -> Frames:
    return Frames(
        coords=ensemble(system, 40, 0),
        bead_types=system.bead_types,
        block=np.arange(40) // 10,
        units="molecular",
        temperature=300.0,
        system=system.name,
        source="a test",
    )


def trajectory(system: Peptide, alive: list[bool]) -> Any:
    coords = ensemble(system, 20 * len(alive), 1).reshape(20, len(alive), system.n_beads, 3)

    def production(burn_in: float) -> np.ndarray:
        return coords[int(burn_in * 20) :, np.array(alive)]

    time = 0.5 * np.arange(1, 21)
    return SimpleNamespace(time=time, alive=np.array(alive), coords=coords, production=production, continuous=False)


@pytest.mark.parametrize("system", [Peptide(), Peptide("AAAA"), Peptide(beads="backbone5")], ids=lambda s: s.name)
def test_reference_and_simulation_and_a_trajectory_of_a_healthy_replica(system: Peptide) -> None:
    simulated = trajectory(system, [False, True, True])
    found = structures_of(system, reference(system), simulated, 0.5, 20, 0)
    assert list(found.ensembles) == [REFERENCE, SIMULATION]
    assert found.replica in (1, 2)
    assert not found.continuous
    np.testing.assert_allclose(found.time, 0.5 * np.arange(11, 21))
    shown = simulated.coords[10:, found.replica][:, system.ca]
    assert found.trajectory.shape == shown.shape
    for one, frame in zip(found.trajectory, shown, strict=True):
        assert superposed_rmsd(one[None], frame[None])[0, 0] < 1e-3
    known = system.sequence == Peptide().sequence
    assert (found.native is not None) == known
    for kept, coords in found.ensembles.values():
        assert sum(one.share for one in kept) == pytest.approx(1.0)
        assert coords.shape == (len(kept), len(system.sequence), 3)


def test_representatives_are_models_of_a_pdb_file(tmp_path: Path) -> None:
    import mdtraj

    system = Peptide()
    found = structures_of(system, reference(system), trajectory(system, [True]), 0.5, 20, 0)
    (tmp_path / "ca.pdb").write_text(found.as_pdb(SIMULATION))
    read = mdtraj.load(str(tmp_path / "ca.pdb"))
    kept, coords = found.ensembles[SIMULATION]
    np.testing.assert_allclose(10.0 * read.xyz, coords, atol=1e-3)
    assert "".join(residue.code for residue in read.topology.residues) == system.sequence
    assert read.topology.n_bonds == len(system.sequence) - 1
    assert f"REMARK model 1: {kept[0].basin}" in found.as_pdb(SIMULATION)


def test_without_a_simulation_or_a_healthy_replica_there_is_the_reference_alone() -> None:
    system = Peptide()
    for simulated in (None, trajectory(system, [False, False])):
        found = structures_of(system, reference(system), simulated, 0.25, 20, 0)
        assert list(found.ensembles) == [REFERENCE]
        assert found.replica is None
        assert found.trajectory.shape == (0, 10, 3)


@pytest.mark.parametrize("system", [Peptide(), Peptide("AAAA")], ids=lambda s: s.name)
def test_a_file_keeps_them(system: Peptide, tmp_path: Path) -> None:
    found = structures_of(system, reference(system), trajectory(system, [True]), 0.0, 20, 0)
    write_arrays(tmp_path / "a.npz", *found.to_arrays())
    again = Structures.from_arrays(*read_arrays(tmp_path / "a.npz"))
    assert (again.sequence, again.replica) == (found.sequence, found.replica)
    assert again.continuous == found.continuous
    np.testing.assert_allclose(again.trajectory, found.trajectory, atol=5.1e-4)
    for name, (kept, coords) in found.ensembles.items():
        assert again.ensembles[name][0] == kept
        np.testing.assert_allclose(again.ensembles[name][1], coords, atol=5.1e-4)
    assert (again.native is None) == (found.native is None)
    assert found.to_arrays()[1] == again.to_arrays()[1]


def test_bonds_of_what_is_no_chain_are_kept(tmp_path: Path) -> None:
    star = Molecule("star", 4, units="molecular", bonds=[(2, 0), (0, 1), (0, 3)])
    found = structures_of(star, reference(star), None, 0.0, 20, 0)
    np.testing.assert_array_equal(found.bonds, [[0, 1], [0, 2], [0, 3]])
    write_arrays(tmp_path / "a.npz", *found.to_arrays())
    again = Structures.from_arrays(*read_arrays(tmp_path / "a.npz"))
    np.testing.assert_array_equal(again.bonds, found.bonds)
    assert "CONECT    1    4" in again.as_pdb(REFERENCE)
    for chain in (Peptide(), Peptide(beads="backbone5"), Molecule("chain", 4)):
        assert bonds_of_trace(chain) is None
