"""Trajectories of one's own, in the formats and with the oddities that files have, give the frames that were put in."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path

import mdtraj
import numpy as np
import pytest
from mdtraj.formats import TRRTrajectoryFile

from cgexp.all_atom.mapping.weighted import weighted_map
from cgexp.all_atom.structure import AllAtom, build_peptide
from cgexp.build import build
from cgexp.datasets.trajectory.beads import make_beads
from cgexp.datasets.trajectory.solute import quietly, read_solute
from cgexp.errors import InputError
from cgexp.systems.base import system_of
from cgexp.systems.peptide import Peptide
from cgexp.units import KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM
from tests.datasets.trajectory.own import SAVE_PS, Run, imported, sampled, write_pdb, write_run
from tests.optional import needs

pytest.importorskip("openmm")
HEAVY = [0, 4, 5, 6, 8, 10, 11, 12, 16, 18]  # of capped alanine


def test_alanine_dipeptide_has_ten_heavy_atoms_and_exact_facts(tmp_path: Path) -> None:
    run = sampled()
    frames = imported(**write_run(tmp_path, run) | {"force_map": "optimal"})
    np.testing.assert_allclose(frames.coords, 10.0 * run.positions[:, HEAVY], atol=0.006)
    assert (len(frames), frames.n_beads, frames.temperature, frames.system) == (400, 10, 300.0, "run-heavy")
    np.testing.assert_allclose(np.diff(frames.time_ps[:40]), SAVE_PS, rtol=1e-3)
    assert len(np.unique(frames.block)) == 10
    system = system_of(frames)
    assert system.bonds.tolist() == [[0, 1], [1, 2], [1, 3], [3, 4], [4, 5], [4, 7], [5, 6], [5, 8], [8, 9]]
    assert system.masses.sum() == pytest.approx(144.17, abs=0.01)
    for said in ("caps: ACE 1, NME 3", "12 of 21 bonds are rigid", "rounded to 0.01 Å in the XTC file"):
        assert said in frames.notes


def test_forces_are_those_on_the_atoms_and_their_hydrogens(tmp_path: Path) -> None:
    run = sampled()
    frames = imported(**write_run(tmp_path, run) | {"mapping": "name CA CB"})
    forces = run.forces * KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM
    expected = np.stack([forces[:, [8, 9]].sum(axis=1), forces[:, 12:16].sum(axis=1)], axis=1)
    np.testing.assert_allclose(frames.forces, expected, atol=1e-3)


@pytest.mark.parametrize("suffix", [".dcd", ".nc", ".trr"])
def test_formats_agree(tmp_path: Path, suffix: str) -> None:
    run, more = sampled(), {"save_ps": SAVE_PS} if suffix == ".dcd" else {}
    part = Run(run.positions[:40], run.forces[:40], run.topology)
    frames = imported(**write_run(tmp_path, part, suffix) | more)
    np.testing.assert_allclose(frames.coords, 10.0 * part.positions[:, HEAVY], atol=1e-4)
    np.testing.assert_allclose(frames.time_ps, SAVE_PS * np.arange(40), atol=1e-4)


def test_a_trr_file_brings_its_forces(tmp_path: Path) -> None:
    run = sampled()
    settings = write_run(tmp_path, run)
    plain = imported(**settings)
    path, n_frames = tmp_path / "run.trr", run.n_frames
    with TRRTrajectoryFile(str(path), "w") as file:
        single = [array.astype(np.float32) for array in (run.positions, SAVE_PS * np.arange(n_frames))]
        step, box = np.arange(n_frames, dtype=np.int32), np.zeros((n_frames, 3, 3), dtype=np.float32)
        zeros, forces = np.zeros(n_frames, dtype=np.float32), run.forces.astype(np.float32)
        file._write(*single, step, box, zeros, np.zeros_like(forces), forces)
    frames = imported(**settings | {"trajectory": str(path), "forces": None, "force_unit": None})
    np.testing.assert_allclose(frames.forces, plain.forces, rtol=1e-4, atol=1e-3)
    with pytest.raises(InputError, match="by its format: leave force_unit out"):
        imported(**settings | {"trajectory": str(path), "forces": None, "force_unit": "kcal/mol/A"})


def write_dump(path: Path, run: Run, columns: str, box: float = 40.0) -> None:
    """In LAMMPS' real units, atoms in another order in each frame."""
    positions, forces = 10.0 * run.positions, run.forces * KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM
    if "xu" not in columns:
        positions = positions % box
    lines = []
    for frame in range(run.n_frames):
        lines += ["ITEM: TIMESTEP", str(100 * frame), "ITEM: NUMBER OF ATOMS", str(positions.shape[1])]
        lines += ["ITEM: BOX BOUNDS pp pp pp", *[f"0.0 {box}"] * 3, f"ITEM: ATOMS id {columns} fx fy fz"]
        for atom in np.random.default_rng(frame).permutation(positions.shape[1]):
            numbers = " ".join(f"{x:.5f}" for x in (*positions[frame, atom], *forces[frame, atom]))
            lines.append(f"{atom + 1} {numbers}")
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("columns", ["xu yu zu", "x y z"])
def test_a_dump_of_lammps_is_sorted_and_made_whole(tmp_path: Path, columns: str) -> None:
    run = Run(*(array[:30] for array in sampled()[:2]), sampled().topology)
    settings = write_run(tmp_path, run)
    write_dump(tmp_path / "run.lammpstrj", run, columns)
    own = {"trajectory": str(tmp_path / "run.lammpstrj"), "forces": None, "save_ps": SAVE_PS, "length_unit": "A"}
    frames = imported(**settings | own | {"force_unit": "kcal/mol/A"})
    plain = imported(**settings)
    np.testing.assert_allclose(frames.forces, plain.forces, atol=1e-2)
    difference = [f.coords - f.coords[:, :1] for f in (frames, plain)]
    np.testing.assert_allclose(*difference, atol=0.02)
    text = (tmp_path / "run.lammpstrj").read_text()
    for damage, said in ((text[:-40], "cut short"), (text.replace("id", "mol"), "no column id"), ("", "no frames")):
        (tmp_path / "run.lammpstrj").write_text(damage)
        with pytest.raises(InputError, match=said):
            imported(**settings | own | {"force_unit": "kcal/mol/A"})


