"""LinearMap: how forces on atoms become forces on beads, as a matrix with the atoms and beads it is for.

Forces on beads are ``matrix @ forces on atoms``. For beads that sit on atoms they are, on average, the gradient of the
potential of mean force if a bead takes its own atom with weight 1, no other bead's atom, and all atoms rigidly bonded
to one another with one weight (Ciccotti et al. 2005; Krämer et al. 2023, arXiv:2302.07071).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.mapping.sites import Atoms, BeadSites, Indices
from cgexp.errors import InputError
from cgexp.store import read_arrays, write_arrays

Matrix = NDArray[np.float64]
KIND = "force map"
TOLERANCE = 1e-9  # of weights, which are of order 1


@dataclass(frozen=True, eq=False)
class LinearMap:
    """A force map.

    matrix: [n_beads, n_atoms], no unit. beads: [n_beads], the atom each bead sits on. atoms: (residue index, atom name)
    of every atom. constrained: whether it is valid under the rigid bonds to hydrogen that it was built for; a map built
    for flexible dynamics is not known to be. provenance: how the weights came about, in words.
    Raises InputError unless the shapes agree and a bead takes its own atom with weight 1 and no other bead's atom.
    """

    name: str
    matrix: Matrix
    beads: Indices
    atoms: Atoms
    constrained: bool
    provenance: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrix", np.array(self.matrix, dtype=np.float64))
        object.__setattr__(self, "beads", np.array(self.beads, dtype=np.int64))
        object.__setattr__(self, "atoms", tuple((int(residue), str(name)) for residue, name in self.atoms))
        shape = (*self.beads.shape, len(self.atoms))
        if self.matrix.ndim != 2 or self.matrix.shape != shape:
            raise InputError(
                f"force map '{self.name}' has a matrix of shape {list(self.matrix.shape)} for {self.beads.size} beads "
                f"and {len(self.atoms)} atoms: expected [n_beads, n_atoms] = {list(shape)}"
            )
        own = self.matrix[:, self.beads]
        if not np.isfinite(self.matrix).all() or np.abs(own - np.eye(self.n_beads)).max(initial=0.0) > TOLERANCE:
            raise InputError(
                f"force map '{self.name}' is not valid for any dynamics: expected finite weights, 1 for a bead's own "
                "atom and 0 for those of other beads"
            )
        self.matrix.setflags(write=False)
        self.beads.setflags(write=False)

    @classmethod
    def of(cls, name: str, matrix: Matrix, sites: BeadSites, provenance: str) -> LinearMap:
        """A map for beads on these sites, checked against their rigid bonds."""
        free = cls(name, matrix, sites.beads, sites.atoms, False, provenance)
        constrained = len(sites.constraints) > 0 and free.valid_for(sites.constraints)
        return cls(name, matrix, sites.beads, sites.atoms, constrained, provenance)

    @property
    def n_beads(self) -> int:
        return len(self.beads)

    @property
    def n_atoms(self) -> int:
        return len(self.atoms)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of matrix, beads and atoms."""
        digest = hashlib.sha256(json.dumps([self.beads.tolist(), self.atoms]).encode())
        digest.update(np.ascontiguousarray(self.matrix).tobytes())
        return digest.hexdigest()

    def valid_for(self, constraints: Indices) -> bool:
        """Whether the map is unbiased for dynamics with these rigid bonds [n_constraints, 2]; empty: flexible."""
        first, second = np.asarray(constraints, dtype=np.int64).reshape(-1, 2).T
        return bool(np.allclose(self.matrix[:, first], self.matrix[:, second], rtol=0.0, atol=TOLERANCE))

    def check_atoms(self, atoms: Atoms) -> None:
        """Raise InputError unless these are the map's atoms, in its order."""
        found = tuple((int(residue), str(name)) for residue, name in atoms)
        if len(found) != self.n_atoms:
            raise InputError(
                f"force map '{self.name}' is for {self.n_atoms} atoms, not {len(found)}: build or fit a map for these"
            )
        for number, (have, want) in enumerate(zip(found, self.atoms, strict=True)):
            if have != want:
                raise InputError(
                    f"atom {number} is {have[1]} of residue {have[0] + 1} but force map '{self.name}' has "
                    f"{want[1]} of residue {want[0] + 1} there: bring the atoms into the canonical order"
                )

    def apply(self, atom_forces: NDArray[np.floating]) -> NDArray[np.float64]:
        """Forces on atoms [..., n_atoms, 3] to forces on beads [..., n_beads, 3], in the same unit."""
        if atom_forces.shape[-2:] != (self.n_atoms, 3):
            raise InputError(
                f"atom forces have shape {list(atom_forces.shape)}: force map '{self.name}' expects "
                f"[..., n_atoms, 3] = [..., {self.n_atoms}, 3]"
            )
        return np.matmul(self.matrix, atom_forces, dtype=np.float64)


def write_map(path: Path, force_map: LinearMap) -> str:
    """Write a map to one file, atomically; return its content hash."""
    arrays = {
        "matrix": force_map.matrix,
        "beads": force_map.beads,
        "residues": np.array([residue for residue, _ in force_map.atoms], dtype=np.int64),
        "atom_names": np.array([name for _, name in force_map.atoms], dtype=np.str_),
    }
    meta = {
        "kind": KIND,
        "name": force_map.name,
        "constrained": force_map.constrained,
        "provenance": force_map.provenance,
        "content_hash": force_map.content_hash,
    }
    write_arrays(path, arrays, meta)
    return force_map.content_hash


def read_map(path: Path) -> LinearMap:
    """Read a map. Raises InputError if the file is missing, damaged, no map, or its shapes do not agree."""
    arrays, meta = read_arrays(path)
    if meta.get("kind") != KIND or not {"matrix", "beads", "residues", "atom_names"} <= arrays.keys():
        raise InputError(f"{path} holds no force map: expected a file written by write_map")
    residues, names = arrays["residues"].tolist(), arrays["atom_names"].tolist()
    if len(residues) != len(names):
        raise InputError(f"{path} has {len(residues)} residues and names of {len(names)} atoms: fit the map again")
    atoms = list(zip(residues, names, strict=True))
    force_map = LinearMap(
        meta["name"], arrays["matrix"], arrays["beads"], atoms, meta["constrained"], meta["provenance"]
    )
    if force_map.content_hash != meta["content_hash"]:
        raise InputError(f"{path} does not match its content hash: delete it and fit the map again")
    return force_map
