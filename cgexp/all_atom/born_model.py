"""BornModel: what a generalised Born force of OpenMM computes, as numbers. nm, kJ/mol and elementary charges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.modules import import_openmm

SURFACE = 28.3919551  # kJ/mol/nm^2: 4 pi times 0.54 kcal/mol/nm^2 of the ACE term
OBC_OFFSET, NECK_OFFSET = 0.009, 0.0195141  # nm, by which reduced radii are smaller
OBC_TANH = (1.0, 0.8, 4.85)  # alpha, beta, gamma
NECK_SCALE = 0.826836

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class BornModel:
    """A generalised Born model as its openmm.Force states it.

    charge, reduced (radius less ``offset``), scaled: of every atom, [n_atoms]. tanh: alpha, beta, gamma [n_atoms, 3].
    type: row of the atom in the tables of necks, [n_atoms]. neck_height, neck_place: [n_types, n_types], zero without
    necks. screening: 1/eps_in - 1/eps_out. surface: kJ/mol/nm^2, 0 for none.
    """

    charge: Doubles
    reduced: Doubles
    scaled: Doubles
    offset: float
    tanh: Doubles
    type: NDArray[np.int64]
    neck_height: Doubles
    neck_place: Doubles
    neck_scale: float
    screening: float
    surface: float


def born_model(force: Any) -> BornModel:
    """What a GBSAOBCForce, or the CustomGBForce of OpenMM's obc2.xml or gbn2.xml, computes."""
    mm, _, _ = import_openmm()
    return _compiled(force) if isinstance(force, mm.GBSAOBCForce) else _custom(force)


def _compiled(force: Any) -> BornModel:
    _, _, unit = import_openmm()
    n = force.getNumParticles()
    own = np.array([[getattr(x, "_value", x) for x in force.getParticleParameters(i)] for i in range(n)])
    reduced = own[:, 1] - OBC_OFFSET
    surface = force.getSurfaceAreaEnergy().value_in_unit(unit.kilojoule_per_mole / unit.nanometer**2)
    return BornModel(
        charge=own[:, 0],
        reduced=reduced,
        scaled=own[:, 2] * reduced,
        offset=OBC_OFFSET,
        tanh=np.tile(OBC_TANH, (n, 1)),
        **_no_necks(n),
        screening=1.0 / force.getSoluteDielectric() - 1.0 / force.getSolventDielectric(),
        surface=4.0 * np.pi * surface,
    )


def _custom(force: Any) -> BornModel:
    names = [force.getPerParticleParameterName(k) for k in range(force.getNumPerParticleParameters())]
    n, neck = force.getNumParticles(), "radindex" in names
    own = dict(zip(names, np.array([force.getParticleParameters(i) for i in range(n)]).T, strict=True))
    return BornModel(
        charge=own["charge"],
        reduced=own["or"],
        scaled=own["sr"],
        offset=NECK_OFFSET if neck else OBC_OFFSET,
        tanh=np.stack([own["alpha"], own["beta"], own["gamma"]], 1) if neck else np.tile(OBC_TANH, (n, 1)),
        **(_necks(force, own["radindex"]) if neck else _no_necks(n)),
        screening=1.0 / _number(force, "soluteDielectric") - 1.0 / _number(force, "solventDielectric"),
        surface=SURFACE if any("28.3919551" in text for text in _energies(force)) else 0.0,
    )


def _necks(force: Any, index: Doubles) -> dict[str, Any]:
    tables = {}
    for k in range(force.getNumTabulatedFunctions()):
        n_x, n_y, values = force.getTabulatedFunction(k).getFunctionParameters()
        tables[force.getTabulatedFunctionName(k)] = np.array(values).reshape(n_y, n_x).T  # value(x, y): x + n_x y
    return {
        "type": index.astype(np.int64),
        "neck_height": tables["getm0"],
        "neck_place": tables["getd0"],
        "neck_scale": NECK_SCALE,
    }


def _no_necks(n: int) -> dict[str, Any]:
    return {
        "type": np.zeros(n, np.int64),
        "neck_height": np.zeros((1, 1)),
        "neck_place": np.zeros((1, 1)),
        "neck_scale": 0.0,
    }


def is_known_custom(force: Any) -> bool:
    """Whether a force is the CustomGBForce of obc2.xml or gbn2.xml without salt, with the ACE term or without."""
    mm, _, _ = import_openmm()
    if not isinstance(force, mm.CustomGBForce) or force.getNumComputedValues() != 2:
        return False
    radius = force.getComputedValueParameters(1)[1]
    names = {force.getPerParticleParameterName(k) for k in range(force.getNumPerParticleParameters())}
    obc2 = names == {"charge", "or", "sr"} and "tanh(psi-0.8*psi^2+4.85*psi^3)" in radius
    gbn2 = (
        names == {"charge", "or", "sr", "alpha", "beta", "gamma", "radindex"}
        and "neckScale=0.826836" in (force.getComputedValueParameters(0)[1])
    )
    no_salt = all("exp(-kappa" not in text for text in _energies(force))
    return (obc2 or gbn2) and no_salt and force.getNumGlobalParameters() == 0


def _energies(force: Any) -> list[str]:
    return [force.getEnergyTermParameters(k)[0] for k in range(force.getNumEnergyTerms())]


def _number(force: Any, name: str) -> float:
    """The value of a constant that the energies of a CustomGBForce define."""
    for definition in _energies(force)[0].split(";"):
        key, _, value = definition.partition("=")
        if key.strip() == name:
            return float(value)
    raise ValueError(f"the generalised Born force does not define {name}")
