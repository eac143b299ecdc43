"""Beads held where they are while the other atoms move: frozen exactly, or by springs where bonds are rigid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.modules import import_openmm
from cgexp.units import KCAL_IN_KJ, NM_IN_ANGSTROM

Indices = NDArray[np.integer]


def freeze(system: Any, atoms: Indices) -> Any:
    """A copy of an openmm.System that holds ``atoms``, none of them constrained, still: their mass is 0."""
    frozen = import_openmm().mm.XmlSerializer.clone(system)
    for atom in atoms:
        frozen.setParticleMass(int(atom), 0.0)
    return frozen


def restrain(system: Any, atoms: Indices, places: NDArray[np.floating], force_constant: float) -> Any:
    """A copy of an openmm.System with 1/2 k |r - place|^2 on ``atoms``.

    places: [n, 3], Å. force_constant: k, kcal/mol/Å^2.
    """
    mm, _, _ = import_openmm()
    force = mm.CustomExternalForce("0.5 * k * ((x - x0)^2 + (y - y0)^2 + (z - z0)^2)")
    force.addGlobalParameter("k", force_constant * KCAL_IN_KJ * NM_IN_ANGSTROM**2)
    for name in ("x0", "y0", "z0"):
        force.addPerParticleParameter(name)
    for atom, place in zip(atoms, places, strict=True):
        force.addParticle(int(atom), [float(value) / NM_IN_ANGSTROM for value in place])
    restrained = mm.XmlSerializer.clone(system)
    restrained.addForce(force)
    return restrained
