"""The openmm.System of a peptide: ff14SB with OBC2 implicit solvent.

OpenMM works in nm, kJ/mol and ps here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.reference.all_atom.modules import import_openmm

FORCE_FIELD = ("amber14/protein.ff14SB.xml", "implicit/obc2.xml")
FORCE_FIELD_NAME = "ff14SB + OBC2"
HYDROGEN_MASS = 4.0  # amu, taken from the bonded heavy atom: allows a 4 fs step
SOLUTE_DIELECTRIC, SOLVENT_DIELECTRIC = 1.0, 78.5
BORN_OFFSET = 0.009  # nm, which the file's parameter `or` has subtracted from the radius


def make_system(topology: Any, *, constrained: bool = True, native_gbsa: bool = True) -> Any:
    """Return the openmm.System of a topology: no cutoff, 4 amu hydrogens.

    constrained: bonds to hydrogen are rigid (HBonds). native_gbsa: the compiled GBSAOBCForce in place of the custom
    force of the force-field file; the same model, four times faster.
    """
    _, app, unit = import_openmm()
    system = app.ForceField(*FORCE_FIELD).createSystem(
        topology,
        nonbondedMethod=app.NoCutoff,
        constraints=app.HBonds if constrained else None,
        hydrogenMass=HYDROGEN_MASS * unit.amu,
        removeCMMotion=False,
    )
    if native_gbsa:
        _use_native_gbsa(system)
    return system


def constraint_pairs(system: Any) -> NDArray[np.int64]:
    """Atom indices of the constrained bonds of an openmm.System, [n_constraints, 2]."""
    pairs = [system.getConstraintParameters(index)[:2] for index in range(system.getNumConstraints())]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _use_native_gbsa(system: Any) -> None:
    """Replace the CustomGBForce of implicit/obc2.xml by the compiled GBSAOBCForce, in place."""
    mm, _, _ = import_openmm()
    (index,) = (i for i, force in enumerate(system.getForces()) if isinstance(force, mm.CustomGBForce))
    custom = system.getForce(index)
    names = [custom.getPerParticleParameterName(i) for i in range(custom.getNumPerParticleParameters())]
    native = mm.GBSAOBCForce()
    native.setNonbondedMethod(mm.GBSAOBCForce.NoCutoff)
    native.setSoluteDielectric(SOLUTE_DIELECTRIC)
    native.setSolventDielectric(SOLVENT_DIELECTRIC)
    for particle in range(custom.getNumParticles()):
        values = dict(zip(names, custom.getParticleParameters(particle), strict=True))
        reduced_radius = values["or"]
        native.addParticle(values["charge"], reduced_radius + BORN_OFFSET, values["sr"] / reduced_radius)
    system.removeForce(index)
    system.addForce(native)