def test_a_box_that_cuts_the_molecule_is_undone(tmp_path: Path) -> None:
    run = sampled()
    settings, box = write_run(tmp_path, run), 2.0
    trajectory = mdtraj.Trajectory(run.positions % box, run.topology, SAVE_PS * np.arange(run.n_frames))
    trajectory.unitcell_vectors = np.broadcast_to(box * np.eye(3), (run.n_frames, 3, 3))
    plain = imported(**settings)
    trajectory.save_xtc(settings["trajectory"])
    frames = imported(**settings)
    np.testing.assert_allclose(*(f.coords - f.coords[:, :1] for f in (frames, plain)), atol=0.02)


def test_arrays_hold_all_in_one_file_of_several_runs(tmp_path: Path) -> None:
    run = sampled()
    settings = write_run(tmp_path, run)
    for name, part in (("a", slice(0, 100)), ("b", slice(100, 150))):
        np.savez(tmp_path / f"{name}.npz", positions=run.positions[part], forces=run.forces[part])
    own = {"trajectory": [str(tmp_path / "a.npz"), str(tmp_path / "b.npz")], "forces": None, "length_unit": "nm"}
    frames = imported(**settings | own | {"save_ps": SAVE_PS})
    assert len(frames) == 150
    assert len(np.unique(frames.block)) == 20
    assert not set(frames.block[:100]) & set(frames.block[100:])
    with pytest.raises(InputError, match=r"names 2 files and dataset\.forces 1"):
        imported(**settings | own | {"save_ps": SAVE_PS, "forces": settings["forces"]})


