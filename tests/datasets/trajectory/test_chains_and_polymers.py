"""Mistakes in files of a peptide with a disulfide bridge and of a polymer-like chain, each told in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import pytest

from cgexp.datasets.trajectory.beads import make_beads
from cgexp.datasets.trajectory.solute import read_solute
from cgexp.errors import InputError
from tests.datasets.trajectory.own import Run, imported, polymer, write_pdb, write_polymer

pytest.importorskip("openmm")

from cgexp.all_atom.structure import build_peptide

Lines = list[str]


@pytest.fixture(scope="module")
def bridged(tmp_path_factory: pytest.TempPathFactory) -> Lines:
    """The PDB file of CGNGC with a bridge of its cysteines; where its atoms are plays no part here."""
    peptide = build_peptide("CGNGC")
    topology = mdtraj.Topology.from_openmm(peptide.topology)
    topology.add_bond(*(atom for atom in topology.atoms if atom.name == "SG"))
    kept = [atom.index for atom in topology.atoms if atom.name != "HG"]
    path = tmp_path_factory.mktemp("bridged") / "run.pdb"
    write_pdb(path, topology.subset(kept), peptide.positions[kept] / 10.0)
    return path.read_text().splitlines()


def residue_of(line: str) -> int | None:
    return int(line[22:26]) if line.startswith(("ATOM", "HETATM")) else None


def changed(lines: Lines, change: Callable[[str, int], str | None]) -> Lines:
    """Lines of atoms as ``change`` makes them of the line and the residue's number; None leaves one out."""
    made = [line if (number := residue_of(line)) is None else change(line, number) for line in lines]
    return [line for line in made if line is not None]


def unstated(lines: Lines) -> Lines:
    return [line for line in lines if not line.startswith("CONECT")]


def of_chain_b(line: str, number: int) -> str:
    return f"{line[:21]}B{line[22:]}" if number > 3 else line


def two_chains(lines: Lines) -> Lines:
    """CG and GC, which the bridge holds together."""
    without = changed(lines, lambda line, number: None if number == 3 else of_chain_b(line, number))
    return [line for line in without if not line.startswith("TER")]


BRIDGED: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "bridge not stated": (
        unstated,
        r"SG of CYS 1 and CYS 5 have neither a hydrogen nor .* by a line CONECT +\d+ +\d+$",
    ),
    "bridge half there": (
        lambda lines: changed(unstated(lines), lambda line, n: line.replace("CYS", "CYM") if n == 5 else line),
        "SG of CYS 1 has neither a hydrogen",
    ),
    "two chains in one molecule": (
        two_chains,
        "C of GLY 2 and N of GLY 4 are not bonded: several chains, which bridges may hold together, are not modelled",
    ),
    "chains without their bridge": (
        lambda lines: [line for line in two_chains(lines) if not line.startswith("CONECT")],
        "SG of CYS 1 and CYS 5",
    ),
    "no sulphur": (
        lambda lines: changed(lines, lambda line, n: None if n == 5 and line[12:16].strip() == "SG" else line),
        "residue CYS 5 lacks SG",
    ),
    "a residue of another kind": (
        lambda lines: changed(lines, lambda line, n: line.replace("ASN", "SEP")),
        "SEP 3",
    ),
    "a ring": (
        lambda lines: [*lines[:-1], link(lines, (1, "N"), (5, "C")), "END"],
        "C of CYS 5 and N of CYS 1 are bonded: rings are not modelled",
    ),
}


def link(lines: Lines, *atoms: tuple[int, str]) -> str:
    """A CONECT line of two atoms."""
    serials = {(residue_of(line), line[12:16].strip()): line[6:11] for line in lines if residue_of(line) is not None}
    return "CONECT" + "".join(serials[atom] for atom in atoms)


def system_of(path: Path, lines: Lines, solute: str = "auto") -> dict[str, Any]:
    path.write_text("\n".join(lines) + "\n")
    return make_beads("calpha", read_solute(path, solute), "run").system


def test_a_bridge_is_no_second_chain(bridged: Lines, tmp_path: Path) -> None:
    assert system_of(tmp_path / "run.pdb", bridged)["sequence"] == "CGNGC"
    assert "disulfide bridges between CYS 1 and CYS 5" in read_solute(tmp_path / "run.pdb").notes
    assert system_of(tmp_path / "run.pdb", two_chains(bridged), "chainid 0")["sequence"] == "CG"


@pytest.mark.parametrize("mistake", BRIDGED)
def test_a_mistake_about_a_bridge_is_told(mistake: str, bridged: Lines, tmp_path: Path) -> None:
    change, expected = BRIDGED[mistake]
    with pytest.raises(InputError, match=expected) as raised:
        system_of(tmp_path / "run.pdb", change(bridged))
    assert "\n" not in str(raised.value)


def without_links(settings: dict[str, Any], n_kept: int) -> None:
    path = Path(settings["topology"])
    lines = path.read_text().splitlines()
    links = [line for line in lines if line.startswith("CONECT")]
    path.write_text("\n".join(line for line in lines if line not in links[n_kept:]) + "\n")


def beads(settings: dict[str, Any], text: str) -> None:
    Path(settings["bead_table"]).write_text(text)


def by_name(settings: dict[str, Any], mapping: str) -> None:
    settings["mapping"] = mapping
    del settings["bead_table"]


POLYMER: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no bonds": (lambda s: without_links(s, 0), "states no bonds: expected a topology with all bonds"),
    "a bond is missing": (lambda s: without_links(s, 14), "beads.txt, line 16: atom 15 is not one of those modelled"),
    "two halves": (
        lambda s: Path(s["topology"]).write_text(Path(s["topology"]).read_text().replace("CONECT    8    9\n", "")),
        "has 2 molecules .* several chains",
    ),
    "force unit": (lambda s: s.update(force_unit="kJ/mol/nm"), "set dataset.force_unit=kcal/mol/A if the file is in"),
    "length unit": (lambda s: s.update(length_unit="nm"), "bonds in .* are 15.* Å long"),
    "temperature": (lambda s: s.update(temperature=150.0), r"set the true temperature if the frames were sampled at"),
    "rigid": (lambda s: s.update(constraints="allbonds"), "takes the bond of C1 of MON 0 and C1 of MON 1 for rigid"),
    "atom in two beads": (
        lambda s: beads(s, "".join(f"{atom} {atom // 2}\n" for atom in range(16)) + "3 4\n"),
        "two beads share atoms",
    ),
    "no weight": (lambda s: beads(s, "0 0 -1\n1 1\n"), "no positive weight"),
    "beads of a peptide": (lambda s: by_name(s, "calpha"), "residue MON 0 is none of the 20 amino acids"),
    "beads of residues": (lambda s: by_name(s, "com"), "residue MON 0 is none of the 20 amino acids"),
}


@pytest.mark.parametrize("mistake", POLYMER)
def test_a_mistake_about_a_polymer_is_told(mistake: str, tmp_path: Path) -> None:
    change, expected = POLYMER[mistake]
    settings = write_polymer(tmp_path, polymer(n_frames=300))
    change(settings)
    with pytest.raises(InputError, match=expected) as raised:
        imported(**settings)
    assert "\n" not in str(raised.value)


def test_a_polymer_that_a_box_cuts_is_refused(tmp_path: Path) -> None:
    run = polymer(n_frames=300)
    positions = run.positions.copy()
    positions[50:, 8:] += 3.0
    with pytest.raises(InputError, match=r"in frame 50, expected a bond .* a periodic box cuts the molecule"):
        imported(**write_polymer(tmp_path, Run(np.asarray(positions), run.forces, run.topology)))
