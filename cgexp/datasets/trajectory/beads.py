"""Where beads sit: on atoms, or at weighted means of atoms; and the system of beads that follows from the bonds."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.atom_order import reading
from cgexp.build import TARGET
from cgexp.datasets.trajectory.residues import (
    CAPS,
    LETTERS,
    amino_acids,
    atom_named,
    in_words,
    letters,
    require_one_chain,
)
from cgexp.datasets.trajectory.solute import Solute, selected
from cgexp.errors import InputError, shown
from cgexp.systems.beads import MAPPINGS, RESIDUES

MOLECULE, PEPTIDE = "cgexp.systems.molecule.Molecule", "cgexp.systems.peptide.Peptide"
OF_PEPTIDES = {"calpha": "ca", "backbone5": "backbone5"}  # mapping -> beads of systems.peptide.Peptide
BY_NAME = (*OF_PEPTIDES, "cbeta", "com", "heavy", "table")
LEAST_BEADS = 2

Weights = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Beads:
    """weights: [n_beads, n_atoms] of the atoms' positions in a bead's, each row adds up to 1. system: config node."""

    weights: Weights
    system: dict[str, Any]

    @property
    def n_beads(self) -> int:
        return len(self.weights)

    @property
    def sites(self) -> NDArray[np.int64] | None:
        """The atom that each bead sits on, [n_beads]; None if a bead is a mean of several."""
        on_atoms = (np.count_nonzero(self.weights, axis=1) == 1).all()
        return np.asarray(self.weights.argmax(axis=1), dtype=np.int64) if on_atoms else None

    @property
    def n_types(self) -> int:
        """Rows that an embedding of bead types needs; of a peptide's C-alpha beads 20."""
        if self.system[TARGET] == PEPTIDE:
            return len(RESIDUES) + (0 if self.system["beads"] == "ca" else len(MAPPINGS["backbone5"]) - 1)
        return int(max(self.system["bead_types"])) + 1


def make_beads(mapping: str, solute: Solute, name: str, table: Path | None = None, native: str | None = None) -> Beads:
    """Beads of a mapping by name, or on the atoms of a selection of mdtraj.

    calpha, backbone5: of a peptide. cbeta: one a residue, at CB (CA of glycine). com: one a residue, at its centre of
    mass. heavy: every atom but hydrogen. table: those of the file ``table``. name: of the molecule, for its system.
    native: PDB file with a peptide's native structure. Raises InputError if the atoms do not fit the mapping, or there
    is only one bead.
    """
    if (mapping == "table") != (table is not None):
        raise InputError("mapping=table and bead_table=<file> belong together: give both, or neither")
    if mapping in OF_PEPTIDES:
        residues = amino_acids(solute.topology)
        if len(residues) >= LEAST_BEADS:
            require_one_chain(residues, solute.topology)
            return _of_peptide(mapping, solute, native)
        if mapping == "calpha":
            raise InputError(
                f"mapping=calpha gives one bead, since the only amino acid is {in_words(residues[0])}: expected at "
                "least two; use mapping=heavy, backbone5 or a selection, as mapping='name C CA N CB'"
            )
    if native is not None:
        raise InputError(f"native={native} is for mapping=calpha or backbone5 of a peptide: leave it out")
    members = _members(mapping, solute, table)
    if len(members) < LEAST_BEADS:
        raise InputError(
            f"mapping={shown(mapping)} gives {len(members)} bead: expected at least two; choose more atoms"
        )
    weights = np.zeros((len(members), solute.n_atoms))
    for bead, atoms in enumerate(members):
        for atom, weight in atoms.items():
            weights[bead, atom] = weight / sum(atoms.values())
    label = mapping if mapping in BY_NAME else "selection"
    return Beads(weights, _molecule(f"{name}-{label}", mapping, solute, [list(atoms) for atoms in members]))


def _of_peptide(mapping: str, solute: Solute, native: str | None) -> Beads:
    residues, beads = amino_acids(solute.topology), OF_PEPTIDES[mapping]
    sites = [atom_named(r, name) for r in residues for name in MAPPINGS[beads] if (r.name, name) != ("GLY", "CB")]
    weights = np.zeros((len(sites), solute.n_atoms))
    weights[np.arange(len(sites)), np.array(sites, dtype=np.int64)] = 1.0
    spec = {TARGET: PEPTIDE, "sequence": letters(residues), "beads": beads, "native_pdb": native}
    capped = any(residue.name in CAPS for residue in solute.topology.residues)
    return Beads(weights, spec | ({"caps": True} if capped else {}))