def test_water_ions_and_alternate_locations_are_left_out(tmp_path: Path) -> None:
    run = sampled()
    settings = write_run(tmp_path, run)
    lines = Path(settings["topology"]).read_text().splitlines()
    atoms = [line for line in lines if line.startswith("ATOM")]
    methyl = next(line for line in atoms if " CB " in line)
    other = methyl[:16] + "B" + methyl[17:54] + "  0.30" + methyl[60:]
    atoms[atoms.index(methyl)] = methyl[:16] + "A" + methyl[17:54] + "  0.70" + methyl[60:] + "\n" + other
    solvent = [
        f"HETATM{30 + number:5d} {name:<4} {residue}      30.000  30.000  30.000  1.00  0.00          {element:>2}"
        for number, (name, residue, element) in enumerate(
            [(" O", "HOH B   1", "O"), (" H1", "HOH B   1", "H"), (" H2", "HOH B   1", "H"), ("NA", " NA B   2", "NA")]
        )
    ]
    Path(settings["topology"]).write_text("\n".join([*atoms, *solvent, "END\n"]))
    frames = imported(**settings)  # the trajectory holds the solute alone
    assert "left out: 1 water, 1 ion NA" in frames.notes
    assert "of alternate locations those of highest occupancy" in frames.notes
    assert frames.n_beads == 10
    padded = np.pad(run.positions, ((0, 0), (0, 4), (0, 0)), constant_values=3.0)
    np.save(tmp_path / "all.npy", padded)
    np.save(settings["forces"], np.pad(run.forces, ((0, 0), (0, 4), (0, 0))))
    both = imported(**settings | {"trajectory": str(tmp_path / "all.npy"), "length_unit": "nm", "save_ps": SAVE_PS})
    np.testing.assert_allclose(both.coords, frames.coords, atol=0.01)


@lru_cache(maxsize=None)
def built(sequence: str) -> AllAtom:
    return build_peptide(sequence)


def write_variant(path: Path, sequence: str, names: dict[int, str]) -> Path:
    """A peptide whose residues, counted from 1, bear the names of a force field."""
    peptide = built(sequence)
    topology = mdtraj.Topology.from_openmm(peptide.topology)
    for number, name in names.items():
        topology.residue(number - 1).name = name
    return write_pdb(path, topology, peptide.positions / 10.0)


@pytest.mark.parametrize(("caps", "name"), [(True, "peptide-AA-capped"), (False, "peptide-AA")])
def test_caps_make_another_system(caps: bool, name: str, tmp_path: Path) -> None:
    peptide = build_peptide("AA", caps=caps)
    topology = mdtraj.Topology.from_openmm(peptide.topology)
    solute = read_solute(write_pdb(tmp_path / "a.pdb", topology, peptide.positions / 10.0))
    assert build(make_beads("calpha", solute, "a").system, Peptide).name == name


@pytest.mark.parametrize("name", ["HID", "HIE", "HIP", "HSD", "HSE", "HSP"])
def test_variants_of_histidine_are_histidine(tmp_path: Path, name: str) -> None:
    solute = read_solute(write_variant(tmp_path / "a.pdb", "AHA", {2: name}))
    beads = make_beads("calpha", solute, "a")
    assert beads.system["sequence"] == "AHA"
    assert beads.n_types == 20


def test_an_insertion_code_makes_another_residue(tmp_path: Path) -> None:
    from cgexp.datasets.trajectory.beads import make_beads

    path = write_variant(tmp_path / "a.pdb", "AGS", {})
    text = path.read_text()
    path.write_text(text.replace("SER A   3 ", "SER A   2A"))
    beads = make_beads("backbone5", read_solute(path), "a")
    assert beads.system["sequence"] == "AGS"
    assert beads.n_beads == 14


