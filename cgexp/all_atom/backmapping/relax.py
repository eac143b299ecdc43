"""Relaxer: from a stitched guess to a sound all-atom structure, in stages, with the CA atoms held in place.

OpenMM works in nm, kJ/mol and ps here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.backmapping.quality import natural_torsions
from cgexp.all_atom.engine import PlatformName, make_context, on_cpu
from cgexp.all_atom.force_field import ForceField, make_system
from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.sampling.segment import pack_system
from cgexp.all_atom.structure import AllAtom
from cgexp.units import KCAL_IN_KJ, NM_IN_ANGSTROM

if TYPE_CHECKING:
    import openmm.app

STIFFNESS, FINAL_STIFFNESS = 1e4, 1e5  # kJ/mol/nm^2, of the harmonic restraints on the CA atoms
STEREO_BARRIER = 400.0  # kJ/mol, of the torsions that keep peptide bonds trans and stereocentres natural
REPULSION = 300.0  # kJ/mol, of two soft atoms on top of one another
SOFT_RADII = {"H": 0.11, "C": 0.165, "N": 0.15, "O": 0.145, "S": 0.18}  # nm
SOFT_CONTACT = 0.85  # soft atoms repel below this share of the sum of their radii
TOLERANCE, FINAL_TOLERANCE = 50.0, 20.0  # kJ/mol/nm
N_ITERATIONS = 100  # at most, of one minimisation
TEMPERATURE, FRICTION, TIME_STEP, N_STEPS = 300.0, 10.0, 0.002, 250  # K, 1/ps, ps: the soft dynamics
AUXILIARY = 1  # force group of restraints and guarding torsions, which are no part of the energy


class Relaxer:
    """Staged minimisation of a peptide under CA restraints.

    Torsions that keep every peptide bond trans and every stereocentre natural act throughout. Every call makes its own
    contexts, so that a result depends on its arguments alone. platform: 'auto' is the native kernel or the CPU, where a
    peptide takes a fraction of a second and side by side workers do not share one GPU.
    """

    def __init__(self, peptide: AllAtom, force_field: ForceField, platform: PlatformName = "auto") -> None:
        self._platform = platform
        self._ca = peptide.ca
        full = make_system(peptide.topology, force_field, constrained=False)
        _guard_stereochemistry(full, peptide)
        self._full = pack_system(full)
        _soften(full, peptide.topology)
        self._soft = pack_system(full)

    def relax(
        self,
        positions: NDArray[np.floating],
        ca: NDArray[np.floating],
        seed: int,
        final_stiffness: float = FINAL_STIFFNESS,
    ) -> tuple[NDArray[np.float64], float]:
        """Relaxed positions [n_atoms, 3] in Å and their potential energy in kcal/mol, without restraints.

        positions: the guess, [n_atoms, 3], Å. ca: where the CA atoms belong, [n_residues, 3], Å. seed: of the soft
        dynamics. final_stiffness: kJ/mol/nm^2, of the last restraints. First bonded terms alone, then soft repulsion
        with a short dynamics, then the full force field.
        """
        stiffness = min(STIFFNESS, final_stiffness)
        soft = self._context(self._soft, positions / NM_IN_ANGSTROM, ca, seed)
        _minimise(soft, stiffness=stiffness, repulsion=0.0)
        _minimise(soft, stiffness=stiffness, repulsion=REPULSION)
        soft.setVelocitiesToTemperature(TEMPERATURE, seed)
        soft.getIntegrator().step(N_STEPS)
        _minimise(soft, stiffness=stiffness, repulsion=REPULSION)
        full = self._context(self._full, _positions(soft), ca, seed)
        _minimise(full, stiffness=stiffness)
        _minimise(full, FINAL_TOLERANCE, stiffness=final_stiffness)
        energy = full.getState(energy=True, groups=~(1 << AUXILIARY)).getPotentialEnergy()._value / KCAL_IN_KJ
        return _positions(full) * NM_IN_ANGSTROM, float(energy)

    def _context(
        self, packed: str, positions: NDArray[np.floating], ca: NDArray[np.floating], seed: int
    ) -> openmm.Context:
        """A fresh context at positions (nm), with restraints of stiffness ``stiffness`` to ca (Å)."""
        mm, _, _ = import_openmm()
        system = mm.XmlSerializer.deserialize(packed)
        restraint = mm.CustomExternalForce("0.5*stiffness*((x-x0)^2+(y-y0)^2+(z-z0)^2)")
        restraint.addGlobalParameter("stiffness", STIFFNESS)
        for name in ("x0", "y0", "z0"):
            restraint.addPerParticleParameter(name)
        for atom, target in zip(self._ca, ca, strict=True):
            restraint.addParticle(int(atom), [float(value) / NM_IN_ANGSTROM for value in target])
        restraint.setForceGroup(AUXILIARY)
        system.addForce(restraint)
        system, platform = on_cpu(system) if self._platform == "auto" else (system, self._platform)
        context = make_context(system, TEMPERATURE, seed, friction=FRICTION, time_step=TIME_STEP, platform=platform)
        context.setPositions(positions)
        return context


def _minimise(context: openmm.Context, tolerance: float = TOLERANCE, **parameters: float) -> None:
    for name, value in parameters.items():
        context.setParameter(name, value)
    import_openmm().mm.LocalEnergyMinimizer.minimize(context, tolerance, N_ITERATIONS)


def _positions(context: openmm.Context) -> NDArray[np.float64]:
    return np.array(context.getState(positions=True).getPositions(asNumpy=True)._value, dtype=np.float64)


def _guard_stereochemistry(system: openmm.System, peptide: AllAtom) -> None:
    """Add torsions that keep peptide bonds trans (proline's too) and stereocentres as built."""
    mm, _, _ = import_openmm()
    force = mm.CustomTorsionForce(f"{STEREO_BARRIER}*(1-cos(theta-natural))")
    force.addPerTorsionParameter("natural")
    for quad, value in zip(*natural_torsions(peptide), strict=True):
        force.addTorsion(*map(int, quad), [float(value)])
    force.setForceGroup(AUXILIARY)
    system.addForce(force)


def _soften(system: openmm.System, topology: openmm.app.Topology) -> None:
    """Replace charges, van der Waals and solvent by a finite repulsion between atoms more than three bonds apart."""
    mm, _, _ = import_openmm()
    for index in reversed(range(system.getNumForces())):
        if isinstance(system.getForce(index), (mm.NonbondedForce, mm.GBSAOBCForce, mm.CustomGBForce)):
            system.removeForce(index)
    force = mm.CustomNonbondedForce(
        f"repulsion*step(contact-r)*(1-r/contact)^2; contact={SOFT_CONTACT}*(radius1+radius2)"
    )
    force.addGlobalParameter("repulsion", REPULSION)
    force.addPerParticleParameter("radius")
    for atom in topology.atoms():
        force.addParticle([SOFT_RADII[atom.element.symbol]])
    force.setNonbondedMethod(mm.CustomNonbondedForce.CutoffNonPeriodic)
    force.setCutoffDistance(2.0 * SOFT_CONTACT * max(SOFT_RADII.values()))
    force.createExclusionsFromBonds([(bond[0].index, bond[1].index) for bond in topology.bonds()], 3)
    system.addForce(force)
