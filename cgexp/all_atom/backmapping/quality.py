"""Quality: what a back-mapped structure is measured by, and the criteria that accept or reject it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.backmapping.stereochemistry import peptide_bonds, stereocentres, torsions
from cgexp.all_atom.force_field import make_system
from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.structure import AllAtom

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
