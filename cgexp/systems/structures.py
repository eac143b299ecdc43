"""Native structures that a user gives as a PDB file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.systems.beads import RESIDUE_NAMES
from cgexp.units import NM_IN_ANGSTROM

LETTERS = {name: letter for letter, name in RESIDUE_NAMES.items()}


def read_trace(path: str, sequence: str) -> NDArray[np.float64]:
    """C-alpha coordinates of the first model of a PDB file, [n_residues, 3], Å, centred.

    Raises InputError if it is no PDB file, or of another sequence than ``sequence`` (one-letter codes).
    """
    import mdtraj  # takes a second to import

    if not Path(path).is_file():
        raise InputError(f"dataset.system.native_pdb={path} is no file: give a PDB file of the native structure")
    try:
        loaded = mdtraj.load_pdb(path)
    except Exception as error:  # mdtraj raises whatever it stumbles over
        raise InputError(
            f"dataset.system.native_pdb={path} is no PDB file that can be read ({type(error).__name__}): give one with "
            "the C-alpha atoms of the native structure"
        ) from error
    atoms = [atom for atom in loaded.topology.atoms if atom.name == "CA"]
    found = "".join(LETTERS.get(atom.residue.name, "?") for atom in atoms)
    if found != sequence:
        raise InputError(
            f"dataset.system.native_pdb={path} has C-alpha atoms of '{found}' but the sequence is '{sequence}': give "
            "the native structure of this sequence"
        )
    trace = np.asarray(loaded.xyz[0, [atom.index for atom in atoms]], dtype=np.float64) * NM_IN_ANGSTROM
    return np.asarray(trace - trace.mean(axis=0))
