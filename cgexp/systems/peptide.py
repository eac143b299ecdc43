"""Peptide: a sequence as C-alpha or backbone beads, its basins, and a native structure from a PDB file.

Basins are regions of configuration space, defined by distances; nothing is claimed about kinetics or committors.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError, did_you_mean, shown
from cgexp.parts.ranges import AddedLater, OwnFile
from cgexp.systems.base import Start, Symmetry, System
from cgexp.systems.beads import MAPPINGS, RESIDUE_NAMES, RESIDUES, bead_atoms, bead_bonds, bead_masses, bead_types
from cgexp.systems.metric import superposed_rmsd
from cgexp.units import NM_IN_ANGSTROM

# C-alpha coordinates in Å, centred. CLN025: the hairpin built from its backbone torsions and minimised in ff14SB +
# OBC2; tests/all_atom/test_structure.py makes it again. Simulations start from build_native, which has the
# side chains of the crystal, too; its C-alpha atoms are within 0.4 Å of these.
NATIVE = {
    "YYDPETGTWY": (
        (-6.371, 0.843, 0.489), (-2.748, -0.297, 1.114), (-0.577, -1.343, -1.871), (1.087, -4.765, -1.090),
        (4.424, -3.843, -2.818), (5.047, -0.837, -0.447), (2.814, -1.219, 2.676), (1.554, 2.405, 2.094),
        (-1.924, 3.996, 1.652), (-3.306, 5.060, -1.798),
    ),
}  # fmt: skip
BOND_LENGTHS = {"ca": 3.8, "backbone5": 1.45}  # Å, median over the bonds of a mapping
BETWEEN_CHAINS = (":", "/", " ", ",", "-")
BOND, RISE = 3.8, 3.4  # Å: consecutive C-alpha atoms (trans), and how far a residue takes a beta strand


class Peptide(System):
    """A peptide of ``sequence`` (one-letter codes) as beads in Å and amu.

    beads: 'ca', one bead a residue at its C-alpha atom, or 'backbone5', N, CA, CB, C and O of every residue (systems/
    beads.py). native_pdb: PDB file whose C-alpha atoms are the native structure; None: that of NATIVE, if it is there.
    caps: whether the atoms have groups such as acetyl in place of charged ends; they get no beads, but the ensemble is
    another. name: 'peptide-<sequence>', then '-<beads>' unless they are 'ca', then '-capped' with caps. bead_atoms:
    [n_beads] of (residue index, atom name). trace: [n_residues], the C-alpha beads, also called ``ca``. bead_types: of
    a C-alpha bead the index of its residue in RESIDUES. masses: of whole residues, shared by their beads. basins: told
    by the native structure. Raises InputError for an unknown letter or mapping, or a file of another sequence.
    """

    n_dims = 3
    units = "molecular"
    metric = "superposed"
    symmetry = Symmetry(translation=True, rotation=True)
    kind = "a peptide"
    start_kinds = ("folded", "unfolded", "extended")
    analysis = "peptide"

    def __init__(
        self,
        sequence: str = "YYDPETGTWY",
        beads: Literal["ca", "backbone5"] = "ca",
        native_pdb: OwnFile[str | None] = None,
        caps: AddedLater[bool] = False,
    ) -> None:
        _require_sequence(sequence)
        if beads not in MAPPINGS:
            raise InputError(
                f"unknown beads '{beads}'{did_you_mean(beads, MAPPINGS)}: expected one of {', '.join(MAPPINGS)}"
            )
        self.sequence = sequence
        self.beads = beads
        self.native_pdb = native_pdb
        self.caps = caps
        self.name = "-".join(["peptide", sequence, *([beads] if beads != "ca" else []), *(["capped"] if caps else [])])
        self.bead_atoms = bead_atoms(sequence, beads)
        self.bonds = bead_bonds(sequence, beads)
        self.ca = np.array([bead for bead, (_, name) in enumerate(self.bead_atoms) if name == "CA"], dtype=np.int64)
        self.trace = self.ca
        self.labels = tuple(sequence)
        self.residues = [RESIDUE_NAMES[letter] for letter in sequence]
        self.n_beads = len(self.bead_atoms)
        self.bond_length = BOND_LENGTHS[beads]
        self.bead_types = bead_types(sequence, beads)
        self.masses = bead_masses(sequence, beads)
        if native_pdb is not None:
            self.native_structure = read_trace(native_pdb, sequence)
        elif sequence in NATIVE:
            self.native_structure = np.array(NATIVE[sequence], dtype=np.float64)
        self.basins = () if self.native_structure is None else tuple(BASINS)

    @property
    def spec(self) -> dict[str, Any]:
        """As of any system; without caps as it was before there were any."""
        return {name: value for name, value in super().spec.items() if name != "caps" or value}

    def native(self) -> NDArray[np.float64]:
        """C-alpha coordinates of the native structure, [n_residues, 3], Å, whatever the beads; InputError if not known.

        Compare them with ``coords[:, ca]``.
        """
        if self.native_structure is None:
            raise InputError(
                f"the native structure of '{self.sequence}' is not known: expected one of {', '.join(NATIVE)}, or its "
                "PDB file in dataset.system.native_pdb"
            )
        return self.native_structure.copy()

    def basin_of(self, coords: NDArray[np.floating]) -> NDArray[np.str_]:
        """The basin of each configuration [n, n_beads, 3] in Å, a key of basins.BASINS, [n]."""
        return basin_of(coords[:, self.ca], self.native())

    def start(self, kind: str, coords: NDArray[np.floating]) -> Start:
        """'folded': frames of that basin, or the native structure. 'unfolded': frames of that one, or the extended
        chain. 'extended': that chain. InputError where basins are not told apart, or only C-alpha beads can be built.
        """
        if kind not in self.start_kinds:
            return super().start(kind, coords)
        frames = np.zeros(len(coords), dtype=np.bool_)
        if kind != "extended":
            if self.native_structure is None:
                raise InputError(
                    f"simulation.starts={kind} tells basins apart by the native structure, which is not known for "
                    f"'{self.sequence}': use simulation.starts=data or extended"
                )
            frames = self.basin_of(coords) == kind
        if frames.any():
            return Start(frames)
        if self.beads != "ca":
            raise InputError(
                f"simulation.starts={kind} finds no frames in these data and can build C-alpha atoms alone, but the "
                f"beads are {self.beads}: use simulation.starts=data or spread"
            )
        return Start(frames, self.native() if kind == "folded" else extended_chain(self.n_beads))


def _require_sequence(sequence: str) -> None:
    if any(sign in sequence for sign in BETWEEN_CHAINS):
        raise InputError(
            f"sequence '{shown(sequence)}' has several chains, which are not modelled yet: give that of one chain"
        )
    if set(sequence) <= set(RESIDUES) and len(sequence) >= 2:
        return
    large = sequence.upper()
    raise InputError(
        f"sequence '{shown(sequence)}' is not a peptide: expected at least two of the one-letter codes {RESIDUES}"
        + (f", as {shown(large)}" if large != sequence and set(large) <= set(RESIDUES) else "")
    )


def extended_chain(n_beads: int) -> NDArray[np.float64]:
    """C-alpha atoms of an ideal beta strand: a planar zigzag of bonds of 3.8 Å that rises 3.4 Å a residue, [n, 3]."""
    bead = np.arange(n_beads)
    chain = np.stack([RISE * bead, np.sqrt(BOND**2 - RISE**2) * (bead % 2), np.zeros(n_beads)], axis=-1)
    return np.asarray(chain - chain.mean(axis=0))


FOLDED, TRANSITION = 2.0, 3.0  # Å of C-alpha RMSD to the native structure
CONTACT, SEPARATION = 6.5, 3  # C-alpha atoms that many residues apart and closer than this (Å) are in contact
N_CONTACTS = 3  # in one register, from which on a chain is hairpin-like
BASINS = {
    "folded": f"C-alpha RMSD to the native structure below {FOLDED:g} Å",
    "misfolded": (
        f"hairpin-like but wrong: at least {N_CONTACTS} contacts (C-alpha atoms within {CONTACT:g} Å, {SEPARATION} or "
        f"more residues apart) in one antiparallel register i + j, and either another register than the native one "
        f"(RMSD at least {FOLDED:g} Å), or the native one with RMSD at least {TRANSITION:g} Å"
    ),
    "transition": f"RMSD from {FOLDED:g} to {TRANSITION:g} Å and not misfolded: near the native structure, not in it",
    "unfolded": f"RMSD at least {TRANSITION:g} Å and not hairpin-like",
}


def basin_of(ca: NDArray[np.floating], native: NDArray[np.floating]) -> NDArray[np.str_]:
    """The name of each configuration's basin, a key of BASINS: ca [n, n_residues, 3], native [n_residues, 3], Å."""
    rmsd = superposed_rmsd(ca, native[None])[:, 0]
    contacts = register_contacts(ca)
    hairpin = contacts.max(axis=1) >= N_CONTACTS
    wrong = contacts.argmax(axis=1) != register_contacts(native[None])[0].argmax()
    misfolded = hairpin & ((wrong & (rmsd >= FOLDED)) | (rmsd >= TRANSITION))
    return np.select(
        [rmsd < FOLDED, misfolded, rmsd < TRANSITION], ["folded", "misfolded", "transition"], default="unfolded"
    )


