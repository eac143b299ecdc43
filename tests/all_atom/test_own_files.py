"""One's own structures: formats, alternate locations, mirror images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cgexp.all_atom import atom_order, imported
from cgexp.all_atom.structure import build_extended
from cgexp.errors import InputError
from tests.all_atom.test_imported import OTHER_NAMES, SEQUENCE, peptide, write_pdb

pytest.importorskip("openmm")


def test_mmcif_is_read(tmp_path: Path) -> None:
    from openmm import app, unit

    built = peptide()
    with (tmp_path / "a.cif").open("w") as file:
        app.PDBxFile.writeFile(built.topology, built.positions * unit.angstrom, file)
    np.testing.assert_allclose(
        imported.read_structure(tmp_path / "a.cif", SEQUENCE).positions, built.positions, atol=1e-3
    )


@pytest.mark.parametrize("name", ["HIE", "HID", "HIP", "HSE", "HSD", "HSP"])
def test_histidine_has_many_names(tmp_path: Path, name: str) -> None:
    """Which hydrogens it has decides, not what a force field calls it."""
    path = write_pdb(tmp_path / "a.pdb", names=OTHER_NAMES)
    path.write_text(path.read_text().replace("HIS", name))
    np.testing.assert_allclose(imported.read_structure(path, SEQUENCE).positions, peptide().positions, atol=1e-3)
    path.write_text(path.read_text().replace(" HE2", " HD1"))
    with pytest.raises(InputError, match=r"HE2 of residue 4 \(HIS\) is missing.*histidine protonated at NE2"):
        imported.read_structure(path, SEQUENCE)


def test_bridged_cysteines_are_told_as_such() -> None:
    free = build_extended("GCGC")
    bridged = [atom for atom in free.atoms if atom[1] != "HG"]
    with pytest.raises(InputError, match=r"HG of residue 2 \(CYS\) is missing: expected free cysteines, since bridges"):
        atom_order.match_atoms(bridged, free)


def test_of_alternate_locations_the_likelier_one_is_taken(tmp_path: Path) -> None:
    lines = write_pdb(tmp_path / "a.pdb").read_text().splitlines(True)
    number = next(i for i, line in enumerate(lines) if line[12:16].strip() == "CB")
    line = lines[number]
    moved = f"{float(line[30:38]) + 3.0:8.3f}"
    lines[number : number + 1] = [
        line[:16] + "A" + line[17:30] + moved + line[38:54] + "  0.30" + line[60:],
        line[:16] + "B" + line[17:54] + "  0.70" + line[60:],
    ]
    (tmp_path / "b.pdb").write_text("".join(lines))
    found = imported.read_structure(tmp_path / "b.pdb", SEQUENCE)
    np.testing.assert_allclose(found.positions, peptide().positions, atol=1e-3)


def test_a_mirror_image_is_refused(tmp_path: Path) -> None:
    path = write_pdb(tmp_path / "a.pdb")
    lines = [
        f"{line[:46]}{-float(line[46:54]):8.3f}{line[54:]}" if line.startswith("ATOM") else line
        for line in path.read_text().splitlines(True)
    ]
    path.write_text("".join(lines))
    with pytest.raises(InputError, match=r"residue 1 \(ALA\) is a D-amino acid"):
        imported.read_structure(path, SEQUENCE)


def test_a_format_that_needs_another_package_is_told(tmp_path: Path) -> None:
    def needs_it() -> None:
        raise ImportError("No module named 'tables'")

    (tmp_path / "a.h5").write_bytes(b"")
    with pytest.raises(InputError, match=r"without another package .*tables.*: install it, or convert"):
        atom_order.reading(tmp_path / "a.h5", needs_it)
