"""Quality: what a back-mapped structure is measured by, its handedness too, and what accepts or rejects it.

A stereocentre is measured by the improper torsion of three of its neighbours and itself. With the neighbours in the
order given here it is near -33° in natural amino acids (L; threonine 2S,3R; isoleucine 2S,3S) and +33° in their mirror
images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp.all_atom.force_field import make_system
from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.structure import AllAtom
from cgexp.errors import InputError
from cgexp.geometry import dihedrals

MAX_CA_RMS = 0.1  # Å
MAX_STRAIN = 0.9  # kcal/mol per atom
MIN_OMEGA = 150.0  # degrees
MAX_BOND = 2.0  # Å
MAX_ANGLE_ERROR = 25.0  # degrees


@dataclass(frozen=True)
class Quality:
    """Measures of a back-mapped structure.

    ca_rms: root mean square distance of the CA atoms from where they were asked for, Å. ca_shift: the largest of these
    distances, Å. energy: potential energy, kcal/mol. strain: energy above that of the minimised extended chain,
    kcal/mol per atom. n_d_residues: residues with a stereocentre of the wrong hand. min_omega: the smallest |omega| of
    the peptide bonds, degrees. max_bond: the longest bond, Å. max_angle_error: the largest distance of a bond angle
    from its equilibrium in the force field, degrees. finite: whether all positions and the energy are.
    """

    ca_rms: float
    ca_shift: float
    energy: float
    strain: float
    n_d_residues: int
    min_omega: float
    max_bond: float
    max_angle_error: float
    finite: bool

    def fault(self, max_ca_rms: float = MAX_CA_RMS) -> str:
        """The first criterion that the structure misses, in words, or '' if it meets them all.

        Finite; all L; every peptide bond trans, |omega| > 150°; no bond above 2 Å; no bond angle more than 25° off,
        which betrays an atom on the wrong side of its neighbours; CA RMS below ``max_ca_rms`` (Å); strain below
        0.9 kcal/mol per atom. For CLN025, whose minimised extended chain has -366 kcal/mol (-1532 kJ/mol), that is an
        energy below -217 kcal/mol (-907 kJ/mol); counted from the chain and per atom, it serves any sequence. It is
        generous, for it sums over the peptide: the local criteria are what finds a local fault.
        """
        if not self.finite:
            return "positions or energy are not finite"
        if self.n_d_residues:
            return f"{self.n_d_residues} residues have a stereocentre of the wrong hand: expected all L"
        if self.min_omega <= MIN_OMEGA:
            return f"a peptide bond has |omega| {self.min_omega:.0f}°: expected trans, above {MIN_OMEGA:.0f}°"
        if self.max_bond > MAX_BOND:
            return f"a bond is {self.max_bond:.2f} Å long: expected at most {MAX_BOND} Å"
        if self.max_angle_error > MAX_ANGLE_ERROR:
            return f"a bond angle is {self.max_angle_error:.0f}° off: expected at most {MAX_ANGLE_ERROR:.0f}°"
        if self.ca_rms >= max_ca_rms:
            return f"CA atoms are {self.ca_rms:.2f} Å RMS from the trace: expected below {max_ca_rms} Å"
        if self.strain >= MAX_STRAIN:
            return f"strain is {self.strain:.2f} kcal/mol per atom: expected below {MAX_STRAIN}"
        return ""


class Measure:
    """Measures structures of one peptide. relaxed_energy: of its minimised extended chain, kcal/mol."""

    def __init__(self, peptide: AllAtom, relaxed_energy: float) -> None:
        self._ca = peptide.ca
        self._residue = np.array([residue for residue, _ in peptide.atoms])
        self._relaxed_energy = relaxed_energy
        self._peptide_bonds = peptide_bonds(peptide)
        self._centres = stereocentres(peptide)
        self._bonds = np.array([(bond[0].index, bond[1].index) for bond in peptide.topology.bonds()])
        self._angles, self._equilibria = _angle_terms(peptide)

    def __call__(self, positions: NDArray[np.float64], energy: float, ca: NDArray[np.floating]) -> Quality:
        """Quality of positions [n_atoms, 3] (Å) of this energy (kcal/mol), asked to have CA atoms at ca [n, 3] (Å)."""
        shifts = np.linalg.norm(positions[self._ca] - ca, axis=1)
        bonds = np.linalg.norm(positions[self._bonds[:, 0]] - positions[self._bonds[:, 1]], axis=1)
        wrong = torsions(positions, self._centres) >= 0.0
        errors = np.abs(_angles(positions, self._angles) - self._equilibria)
        return Quality(
            ca_rms=float(np.sqrt(np.mean(shifts**2))),
            ca_shift=float(shifts.max()),
            energy=energy,
            strain=(energy - self._relaxed_energy) / len(positions),
            n_d_residues=len(np.unique(self._residue[self._centres[wrong, 3]])),
            min_omega=float(np.degrees(np.abs(torsions(positions, self._peptide_bonds))).min()),
            max_bond=float(bonds.max()),
            max_angle_error=float(np.degrees(errors).max()),
            finite=bool(np.isfinite(positions).all() and np.isfinite(energy)),
        )


def _angle_terms(peptide: AllAtom) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Atoms [n_angles, 3] of the force field's angle terms, the apex in the middle, and equilibria in rad."""
    mm, _, _ = import_openmm()
    system = make_system(peptide.topology, constrained=False)
    (force,) = (force for force in system.getForces() if isinstance(force, mm.HarmonicAngleForce))
    terms = [force.getAngleParameters(index) for index in range(force.getNumAngles())]
    return np.array([term[:3] for term in terms], dtype=np.int64), np.array([term[3]._value for term in terms])