def _members(mapping: str, solute: Solute, table: Path | None) -> list[dict[int, float]]:
    """Atom -> weight of every bead."""
    topology = solute.topology
    if mapping == "backbone5":
        found = [atom_named(r, name) for r in amino_acids(topology) for name in MAPPINGS["backbone5"]]
        return [{atom: 1.0} for atom in found if atom is not None]
    if mapping == "cbeta":
        sites = [atom_named(r, "CA" if r.name == "GLY" else "CB") for r in amino_acids(topology)]
        return [{atom: 1.0} for atom in sites if atom is not None]
    if mapping == "com":
        return [{int(a.index): _mass(a) for a in residue.atoms} for residue in amino_acids(topology)]
    if mapping == "heavy":
        return [{atom: 1.0} for atom, symbol in enumerate(solute.elements) if symbol not in ("H", "D")]
    if table is not None:
        return read_table(table, solute)
    if mapping.isalnum() and " " not in mapping and mapping not in ("all", "protein", "backbone", "sidechain"):
        raise InputError(
            f"mapping={shown(mapping)} is not known: expected one of {', '.join(BY_NAME)}, or a selection of mdtraj "
            "such as 'name CA CB'"
        )
    return [{int(atom): 1.0} for atom in selected(topology, mapping, "mapping")]


def read_table(path: Path, solute: Solute) -> list[dict[int, float]]:
    """Beads of a table: lines ``atom bead [weight]``, atoms and beads counted from 0, atoms as in the topology file.

    A weight that is not given is the atom's mass. Raises InputError naming the first line that does not fit.
    """
    place = {int(atom): number for number, atom in enumerate(solute.index)}
    beads: dict[int, dict[int, float]] = {}
    text = reading(path, lambda: path.read_text(encoding="utf-8"))
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words or words[0] == "atom":
            continue
        try:
            atom, bead = int(words[0]), int(words[1])
            weight = float(words[2]) if len(words) > 2 else _mass(solute.topology.atom(place[atom]))
        except (ValueError, IndexError) as error:
            raise InputError(
                f"{path}, line {number}: '{shown(line)}' is not an atom, its bead and perhaps a weight: expected "
                "whole numbers from 0 on and a number"
            ) from error
        except KeyError as error:
            raise InputError(
                f"{path}, line {number}: atom {words[0]} is not one of those modelled: expected their numbers in the "
                f"topology, counted from 0 (to {solute.index[-1]})"
            ) from error
        if atom not in place or not weight > 0:
            raise InputError(
                f"{path}, line {number}: '{shown(line)}' has no atom that is modelled, or no positive weight"
            )
        beads.setdefault(bead, {})[place[atom]] = weight
    if sorted(beads) != list(range(len(beads))) or not beads:
        raise InputError(f"{path} has beads {shown(sorted(beads))}: expected all numbers from 0 on")
    return [beads[bead] for bead in sorted(beads)]


def _molecule(name: str, mapping: str, solute: Solute, members: Sequence[Sequence[int]]) -> dict[str, Any]:
    """The node of a Molecule: bonds and masses by the atoms nearest to each bead, types by what is in it."""
    cell = nearest_bead(solute, members)
    atoms = list(solute.topology.atoms)
    masses = np.zeros(len(members))
    np.add.at(masses, cell, [_mass(atom) for atom in atoms])
    joined = {(int(min(cell[a], cell[b])), int(max(cell[a], cell[b]))) for a, b in solute.bonds}
    kinds: dict[Any, int] = {}
    if mapping in ("cbeta", "com"):
        types = [RESIDUES.index(LETTERS[atoms[atom[0]].residue.name]) for atom in members]
    else:
        contents = [tuple(sorted((atoms[a].residue.name, atoms[a].name) for a in inside)) for inside in members]
        types = [kinds.setdefault(content, len(kinds)) for content in contents]
    return {
        TARGET: MOLECULE,
        "name": name,
        "n_beads": len(members),
        "n_dims": 3,
        "units": "molecular",
        "bonds": [list(pair) for pair in sorted(joined) if pair[0] != pair[1]],
        "bead_types": types,
        "masses": [round(float(mass), 4) for mass in masses],
        "box": None,
    }


def nearest_bead(solute: Solute, members: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """The bead that each atom is fewest bonds away from, [n_atoms]; of equally near ones the first."""
    neighbours: list[list[int]] = [[] for _ in range(solute.n_atoms)]
    for first, second in solute.bonds.tolist():
        neighbours[first].append(second)
        neighbours[second].append(first)
    cell = np.full(solute.n_atoms, -1, dtype=np.int64)
    waiting: deque[int] = deque()
    for bead, atoms in enumerate(members):
        for atom in atoms:
            cell[atom] = bead
            waiting.append(atom)
    while waiting:
        atom = waiting.popleft()
        for other in neighbours[atom]:
            if cell[other] < 0:
                cell[other] = cell[atom]
                waiting.append(other)
    return cell


def _mass(atom: Any) -> float:
    """amu; 1 for what is no element."""
    mass = 0.0 if atom.element is None else float(atom.element.mass)
    return mass or 1.0