def test_centres_of_mass_and_a_table_are_the_same(tmp_path: Path) -> None:
    run = sampled("AGS", False, 60)
    settings = write_run(tmp_path, run) | {"mapping": "com"}
    frames = imported(**settings)
    masses = np.array([atom.element.mass for atom in run.topology.atoms])
    residue = np.array([atom.residue.index for atom in run.topology.atoms])
    for bead in range(3):
        chosen = residue == bead
        centre = np.average(10.0 * run.positions[:, chosen], axis=1, weights=masses[chosen])
        np.testing.assert_allclose(frames.coords[:, bead], centre, atol=0.01)
        force = run.forces[:, chosen].sum(axis=1) * KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM
        np.testing.assert_allclose(frames.forces[:, bead], force, atol=1e-2)
    (tmp_path / "beads.csv").write_text("atom,bead\n" + "".join(f"{a},{b}\n" for a, b in enumerate(residue)))
    table = imported(**settings | {"mapping": "table", "bead_table": str(tmp_path / "beads.csv")})
    np.testing.assert_allclose(table.forces, frames.forces, atol=1e-3)
    assert system_of(table).bonds.tolist() == system_of(frames).bonds.tolist() == [[0, 1], [1, 2]]
    with pytest.raises(InputError, match="is for beads that sit on atoms"):
        imported(**settings | {"force_map": "residue"})


def test_the_optimal_map_of_weighted_beads_is_valid_and_least() -> None:
    rng = np.random.default_rng(0)
    weights = np.zeros((2, 6))
    weights[0, :3], weights[1, 3:] = [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]
    constraints = np.array([[0, 1]])
    forces = rng.normal(size=(500, 6, 3)) * np.array([1, 2, 3, 1, 2, 3.0])[:, None]
    found, _ = weighted_map("optimal", weights, constraints, forces)
    plain, _ = weighted_map("constraint_group", weights, constraints)
    for matrix in (found, plain):
        np.testing.assert_allclose(matrix @ weights.T, np.eye(2), atol=1e-8)
        assert matrix[0, 0] == pytest.approx(matrix[0, 1])
    assert np.square(found @ forces).mean() < np.square(plain @ forces).mean()
    shared = np.array([[0.5, 0.5, 0, 0, 0, 0], [0, 0.5, 0.5, 0, 0, 0]])
    with pytest.raises(InputError, match="two beads share atoms"):
        weighted_map("constraint_group", shared, constraints)
    with pytest.raises(InputError, match="no force map is valid"):
        weighted_map("optimal", weights[[0, 0]], constraints, forces)


def test_reading_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    with quietly():
        os.write(1, b"inside")
    os.write(1, b"outside")
    assert capfd.readouterr().out == "outside"


def test_forces_come_from_hdf5_where_h5py_is_installed(tmp_path: Path) -> None:
    h5py = needs("h5py")
    settings = write_run(tmp_path, sampled())
    plain = imported(**settings)
    with h5py.File(tmp_path / "forces.h5", "w") as file:
        file["forces"] = sampled().forces
    frames = imported(**settings | {"forces": str(tmp_path / "forces.h5")})
    np.testing.assert_array_equal(frames.forces, plain.forces)


def test_other_formats_are_read_where_mdanalysis_is_installed(tmp_path: Path) -> None:
    """As the binary files of IBIsCO, which hold velocities too."""
    mda = needs("MDAnalysis")
    run = sampled()
    settings = write_run(tmp_path, Run(run.positions[:40], run.forces[:40], run.topology))
    universe = mda.Universe.empty(run.positions.shape[1], trajectory=True, velocities=True)
    universe.dimensions = [50.0, 50.0, 50.0, 90.0, 90.0, 90.0]
    path = tmp_path / "run.trz"
    with quietly(), mda.Writer(str(path), universe.atoms.n_atoms) as writer:
        for frame in range(40):
            universe.atoms.positions = 10.0 * run.positions[frame]
            universe.trajectory.ts.time = SAVE_PS * frame
            writer.write(universe.atoms)
    frames = imported(**settings | {"trajectory": str(path)})
    np.testing.assert_allclose(frames.coords, 10.0 * run.positions[:40, HEAVY], atol=1e-3)


def test_a_format_that_nothing_here_reads_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "MDAnalysis", None)
    settings = write_run(tmp_path, sampled())
    (tmp_path / "run.trz").write_bytes(b"")
    with pytest.raises(InputError, match=r"has a format that mdtraj does not read: install MDAnalysis"):
        imported(**settings | {"trajectory": str(tmp_path / "run.trz")})
