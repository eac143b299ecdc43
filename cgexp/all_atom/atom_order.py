"""The atoms of a foreign file, matched by residue and name to the canonical order of build_peptide."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.structure import AllAtom
from cgexp.errors import InputError
from cgexp.store import UNREADABLE
from cgexp.systems.peptide import without_alternates

Content = TypeVar("Content")

Atom = tuple[int, str]  # residue index, atom name
HISTIDINE = re.compile(r"\b(HIE|HID|HIP|HSE|HSD|HSP)\b")  # its names in force fields, by protonation
PDB, MMCIF = (".pdb", ".ent"), (".cif", ".mmcif")


def match_atoms(names: Sequence[Atom], peptide: AllAtom) -> NDArray[np.int64]:
    """Index [n_atoms] that brings atoms with these names into canonical order: ``positions[:, index]``.

    names: (residue index, atom name) of every atom, named as in the PDB. Raises InputError naming the first atom that
    is missing, there twice, or unknown.
    """
    place: dict[Atom, int] = {}
    for number, atom in enumerate(names):
        if atom in place:
            raise InputError(f"{in_words(atom, peptide)} is there twice: keep one of them")
        place[atom] = number
    expected = peptide.atoms
    missing = [atom for atom in expected if atom not in place]
    unknown = [atom for atom in place if atom not in set(expected)]
    bridged = [residue for residue, name in missing if name == "HG" and _residue(residue, peptide) == "CYS"]
    if bridged:
        raise InputError(
            f"{in_words((bridged[0], 'HG'), peptide)} is missing: expected free cysteines, since bridges of two "
            "are not modelled"
        )
    if missing:
        instead = ", ".join(name for residue, name in unknown if residue == missing[0][0])
        raise InputError(
            f"{in_words(missing[0], peptide)} is missing{_and_more(missing)}"
            f"{f', where {instead} is not known' if instead else ''}: expected all {len(expected)} atoms of "
            f"'{peptide.sequence}' as at pH 7 (histidine protonated at NE2) with charged ends; add hydrogens with "
            "OpenMM's Modeller, or rename atoms"
        )
    if unknown:
        raise InputError(
            f"{in_words(unknown[0], peptide)} is not an atom of '{peptide.sequence}'{_and_more(unknown)}: expected "
            "residues as at pH 7 (histidine protonated at NE2) with charged ends; leave it out"
        )
    return np.array([place[atom] for atom in expected], dtype=np.int64)


def in_words(atom: Atom, peptide: AllAtom) -> str:
    """'atom CA of residue 3 (ASP)', counted from 1."""
    residue, name = atom
    known = _residue(residue, peptide)
    return f"atom {name} of residue {residue + 1}{f' ({known})' if known else ''}"


def _residue(index: int, peptide: AllAtom) -> str:
    names = [each.name for each in peptide.topology.residues()]
    return names[index] if index < len(names) else ""


def file_order(path: Path, peptide: AllAtom) -> tuple[Any, NDArray[np.int64]]:
    """openmm.app.Topology of a file, and the index [n_atoms] that brings its atoms into canonical order.

    Atoms of the topology are named as in the PDB whatever the file's naming. Raises InputError if the file cannot be
    read, or its residues or atoms are not those of the peptide.
    """
    topology = _read_topology(path)
    found = [residue.name for residue in topology.residues()]
    expected = [residue.name for residue in peptide.topology.residues()]
    if found != expected:
        raise InputError(f"{path} {_residue_difference(found, expected)} of '{peptide.sequence}'")
    try:
        return topology, match_atoms([(atom.residue.index, atom.name) for atom in topology.atoms()], peptide)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def reading(
    path: Path, read: Callable[[], Content], advice: str = "give a complete file in the format of its name"
) -> Content:
    """What ``read`` returns; InputError naming the file if it is missing or cannot be read."""
    if not path.is_file():
        raise InputError(f"{path} does not exist: give the file of your data")
    try:
        return read()
    except ImportError as error:  # mdtraj asks for PyTables where it meets HDF5
        raise InputError(
            f"{path} cannot be read without another package ({str(error).strip().splitlines()[0]}): install "
            "it, or convert the file to XTC or DCD"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0].split(". ")[0].rstrip(".") if str(error).strip() else "damaged"
        raise InputError(f"{path} cannot be read ({reason}): {advice}") from error
    except (*UNREADABLE, IndexError, AssertionError) as error:  # what readers make of a file they do not understand
        raise InputError(f"{path} cannot be read (unexpected content): {advice}") from error


def read_coordinate_file(path: Path) -> Any:
    """openmm.app's PDBFile or PDBxFile; of alternate locations those of highest occupancy (PDB)."""
    _, app, _ = import_openmm()
    if path.suffix.lower() in MMCIF:
        return reading(path, lambda: app.PDBxFile(io.StringIO(HISTIDINE.sub("HIS", path.read_text(encoding="utf-8")))))

    def read_pdb() -> Any:
        lines = without_alternates(path.read_text(encoding="utf-8")).splitlines(keepends=True)
        renamed = (line[:17] + HISTIDINE.sub("HIS", line[17:20]) + line[20:] for line in lines)
        return app.PDBFile(io.StringIO("".join(renamed)))

    return reading(path, read_pdb)


def _read_topology(path: Path) -> Any:
    _, app, _ = import_openmm()
    if path.suffix.lower() in (*PDB, *MMCIF):
        return read_coordinate_file(path).topology
    import mdtraj

    topology = reading(path, lambda: mdtraj.load_topology(str(path)))
    # OpenMM's reader of PDB files knows the many names of hydrogens and chain ends, so the names go through it.
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "names.pdb"
        with mdtraj.formats.PDBTrajectoryFile(str(copy), "w") as file:
            file.write(np.zeros((topology.n_atoms, 3)), topology)
        return app.PDBFile(str(copy)).topology


def _residue_difference(found: list[str], expected: list[str]) -> str:
    for number, (have, want) in enumerate(zip(found, expected, strict=False), start=1):
        if have != want:
            return f"has {have} as residue {number}: expected {want}, that"
    if len(found) > len(expected):
        return f"has {found[len(expected)]} as residue {len(expected) + 1}: expected only the {len(expected)} residues"
    return f"has {len(found)} residues: expected the {len(expected)}"


def _and_more(atoms: Sequence[Atom]) -> str:
    return f" (and {len(atoms) - 1} more)" if len(atoms) > 1 else ""
