"""The openmm.System of a peptide: ff14SB in implicit solvent (OBC2) or in explicit water (TIP3P).

OpenMM works in nm, kJ/mol and ps here.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cgexp.reference.all_atom.modules import import_openmm

Solvent = Literal["obc2", "tip3p"]
FORCE_FIELD = ("amber14/protein.ff14SB.xml", "implicit/obc2.xml")
EXPLICIT_FORCE_FIELD = ("amber14/protein.ff14SB.xml", "amber14/tip3p.xml")  # the second holds the ions too
FORCE_FIELD_NAME = "ff14SB + OBC2"
FORCE_FIELD_NAMES: dict[str, str] = {"obc2": FORCE_FIELD_NAME, "tip3p": "ff14SB + TIP3P"}
HYDROGEN_MASS = 4.0  # amu, taken from the bonded heavy atom: allows a 4 fs step
SOLUTE_DIELECTRIC, SOLVENT_DIELECTRIC = 1.0, 78.5
BORN_OFFSET = 0.009  # nm, which the file's parameter `or` has subtracted from the radius
CUTOFF = 0.9  # nm, of the direct space of PME and of Lennard-Jones (with the dispersion correction)


def make_system(topology: Any, *, solvent: Solvent = "obc2", constrained: bool = True, native_gbsa: bool = True) -> Any:
    """Return the openmm.System of a topology, with 4 amu hydrogens on the solute.

    solvent: 'obc2' without cutoff; 'tip3p' with PME and rigid water, for a topology from ``solvate``. constrained:
    bonds to hydrogen are rigid (HBonds). native_gbsa: the compiled GBSAOBCForce in place of the custom force of the
    force-field file; the same model, four times faster.
    """
    _, app, unit = import_openmm()
    explicit = solvent == "tip3p"
    options: dict[str, Any] = {"nonbondedMethod": app.NoCutoff}
    if explicit:
        options = {"nonbondedMethod": app.PME, "nonbondedCutoff": CUTOFF, "rigidWater": True}
    system = app.ForceField(*(EXPLICIT_FORCE_FIELD if explicit else FORCE_FIELD)).createSystem(
        topology,
        constraints=app.HBonds if constrained else None,
        hydrogenMass=HYDROGEN_MASS * unit.amu,
        removeCMMotion=False,
        **options,
    )
    if native_gbsa and not explicit:
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