def register_contacts(ca: NDArray[np.floating]) -> NDArray[np.int64]:
    """Contacts of residues i and j in every antiparallel register i + j: [n, 2 n_residues - 1].

    The strands of a hairpin face each other along one register; a shifted hairpin has another one.
    """
    n_residues = ca.shape[1]
    first, second = np.triu_indices(n_residues, SEPARATION)
    near = np.linalg.norm(ca[:, first] - ca[:, second], axis=-1) < CONTACT
    contacts = np.zeros((len(ca), 2 * n_residues - 1), dtype=np.int64)
    np.add.at(contacts.T, first + second, near.T)
    return contacts


# names of protonation states and of bridged cysteines, in the force fields that have them
OTHER_NAMES = {"HID": "H", "HIE": "H", "HIP": "H", "HSD": "H", "HSE": "H", "HSP": "H", "CYX": "C", "CYM": "C",
               "ASH": "D", "GLH": "E", "LYN": "K"}  # fmt: skip
ATOM_LINES = ("ATOM  ", "HETATM", "ANISOU")
LETTERS = {name: letter for letter, name in RESIDUE_NAMES.items()} | OTHER_NAMES


def read_trace(path: str, sequence: str) -> NDArray[np.float64]:
    """C-alpha coordinates of the first model of a PDB file, [n_residues, 3], Å, centred.

    Raises InputError if it is no PDB file, of several chains, or of another sequence than ``sequence`` (one-letter
    codes).
    """
    import mdtraj  # takes a second to import

    if not Path(path).is_file():
        raise InputError(f"dataset.system.native_pdb={path} is no file: give a PDB file of the native structure")
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".pdb", encoding="utf-8") as copy:
            copy.write(without_alternates(Path(path).read_text(encoding="utf-8")))
            copy.flush()
            loaded = mdtraj.load_pdb(copy.name)
    except Exception as error:  # mdtraj raises whatever it stumbles over
        raise InputError(
            f"dataset.system.native_pdb={path} is no PDB file that can be read ({type(error).__name__}): give one with "
            "the C-alpha atoms of the native structure"
        ) from error
    atoms = [atom for atom in loaded.topology.atoms if atom.name == "CA"]
    n_chains = len({atom.residue.chain.index for atom in atoms})
    if n_chains > 1:
        raise InputError(
            f"dataset.system.native_pdb={path} has {n_chains} chains with C-alpha atoms, and several are not modelled "
            "yet: leave one chain in it"
        )
    found = "".join(LETTERS.get(atom.residue.name, "?") for atom in atoms)
    if found != sequence:
        raise InputError(
            f"dataset.system.native_pdb={path} has C-alpha atoms of '{found}' but the sequence is '{sequence}': give "
            "the native structure of this sequence"
        )
    trace = np.asarray(loaded.xyz[0, [atom.index for atom in atoms]], dtype=np.float64) * NM_IN_ANGSTROM
    return np.asarray(trace - trace.mean(axis=0))


def without_alternates(pdb: str) -> str:
    """The text of a PDB file with one location of each atom: of alternate ones that of highest occupancy."""
    lines = pdb.splitlines()
    weight: dict[str, dict[str, float]] = {}
    for line in lines:
        if line[:6] in ("ATOM  ", "HETATM") and line[16:17].strip():
            of_residue = weight.setdefault(line[17:27], {})
            of_residue[line[16]] = of_residue.get(line[16], 0.0) + float(line[54:60].strip() or 1.0)
    if not weight:
        return pdb
    chosen = {residue: max(found, key=lambda letter: found[letter]) for residue, found in weight.items()}
    kept = [
        line[:16] + " " + line[17:] if line[:6] in ATOM_LINES else line
        for line in lines
        if line[:6] not in ATOM_LINES or line[16:17].strip() in ("", chosen.get(line[17:27]))
    ]
    return "\n".join(kept) + "\n"
