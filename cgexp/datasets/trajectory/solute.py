"""What of a topology is modelled: the atoms of one molecule, without water and ions; oddities of files are told."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.atom_order import PDB, reading
from cgexp.datasets.trajectory.residues import CAPS, LETTERS, VARIANTS, in_words, require_bridges, require_complete
from cgexp.errors import InputError
from cgexp.systems.peptide import without_alternates

if TYPE_CHECKING:
    import mdtraj

AUTO = "auto"
ALL_BONDS = "expected a topology with all bonds, as PRMTOP, PSF or a PDB file with CONECT"
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Solute:
    """The atoms that are modelled. topology: of these alone. index: [n_atoms], their places in the files.

    n_in_file: atoms of the whole topology. notes: what was left out, and what is worth knowing, in words.
    """

    topology: mdtraj.Topology
    index: Indices
    n_in_file: int
    notes: tuple[str, ...]

    @property
    def n_atoms(self) -> int:
        return len(self.index)

    @property
    def bonds(self) -> Indices:
        """Covalent bonds, [n_bonds, 2], atoms of the solute."""
        pairs = sorted((int(a.index), int(b.index)) for a, b in self.topology.bonds)
        return np.sort(np.array(pairs, dtype=np.int64).reshape(-1, 2), axis=1)

    @property
    def elements(self) -> list[str]:
        """Symbol of every atom; 'VS' for those that are none, as beads of a polymer."""
        return ["VS" if atom.element is None else str(atom.element.symbol) for atom in self.topology.atoms]

    def in_words(self, atom: int) -> str:
        """'CA of TYR 5'."""
        found = self.topology.atom(int(atom))
        return f"{found.name} of {in_words(found.residue)}"


def read_solute(path: Path, selection: str = AUTO) -> Solute:
    """Read a topology (PDB, GRO, PSF, PRMTOP, ...: what mdtraj reads) and choose the molecule that is modelled.

    selection: of mdtraj; 'auto' takes all but water and ions. Raises InputError if the file cannot be read, and unless
    the atoms are those of one molecule, each named once.
    """
    topology, notes = _read(path)
    if selection == AUTO:
        index, left_out = _without_solvent(topology)
        notes += left_out
    else:
        index = selected(topology, selection, "solute")
    if not len(index) and topology.n_bonds == 0 and not all(residue.is_water for residue in topology.residues):
        raise InputError(f"{path} states no bonds: {ALL_BONDS}")
    if not len(index):
        raise InputError(f"{path} has no atoms but water and ions: choose those to model with solute='<selection>'")
    chosen = topology.subset(index)
    _require_distinct(chosen, path)
    for residue in chosen.residues:
        require_complete(residue)
    require_bridges(topology, path)
    _require_one_molecule(chosen, path)
    return Solute(chosen, index, topology.n_atoms, (*notes, *_variants(chosen)))


def selected(topology: mdtraj.Topology, selection: str, key: str) -> Indices:
    """Atoms of a selection of mdtraj; InputError, which names the ``key``, if it cannot be read or chooses nothing."""
    try:
        found = np.asarray(topology.select(selection), dtype=np.int64)
    except Exception as error:  # mdtraj's parser raises what it stumbles over
        raise InputError(
            f"{key}='{selection}' is no selection that mdtraj understands: expected such as 'name CA' or 'not element "
            "H' (mdtraj's atom selection language)"
        ) from error
    if not len(found):
        raise InputError(f"{key}='{selection}' selects no atoms: choose others")
    return found


def _read(path: Path) -> tuple[mdtraj.Topology, tuple[str, ...]]:
    if path.suffix.lower() not in PDB:
        return reading(path, lambda: _quietly(path)), ()
    text = reading(path, lambda: path.read_text(encoding="utf-8"))
    single = without_alternates(text)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "one.pdb"
        copy.write_text(single, encoding="utf-8")
        topology = reading(path, lambda: _quietly(copy))
    said = () if single == text else ("of alternate locations those of highest occupancy were taken",)
    return topology, said


def _quietly(path: Path) -> mdtraj.Topology:
    import mdtraj

    with quietly():
        return mdtraj.load_topology(str(path))


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the remarks of readers back: warnings on boxes and the like, and what their C code prints."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with open(os.devnull, "w") as nowhere, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            os.dup2(nowhere.fileno(), 1)
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _without_solvent(topology: mdtraj.Topology) -> tuple[Indices, tuple[str, ...]]:
    """All atoms but water and single unbonded atoms; and what was left out, in words."""
    bonded = {atom.index for bond in topology.bonds for atom in bond[:2]}
    out: Counter[str] = Counter()
    kept: list[int] = []
    for residue in topology.residues:
        if residue.is_water:
            out["water"] += 1
        elif residue.n_atoms == 1 and residue.atom(0).index not in bonded and residue.name not in LETTERS:
            out[f"ion {residue.name}"] += 1
        else:
            kept += [atom.index for atom in residue.atoms]
    said = ", ".join(f"{count} {name}" for name, count in out.items())
    return np.array(kept, dtype=np.int64), (f"left out: {said}",) if said else ()


def _require_distinct(topology: mdtraj.Topology, path: Path) -> None:
    for residue in topology.residues:
        name, times = Counter(atom.name for atom in residue.atoms).most_common(1)[0]
        if times > 1 and residue.name in LETTERS:
            raise InputError(
                f"{path}: atom {name} of {in_words(residue)} is there {times} times: expected each atom once; keep one "
                "copy, and give residues of one number different insertion codes or chains"
            )


def _require_one_molecule(topology: mdtraj.Topology, path: Path) -> None:
    """Raise InputError unless bonds connect all atoms."""
    parts = molecules(topology)
    if len(parts) == 1:
        return
    first, other = (topology.atom(part[0]) for part in parts[:2])
    alone = next((topology.atom(part[0]) for part in parts if len(part) == 1), None)
    if topology.n_bonds == 0 or alone is not None:
        atom = alone or first
        raise InputError(f"{path}: atom {atom.name} of {in_words(atom.residue)} is bonded to nothing: {ALL_BONDS}")
    raise InputError(
        f"{path} has {len(parts)} molecules (of {in_words(first.residue)} and of {in_words(other.residue)}) beside "
        "water and ions: several chains, and ligands, are not modelled yet; choose one with solute='chainid 0' or "
        "another selection"
    )


def molecules(topology: mdtraj.Topology) -> list[list[int]]:
    """Atoms of each part that bonds connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.array([(a.index, b.index) for a, b in topology.bonds], dtype=np.int64).reshape(-1, 2)
    n_atoms = topology.n_atoms
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n_atoms, n_atoms))
    n_parts, label = connected_components(graph, directed=False)
    return [np.flatnonzero(label == part).tolist() for part in range(n_parts)]


def _variants(topology: mdtraj.Topology) -> Iterator[str]:
    """What beads do not tell of the residues, in words."""
    caps = [in_words(residue) for residue in topology.residues if residue.name in CAPS]
    if caps:
        yield f"caps: {', '.join(caps)}"
    bridges = [
        f"{in_words(a.residue)} and {in_words(b.residue)}"
        for a, b in ((bond[0], bond[1]) for bond in topology.bonds)
        if a.name == b.name == "SG"
    ]
    if bridges:
        yield f"disulfide bridges between {'; '.join(bridges)}"
    variants = [in_words(residue) for residue in topology.residues if residue.name in VARIANTS]
    if variants:
        yield f"variants with the bead type of their residue: {', '.join(variants)}"
