"""Structures of one's own: matched by name, and refused in one sentence."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.all_atom import imported, structure
from cgexp.all_atom.engine import energy_and_forces, make_context
from cgexp.all_atom.force_field import make_system
from cgexp.all_atom.structure import AllAtom
from cgexp.errors import InputError
from cgexp.units import KCAL_IN_KJ

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
    with pytest.raises(InputError, match=r"an atom bears the name of another: .* Å apart") as error:
        imported.read_structure(path, SEQUENCE)
    one_sentence(error)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pdb does not exist"):
        imported.read_structure(tmp_path / "none.pdb", SEQUENCE)
    for name, read in {
        "junk.pdb": lambda path: imported.read_structure(path, SEQUENCE),
        "junk.gro": lambda path: imported.read_structure(path, SEQUENCE),
    }.items():
        (tmp_path / name).write_text("not what the name says\n")
        with pytest.raises(InputError, match=f"{name} cannot be read") as error:
            read(tmp_path / name)
        one_sentence(error)


@pytest.mark.parametrize("sequence", ["YYBX", "yy", "A"])
def test_other_letters_are_refused_before_anything_is_built(sequence: str) -> None:
    with pytest.raises(InputError, match=f"sequence '{sequence}' is not a peptide") as error:
        structure.build_peptide(sequence)
    one_sentence(error)
