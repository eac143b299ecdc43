"""All-atom data of your own: structures, trajectories and forces, brought into canonical order, and their beads.

A trajectory file holds no names of atoms, so the order that is stated for it is believed only if covalent bonds come
out at the length of bonds; forces and their unit are believed only if they are those of the sampled ensemble.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.atom_order import MMCIF, PDB, file_order, in_words, match_atoms, read_coordinate_file, reading
from cgexp.all_atom.mapping.linear_map import LinearMap
from cgexp.all_atom.mapping.unbiasedness import check_unbiased
from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.structure import AllAtom, build_peptide
from cgexp.errors import InputError, did_you_mean
from cgexp.frames import Frames
from cgexp.systems.peptide import Peptide
from cgexp.units import KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM, NM_IN_ANGSTROM

log = logging.getLogger(__name__)
__all__ = ["coarse_grain", "match_atoms", "read_forces", "read_structure", "read_trajectory"]

FORCE_UNITS = {"kcal/mol/A": 1.0, "kJ/mol/nm": KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM}
BOND_LENGTHS = (1.0, 2.0)  # Å, shortest and longest
HYDROGEN_BOND_LENGTHS = (0.7, 1.5)  # Å, of bonds to hydrogen
N_CHECKED = 10  # frames that can tell a rigid bond, at least
AT_ONCE = 1000  # frames whose bonds are measured at a time
N_BLOCKS = 10
RIGID = 0.012  # Å, standard deviation of a bond below which it was constrained; XTC rounds to 0.01 Å
N_RIGID = 200  # frames that this is taken from

Array = NDArray[np.float64]


def read_structure(path: str | Path, sequence: str) -> AllAtom:
    """Read a structure of a peptide with all its hydrogens: PDB, mmCIF, or another format of mdtraj's; the first model.

    Of alternate locations the one of highest occupancy is taken. Raises InputError if the file cannot be read, holds
    other residues, also D-residues, lacks an atom or has one too many, or if a bond has not the length of a bond.
    """
    _, _, unit = import_openmm()
    path, peptide = Path(path), build_peptide(sequence)
    _, index = file_order(path, peptide)
    if path.suffix.lower() in (*PDB, *MMCIF):
        positions = np.array(read_coordinate_file(path).getPositions(asNumpy=True).value_in_unit(unit.angstrom))
    else:
        import mdtraj

        positions = reading(path, lambda: mdtraj.load(str(path))).xyz[0].astype(np.float64) * NM_IN_ANGSTROM
    _check_bonds(positions[None, index], peptide, f"{path}: an atom bears the name of another")
    _check_chirality(positions[index], peptide, path)
    return AllAtom(sequence, peptide.topology, positions[index])


def read_trajectory(path: str | Path, topology_path: str | Path, sequence: str) -> Array:
    """Read a trajectory (DCD, XTC, ...: what mdtraj reads): positions [n_frames, n_atoms, 3], Å, in canonical order.

    topology_path: a file that names the atoms in the order of the trajectory: PDB, GRO, prmtop, PSF, ...
    Raises InputError if a file cannot be read or fits neither the other nor the sequence, and if bonds have not the
    length of bonds, which means that the atom order differs.
    """
    import mdtraj

    path, topology_path, peptide = Path(path), Path(topology_path), build_peptide(sequence)
    topology, index = file_order(topology_path, peptide)
    advice = f"give a complete trajectory with the {len(index)} atoms of its topology, {topology_path}"
    named = mdtraj.Topology.from_openmm(topology)
    trajectory = reading(path, lambda: mdtraj.load(str(path), top=named), advice)
    if trajectory.n_atoms != len(index):  # of a format that holds a topology of its own
        raise InputError(f"{path} has {trajectory.n_atoms} atoms: {advice}")
    positions = trajectory.xyz[:, index].astype(np.float64) * NM_IN_ANGSTROM
    _check_bonds(positions, peptide, f"{path}: its atom order differs from the topology's, {topology_path}")
    _check_chirality(positions[0], peptide, path)
    return positions


def read_forces(
    path: str | Path, unit: Literal["kcal/mol/A", "kJ/mol/nm"], topology_path: str | Path, sequence: str
) -> Array:
    """Read forces on atoms from .npy or .npz (array 'forces', or its only one): [n_frames, n_atoms, 3], kcal/mol/Å.

    unit: of the numbers in the file. topology_path: names the atoms in the file's order; the result is in canonical
    order. Raises InputError for another unit or shape, and for a file that cannot be read.
    """
    if unit not in FORCE_UNITS:
        raise InputError(
            f"unknown unit of force '{unit}'{did_you_mean(unit, FORCE_UNITS)}: expected {' or '.join(FORCE_UNITS)}"
        )
    path = Path(path)
    _, index = file_order(Path(topology_path), build_peptide(sequence))
    forces = reading(path, lambda: _load_array(path))
    if forces.ndim != 3 or forces.shape[1:] != (len(index), 3):
        raise InputError(
            f"forces in {path} have shape {list(forces.shape)}: expected [n_frames, {len(index)}, 3], a force on every "
            f"atom of '{sequence}'"
        )
    return forces[:, index].astype(np.float64) * FORCE_UNITS[unit]


def coarse_grain(
    system: Peptide,
    positions: NDArray[np.floating],
    forces: NDArray[np.floating],
    force_map: LinearMap,
    temperature: float,
    source: str,
    *,
    block: NDArray[np.integer] | None = None,
    time_ps: NDArray[np.floating] | None = None,
    thermally_sampled: bool = True,
    allow_biased_force_map: str = "",
    force_field: str = "",
) -> Frames:
    """Frames of ``system`` from all-atom positions (Å) and forces (kcal/mol/Å), both [n_frames, n_atoms, 3].

    Atoms are in canonical order, as ``read_trajectory`` and ``read_forces`` return them. temperature: K. source: where
    the data is from, in words. block: [n_frames], the contiguous stretch of a trajectory each frame is from; None takes
    the frames as one trajectory and cuts it into ten. time_ps: [n_frames]. thermally_sampled: False for frames that
    were selected, on which a force map cannot be verified. allow_biased_force_map: why a biased map is acceptable here.
    force_field: that of the atoms, such as 'CHARMM22* + TIP3P'; labels in another one are then refused.
    Where the frames are too few to verify the map, a warning says so and how many would do, and so do their notes.
    Raises InputError if shapes or the map do not fit, if the map is biased or not valid for the bonds that are rigid in
    these positions, or if the units are wrong.
    """
    positions, forces = np.asarray(positions), np.asarray(forces)
    _check_fit(system, positions, forces, force_map)
    n_frames = len(positions)
    if not allow_biased_force_map:
        _check_rigid_bonds(positions, force_map, build_peptide(system.sequence))
    frames = Frames(
        coords=positions[:, force_map.beads],
        forces=force_map.apply(forces),
        bead_types=system.bead_types,
        block=np.arange(n_frames) * N_BLOCKS // max(n_frames, 1) if block is None else block,
        time_ps=time_ps,
        units=system.units,
        temperature=temperature,
        system=system.name,
        system_spec=system.spec,
        source=source,
        force_map=force_map.name,
        force_field=force_field,
        notes=f"biased force map allowed: {allow_biased_force_map}" if allow_biased_force_map else "",
    )
    if not thermally_sampled:
        return frames
    found = check_unbiased(frames, pairs=system.bonds, allow_biased_map=bool(allow_biased_force_map))
    if found.verdict != "not verifiable":
        return frames
    unverified = f"force map not verifiable: {found.reason}"
    log.warning("frames of '%s': %s", system.name, unverified)
    return frames.with_labels(notes="; ".join(filter(None, [frames.notes, unverified])))


def _check_fit(
    system: Peptide, positions: NDArray[np.floating], forces: NDArray[np.floating], force_map: LinearMap
) -> None:
    if positions.shape != forces.shape or positions.ndim != 3:
        raise InputError(
            f"positions have shape {list(positions.shape)} and forces {list(forces.shape)}: expected [n_frames, "
            "n_atoms, 3] for both, of the same frames"
        )
    force_map.check_atoms(build_peptide(system.sequence).atoms)
    if [force_map.atoms[atom] for atom in force_map.beads] != system.bead_atoms:
        raise InputError(
            f"force map '{force_map.name}' is for other beads than those of '{system.name}': build it for the system's "
            "bead_atoms"
        )


def rigid_bonds(positions: NDArray[np.floating], peptide: AllAtom) -> NDArray[np.int64]:
    """The covalent bonds that never change their length in positions [n_frames, n_atoms, 3], Å: [n_bonds, 2].

    A flexible bond to hydrogen varies by 0.02 Å and more at room temperature, a constrained one by rounding alone. None
    can be told from fewer than N_CHECKED frames.
    """
    bonds = np.array([(a.index, b.index) for a, b in peptide.topology.bonds()], dtype=np.int64)
    if len(positions) < N_CHECKED:
        return bonds[:0]
    chosen = positions[np.linspace(0, len(positions) - 1, min(len(positions), N_RIGID)).astype(int)]
    lengths = np.linalg.norm(chosen[:, bonds[:, 0]] - chosen[:, bonds[:, 1]], axis=-1)
    return bonds[lengths.std(axis=0) < RIGID]


def _check_rigid_bonds(positions: NDArray[np.floating], force_map: LinearMap, peptide: AllAtom) -> None:
    """Raise InputError if the map weighs two atoms differently whose bond is rigid in these positions."""
    rigid = rigid_bonds(positions, peptide)
    if force_map.valid_for(rigid):
        return
    broken = next(pair for pair in rigid if not force_map.valid_for(pair[None]))
    first, second = (in_words(peptide.atoms[atom], peptide) for atom in broken)
    raise InputError(
        f"force map '{force_map.name}' is biased: it takes {first} and {second} with different weights, and their bond "
        "never changes its length, so that it was constrained; use constraint_group or optimal with these constraints, "
        "or say in words why with allow_biased_force_map"
    )


def _load_array(path: Path) -> NDArray[np.floating]:
    content = np.load(path, allow_pickle=False)
    if isinstance(content, np.ndarray):
        return content
    with content:
        if "forces" not in content.files and len(content.files) != 1:
            raise ValueError(f"it holds the arrays {', '.join(content.files)} but none called forces")
        array: NDArray[np.floating] = content["forces" if "forces" in content.files else content.files[0]]
        return array


def _check_bonds(positions: Array, peptide: AllAtom, complaint: str) -> None:
    """Raise InputError, ``complaint`` first, unless bonds have their length; positions [n_frames, n_atoms, 3], Å."""
    bonds = list(peptide.topology.bonds())
    limits = [HYDROGEN_BOND_LENGTHS if "H" in (a.element.symbol, b.element.symbol) else BOND_LENGTHS for a, b in bonds]
    first, second = np.array([(a.index, b.index) for a, b in bonds]).T
    shortest, longest = np.array(limits).T
    for start in range(0, len(positions), AT_ONCE):
        some = positions[start : start + AT_ONCE]
        lengths = np.linalg.norm(some[:, first] - some[:, second], axis=-1)
        odd = ~((lengths >= shortest) & (lengths <= longest))
        if odd.any():
            frame, bond = np.argwhere(odd)[0]
            a, b = (in_words(peptide.atoms[ends[bond]], peptide) for ends in (first, second))
            if start + frame >= N_CHECKED:  # the order of atoms is right
                complaint = f"{complaint.partition(': ')[0]}: it is damaged, or a periodic box cuts the molecule"
            raise InputError(
                f"{complaint}: {a} and {b} are {lengths[frame, bond]:.2f} Å apart in frame {start + frame}, expected a "
                f"bond of {shortest[bond]:g} to {longest[bond]:g} Å; name the atoms in the file's order, and make "
                "molecules whole that a periodic box cuts"
            )


def _check_chirality(positions: Array, peptide: AllAtom, path: Path) -> None:
    """Raise InputError for a residue whose side chain is where a D-amino acid has it; positions [n_atoms, 3], Å."""
    place = {atom: number for number, atom in enumerate(peptide.atoms)}
    for residue in range(len(peptide.sequence)):
        if (residue, "CB") not in place:
            continue
        ca, nitrogen, carbon, side = (positions[place[residue, name]] for name in ("CA", "N", "C", "CB"))
        if np.dot(np.cross(nitrogen - ca, carbon - ca), side - ca) < 0.0:
            name = in_words((residue, "CB"), peptide).partition(" of ")[2]
            raise InputError(f"{path}: {name} is a D-amino acid: expected L-amino acids; is it a mirror image?")
