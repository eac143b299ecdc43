"""Structures, trajectories and forces of one's own: matched by name, converted, and refused in one sentence."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.all_atom import imported, structure
from cgexp.all_atom.engine import energy_and_forces, make_context
from cgexp.all_atom.force_field import constraint_pairs, make_system
from cgexp.all_atom.mapping.force_maps import make_map
from cgexp.all_atom.mapping.sites import BeadSites
from cgexp.all_atom.structure import AllAtom
from cgexp.errors import InputError
from cgexp.systems.peptide import Peptide
from cgexp.units import KCAL_IN_KJ, KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM, NM_IN_ANGSTROM

pytest.importorskip("openmm")

SEQUENCE = "AGPH"
OTHER_NAMES = {"H": "HN", "H2": "HT2", "H3": "HT3", "HA3": "HA1", "O": "OT1", "OXT": "OT2"}


@lru_cache(maxsize=None)
def peptide(sequence: str = SEQUENCE) -> AllAtom:
    return structure.build_extended(sequence)


def write_pdb(path: Path, order: NDArray[np.intp] | None = None, names: dict[str, str] | None = None) -> Path:
    """The peptide as a PDB file, its atoms in another order or under other names."""
    built = peptide()
    residues = [residue.name for residue in built.topology.residues()]
    lines = []
    for serial, atom in enumerate(range(len(built.atoms)) if order is None else order, start=1):
        residue, name = built.atoms[atom]
        name = (names or {}).get(name, name)
        x, y, z = built.positions[atom]
        lines.append(
            f"ATOM  {serial:5d} {name if len(name) == 4 else f' {name}':<4} {residues[residue]:3} A{residue + 1:4d}    "
            f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {name[0]:>2}  \n"
        )
    path.write_text("".join([*lines, "END\n"]))
    return path


def shuffled(seed: int = 0) -> NDArray[np.intp]:
    """The atoms in an order that differs within each residue."""
    residues = np.array([residue for residue, _ in peptide().atoms])
    return np.lexsort((np.random.default_rng(seed).random(len(residues)), residues))


def write_trajectory(path: Path, positions: NDArray[np.floating]) -> Path:
    """positions [n_frames, n_atoms, 3], Å, with no names, as DCD or XTC."""
    import mdtraj

    trajectory = mdtraj.Trajectory(positions / NM_IN_ANGSTROM, None)
    (trajectory.save_dcd if path.suffix == ".dcd" else trajectory.save_xtc)(str(path))
    return path


class Sampled(NamedTuple):
    """Å and kcal/mol/Å, both [n_frames, n_atoms, 3], in canonical order."""

    positions: NDArray[np.float64]
    forces: NDArray[np.float64]


@lru_cache(maxsize=None)
def sampled(n_frames: int = 300) -> Sampled:
    """A short run at 350 K with rigid bonds to hydrogen."""
    context = make_context(make_system(peptide().topology), 350.0, 1, platform="CPU")
    context.setPositions(peptide().positions / NM_IN_ANGSTROM)
    context.setVelocitiesToTemperature(350.0, 1)
    context.getIntegrator().step(2500)
    positions, forces = [], []
    for _ in range(n_frames):
        context.getIntegrator().step(10)
        state = context.getState(positions=True, forces=True)
        positions.append(state.getPositions(asNumpy=True)._value * NM_IN_ANGSTROM)
        forces.append(state.getForces(asNumpy=True)._value * KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM)
    return Sampled(np.array(positions), np.array(forces))


def sites(system: Peptide) -> BeadSites:
    return BeadSites.on(peptide().atoms, system.bead_atoms, constraint_pairs(make_system(peptide().topology)))


def one_sentence(error: pytest.ExceptionInfo[InputError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert ". " not in text
    return text


def test_a_structure_in_another_order_and_naming_is_the_same(tmp_path: Path) -> None:
    plain = imported.read_structure(write_pdb(tmp_path / "plain.pdb"), SEQUENCE)
    other = imported.read_structure(write_pdb(tmp_path / "other.pdb", shuffled(), OTHER_NAMES), SEQUENCE)
    assert plain.atoms == other.atoms == peptide().atoms
    np.testing.assert_allclose(plain.positions, peptide().positions, atol=1e-3)
    np.testing.assert_allclose(other.positions, peptide().positions, atol=1e-3)
    energy, _ = energy_and_forces(make_context(make_system(other.topology), 300.0, 1, platform="CPU"), other.positions)
    assert energy * KCAL_IN_KJ < 0.0


def test_another_format_is_the_same(tmp_path: Path) -> None:
    import mdtraj

    trajectory = mdtraj.Trajectory(peptide().positions[None] / 10.0, mdtraj.Topology.from_openmm(peptide().topology))
    trajectory.save_gro(str(tmp_path / "a.gro"))
    found = imported.read_structure(tmp_path / "a.gro", SEQUENCE)
    np.testing.assert_allclose(found.positions, peptide().positions, atol=6e-3)


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        ("HD3 PRO", r"atom HD3 of residue 3 \(PRO\) is missing: expected all 51 atoms of 'AGPH'"),
        ("CA  GLY", r"atom CA of residue 2 \(GLY\) is missing"),
        ("HE2 HIS", r"atom HE2 of residue 4 \(HIS\) is missing"),
    ],
)
def test_a_missing_atom_is_named(tmp_path: Path, drop: str, message: str) -> None:
    path = write_pdb(tmp_path / "a.pdb")
    path.write_text("".join(line for line in path.read_text().splitlines(True) if drop not in line))
    with pytest.raises(InputError, match=message) as error:
        imported.read_structure(path, SEQUENCE)
    assert str(path) in one_sentence(error)


def test_an_unknown_atom_is_named(tmp_path: Path) -> None:
    path = write_pdb(tmp_path / "a.pdb", names={"HD3": "HX"})
    with pytest.raises(InputError, match=r"HD3 of residue 3 \(PRO\) is missing, where HX is not known"):
        imported.read_structure(path, SEQUENCE)
    lines = path.read_text().splitlines(True)
    strange = [line for line in lines if " HX " in line]
    extra = [line.replace(" HX ", " HD3") for line in strange] + strange
    kept = [line for line in lines if " HX " not in line and "HIS" not in line and "END" not in line]
    last = [line for line in lines if "HIS" in line]
    path.write_text("".join([*kept, *extra, *last, "END\n"]))
    with pytest.raises(InputError, match=r"atom HX of residue 3 \(PRO\) is not an atom of 'AGPH'") as error:
        imported.read_structure(path, SEQUENCE)
    one_sentence(error)


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        ("AGPW", "has HIS as residue 4: expected TRP, that of 'AGPW'"),
        ("AGP", "has HIS as residue 4: expected only the 3 residues of 'AGP'"),
        ("AGPHA", "has 4 residues: expected the 5 of 'AGPHA'"),
    ],
)
def test_other_residues_are_named(tmp_path: Path, sequence: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        imported.read_structure(write_pdb(tmp_path / "a.pdb"), sequence)
    one_sentence(error)


def test_exchanged_names_are_noticed(tmp_path: Path) -> None:
    path = write_pdb(tmp_path / "a.pdb")
    text = path.read_text().replace(" CB  PRO", " XX  PRO").replace(" CG  PRO", " CB  PRO")
    path.write_text(text.replace(" XX  PRO", " CG  PRO"))
    with pytest.raises(InputError, match=r"an atom bears the name of another: .* Å apart in frame 0") as error:
        imported.read_structure(path, SEQUENCE)
    one_sentence(error)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pdb does not exist"):
        imported.read_structure(tmp_path / "none.pdb", SEQUENCE)
    topology = write_pdb(tmp_path / "a.pdb")
    for name, read in {
        "junk.pdb": lambda path: imported.read_structure(path, SEQUENCE),
        "junk.gro": lambda path: imported.read_structure(path, SEQUENCE),
        "junk.dcd": lambda path: imported.read_trajectory(path, topology, SEQUENCE),
        "junk.npz": lambda path: imported.read_forces(path, "kJ/mol/nm", topology, SEQUENCE),
    }.items():
        (tmp_path / name).write_text("not what the name says\n")
        with pytest.raises(InputError, match=f"{name} cannot be read") as error:
            read(tmp_path / name)
        one_sentence(error)


@pytest.mark.parametrize("name", ["a.dcd", "a.xtc"])
def test_a_trajectory_comes_in_canonical_order(tmp_path: Path, name: str) -> None:
    order = shuffled()
    topology = write_pdb(tmp_path / "top.pdb", order, OTHER_NAMES)
    positions = sampled().positions[:20]
    path = write_trajectory(tmp_path / name, positions[:, order])
    np.testing.assert_allclose(imported.read_trajectory(path, topology, SEQUENCE), positions, atol=6e-3)


def test_a_trajectory_in_another_order_than_its_topology_is_refused(tmp_path: Path) -> None:
    topology = write_pdb(tmp_path / "top.pdb")
    path = write_trajectory(tmp_path / "a.dcd", sampled().positions[:5, shuffled()])
    with pytest.raises(InputError, match=r"its atom order differs from the topology's.* Å apart in frame 0") as error:
        imported.read_trajectory(path, topology, SEQUENCE)
    one_sentence(error)


def test_any_two_bonded_atoms_exchanged_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    topology, built = write_pdb(tmp_path / "top.pdb"), peptide()
    monkeypatch.setattr(imported, "build_peptide", lambda sequence: built)  # once is enough
    for a, b in [(bond[0].index, bond[1].index) for bond in built.topology.bonds()]:
        order = np.arange(len(built.atoms))
        order[[a, b]] = b, a
        path = write_trajectory(tmp_path / "a.dcd", sampled().positions[:10, order])
        with pytest.raises(InputError, match="its atom order differs"):
            imported.read_trajectory(path, topology, SEQUENCE)


def test_a_trajectory_of_other_atoms_is_refused(tmp_path: Path) -> None:
    path = write_trajectory(tmp_path / "a.dcd", sampled().positions[:5, :-1])
    with pytest.raises(InputError, match=r"same atoms.*51 atoms of its topology") as error:
        imported.read_trajectory(path, write_pdb(tmp_path / "top.pdb"), SEQUENCE)
    one_sentence(error)


@pytest.mark.parametrize("name", ["f.npy", "f.npz"])
def test_forces_are_converted_and_reordered(tmp_path: Path, name: str) -> None:
    order = shuffled()
    topology, forces = write_pdb(tmp_path / "top.pdb", order), sampled().forces[:6]
    in_kj = forces[:, order] / KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM
    if name == "f.npy":
        np.save(tmp_path / name, in_kj)
    else:
        np.savez(tmp_path / name, forces=in_kj, box=np.zeros(3))
    read = imported.read_forces(tmp_path / name, "kJ/mol/nm", topology, SEQUENCE)
    np.testing.assert_allclose(read, forces, rtol=1e-12)
    same = imported.read_forces(tmp_path / name, "kcal/mol/A", topology, SEQUENCE)
    np.testing.assert_allclose(same, 41.84 * forces, rtol=1e-12)


def test_forces_of_another_unit_or_shape_are_refused(tmp_path: Path) -> None:
    topology = write_pdb(tmp_path / "top.pdb")
    np.save(tmp_path / "f.npy", np.zeros((4, 45, 3)))
    with pytest.raises(InputError, match=r"shape \[4, 45, 3\]: expected \[n_frames, 51, 3\]"):
        imported.read_forces(tmp_path / "f.npy", "kJ/mol/nm", topology, SEQUENCE)
    with pytest.raises(InputError, match=r"unit of force 'kJ/mol' \(did you mean 'kJ/mol/nm'\?\)"):
        imported.read_forces(tmp_path / "f.npy", "kJ/mol", topology, SEQUENCE)  # type: ignore[arg-type]
    np.savez(tmp_path / "f.npz", a=np.zeros(3), b=np.zeros(3))
    with pytest.raises(InputError, match="holds the arrays a, b but none called forces"):
        imported.read_forces(tmp_path / "f.npz", "kJ/mol/nm", topology, SEQUENCE)


@pytest.mark.parametrize("beads", ["ca", "backbone5"])
def test_atoms_become_beads(beads: str) -> None:
    system = Peptide(SEQUENCE, beads=beads)  # type: ignore[arg-type]
    group = make_map("constraint_group", sites(system))
    frames = imported.coarse_grain(system, *sampled(), group, 350.0, "a run of one's own")
    assert frames.coords.shape == (300, system.n_beads, 3)
    where = [peptide().atoms.index(atom) for atom in system.bead_atoms]
    np.testing.assert_array_equal(frames.coords, sampled().positions[:, where])
    assert frames.forces is not None
    np.testing.assert_allclose(frames.forces, group.apply(sampled().forces))
    assert (frames.system, frames.force_map, frames.temperature) == (system.name, "constraint_group", 350.0)
    assert np.unique(frames.block).tolist() == list(range(10))
    np.testing.assert_array_equal(frames.bead_types, system.bead_types)


def test_forces_in_the_wrong_unit_are_noticed() -> None:
    system = Peptide(SEQUENCE)
    positions, forces = sampled()
    group = make_map("constraint_group", sites(system))
    with pytest.raises(InputError, match="forces look like kJ/mol/nm"):
        imported.coarse_grain(system, positions, forces / KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM, group, 350.0, "mistaken")
    selected = imported.coarse_grain(
        system, positions, forces / KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM, group, 350.0, "selected", thermally_sampled=False
    )
    assert len(selected) == len(positions)


def test_a_map_that_the_rigid_bonds_make_invalid_is_refused_however_few_frames_there_are() -> None:
    system = Peptide(SEQUENCE)
    positions, forces = sampled()
    rigid = imported.rigid_bonds(positions, peptide())
    names = {frozenset(peptide().atoms[atom][1][0] for atom in pair) for pair in rigid}
    assert len(rigid) > 15
    assert all("H" in pair for pair in names), "bonds to hydrogen, and no others, are constrained"
    plain = make_map("slice", sites(system))
    with pytest.raises(InputError, match=r"'slice' is biased: it takes .* and their bond never changes its length"):
        imported.coarse_grain(system, positions[:30], forces[:30], plain, 350.0, "x")
    allowed = imported.coarse_grain(
        system, positions[:30], forces[:30], plain, 350.0, "x", allow_biased_force_map="to see what it does"
    )
    assert allowed.notes.startswith("biased force map allowed: to see what it does")
    moving = positions + 0.03 * np.random.default_rng(0).normal(size=positions.shape)
    assert not len(imported.rigid_bonds(moving, peptide()))
    assert not len(imported.rigid_bonds(positions[:3], peptide())), "three frames cannot tell"


def test_a_map_that_cannot_be_verified_is_said_to_be_so(caplog: pytest.LogCaptureFixture) -> None:
    system, group = Peptide(SEQUENCE), make_map("constraint_group", sites(Peptide(SEQUENCE)))
    frames = imported.coarse_grain(system, *(part[:90] for part in sampled()), group, 350.0, "few")
    assert "force map not verifiable" in frames.notes
    assert "force map not verifiable" in caplog.text
    assert "90 frames are too few to verify the force map: expected at least 100" in frames.notes


def test_what_does_not_fit_is_refused() -> None:
    positions, forces = sampled()
    group = make_map("constraint_group", sites(Peptide(SEQUENCE)))
    with pytest.raises(InputError, match="of the same frames"):
        imported.coarse_grain(Peptide(SEQUENCE), positions, forces[:-1], group, 350.0, "x")
    with pytest.raises(InputError, match="other beads than those of 'peptide-AGPH-backbone5'"):
        imported.coarse_grain(Peptide(SEQUENCE, beads="backbone5"), positions, forces, group, 350.0, "x")
    with pytest.raises(InputError, match="is for 51 atoms, not"):
        imported.coarse_grain(Peptide("AGPHA"), positions, forces, group, 350.0, "x")


@pytest.mark.parametrize("sequence", ["YYBX", "yy", "A"])
def test_other_letters_are_refused_before_anything_is_built(sequence: str) -> None:
    with pytest.raises(InputError, match=f"sequence '{sequence}' is not a peptide") as error:
        structure.build_peptide(sequence)
    one_sentence(error)