def _angles(positions: NDArray[np.float64], triples: NDArray[np.int64]) -> NDArray[np.float64]:
    first = positions[triples[:, 0]] - positions[triples[:, 1]]
    second = positions[triples[:, 2]] - positions[triples[:, 1]]
    return np.arctan2(np.linalg.norm(np.cross(first, second), axis=1), (first * second).sum(axis=1))


Quads = NDArray[np.int64]

CA_CENTRE = ("N", "C", "CB", "CA")
CB_CENTRES = {"T": ("CA", "OG1", "CG2", "CB"), "I": ("CA", "CG1", "CG2", "CB")}


def stereocentres(peptide: AllAtom) -> Quads:
    """Atoms of the improper torsion of every stereocentre, [n_centres, 4], the centre last; glycine has none."""
    index = {atom: number for number, atom in enumerate(peptide.atoms)}
    centres = []
    for residue, letter in enumerate(peptide.sequence):
        if letter != "G":
            centres.append([index[residue, name] for name in CA_CENTRE])
        if letter in CB_CENTRES:
            centres.append([index[residue, name] for name in CB_CENTRES[letter]])
    return np.array(centres, dtype=np.int64).reshape(-1, 4)


def peptide_bonds(peptide: AllAtom) -> Quads:
    """Atoms CA, C, N, CA of the torsion omega of every peptide bond, [n_residues - 1, 4]."""
    index = {atom: number for number, atom in enumerate(peptide.atoms)}
    bonds = [
        [index[residue, "CA"], index[residue, "C"], index[residue + 1, "N"], index[residue + 1, "CA"]]
        for residue in range(len(peptide.sequence) - 1)
    ]
    return np.array(bonds, dtype=np.int64).reshape(-1, 4)


def torsions(positions: NDArray[np.floating], quads: Quads) -> NDArray[np.float64]:
    """Dihedral angles in rad, [n_quads], at positions [n_atoms, 3] in Å."""
    coords = torch.from_numpy(np.array(positions, dtype=np.float64))
    return np.array(dihedrals(coords[None], torch.from_numpy(quads))[0].numpy())


def natural_torsions(peptide: AllAtom) -> tuple[Quads, NDArray[np.float64]]:
    """Atoms [n, 4] and values [n] (rad) of the torsions of sound stereochemistry: omega trans, stereocentres as built.

    Raises InputError if a stereocentre of the peptide is the mirror image: it does not come from ``build_peptide``.
    """
    bonds, centres = peptide_bonds(peptide), stereocentres(peptide)
    impropers = torsions(peptide.positions, centres)
    for centre in np.flatnonzero(impropers >= 0.0):
        residue = peptide.atoms[centres[centre, 3]][0]
        raise InputError(
            f"residue {residue + 1} of the peptide '{peptide.sequence}' is the mirror image of the natural amino acid: "
            "expected a peptide made by build_peptide"
        )
    return np.concatenate([bonds, centres]), np.concatenate([np.full(len(bonds), np.pi), impropers])
