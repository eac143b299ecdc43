"""BornModel: what a generalised Born force of OpenMM computes, as numbers. nm, kJ/mol and elementary charges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.modules import import_openmm

if TYPE_CHECKING:
    import openmm

SURFACE = 28.3919551  # kJ/mol/nm^2: 4 pi times 0.54 kcal/mol/nm^2 of the ACE term
OBC_OFFSET, NECK_OFFSET = 0.009, 0.0195141  # nm, by which reduced radii are smaller
OBC_TANH = (1.0, 0.8, 4.85)  # alpha, beta, gamma
NECK_SCALE = 0.826836

# the formulas of OpenMM's obc2.xml and gbn2.xml
OBC_PARAMETERS = {"charge", "or", "sr"}
NECK_PARAMETERS = OBC_PARAMETERS | {"alpha", "beta", "gamma", "radindex"}
_HCT = "select(step(r+sr2-or1), 0.5*(1/L-1/U+0.25*(r-sr2^2/r)*(1/(U^2)-1/(L^2))+0.5*log(L/U)/r), 0);"
_BOUNDS = "U=r+sr2;L=max(or1, D);D=abs(r-sr2)"
HCT_INTEGRAL = _HCT + _BOUNDS
NECK_INTEGRAL = (
    "Ivdw+neckScale*Ineck;"
    "Ineck=step(radius1+radius2+neckCut-r)*getm0(radindex1,radindex2)/(1+100*(r-getd0(radindex1,radindex2))^2+"
    f"0.3*1000000*(r-getd0(radindex1,radindex2))^6);Ivdw={_HCT}{_BOUNDS};"
    "radius1=or1+offset; radius2=or2+offset;neckScale=0.826836; neckCut=0.68; offset=0.0195141"
)
OBC_RADIUS = "1/(1/or-tanh(psi-0.8*psi^2+4.85*psi^3)/radius);psi=I*or; radius=or+offset; offset=0.009"
NECK_RADIUS = "1/(1/or-tanh(alpha*psi-beta*psi^2+gamma*psi^3)/radius);psi=I*or; radius=or+offset; offset=0.0195141"
ENERGIES = (  # of an atom, of its surface, of a pair
    "-0.5*138.935485*(1/soluteDielectric-1/solventDielectric)*charge^2/B",
    "28.3919551*(radius+0.14)^2*(radius/B)^6; radius=or+offset",
    "-138.935485*(1/soluteDielectric-1/solventDielectric)*charge1*charge2/f;f=sqrt(r^2+B1*B2*exp(-r^2/(4*B1*B2)))",
)

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


def born_model(force: openmm.Force) -> BornModel:
    """What a GBSAOBCForce, or the CustomGBForce of OpenMM's obc2.xml or gbn2.xml, computes."""
    mm, _, _ = import_openmm()
    return _compiled(force) if isinstance(force, mm.GBSAOBCForce) else _custom(force)


def _compiled(force: openmm.Force) -> BornModel:
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


def _custom(force: openmm.Force) -> BornModel:
    names = [force.getPerParticleParameterName(k) for k in range(force.getNumPerParticleParameters())]
    n, neck, constants = force.getNumParticles(), "radindex" in names, _constants(force)
    own = dict(zip(names, np.array([force.getParticleParameters(i) for i in range(n)]).T, strict=True))
    return BornModel(
        charge=own["charge"],
        reduced=own["or"],
        scaled=own["sr"],
        offset=NECK_OFFSET if neck else OBC_OFFSET,
        tanh=np.stack([own["alpha"], own["beta"], own["gamma"]], 1) if neck else np.tile(OBC_TANH, (n, 1)),
        **(_necks(force, own["radindex"]) if neck else _no_necks(n)),
        screening=1.0 / constants["soluteDielectric"] - 1.0 / constants["solventDielectric"],
        surface=SURFACE if force.getNumEnergyTerms() == 3 else 0.0,
    )


def _necks(force: openmm.Force, index: Doubles) -> dict[str, Any]:
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


def is_known_custom(force: openmm.Force) -> bool:
    """Whether a force is the CustomGBForce of obc2.xml or gbn2.xml without salt, with the ACE term or without.

    Its formulas are compared to the letter: another number in one of them is another model.
    """
    mm, _, _ = import_openmm()
    if not isinstance(force, mm.CustomGBForce) or force.getNumGlobalParameters() or not _energies(force):
        return False
    names = {force.getPerParticleParameterName(k) for k in range(force.getNumPerParticleParameters())}
    if names not in (OBC_PARAMETERS, NECK_PARAMETERS):
        return False
    neck = names == NECK_PARAMETERS
    constants = _constants(force)
    if set(constants) != {"solventDielectric", "soluteDielectric", "kappa", "offset"}:
        return False
    if constants["kappa"] != 0.0 or constants["offset"] != (NECK_OFFSET if neck else OBC_OFFSET):
        return False
    tail = _energies(force)[0].partition(";")[2]
    every, single = force.ParticlePairNoExclusions, force.SingleParticle
    values = [("I", NECK_INTEGRAL if neck else HCT_INTEGRAL, every), ("B", NECK_RADIUS if neck else OBC_RADIUS, single)]
    own, surface, pair = (
        (f"{text};{tail}", kind) for text, kind in zip(ENERGIES, (single, single, every), strict=True)
    )
    found = [tuple(force.getComputedValueParameters(k)) for k in range(force.getNumComputedValues())]
    terms = [tuple(force.getEnergyTermParameters(k)) for k in range(force.getNumEnergyTerms())]
    return found == values and terms in ([own, pair], [own, surface, pair])


def charges_of(force: openmm.Force) -> Doubles:
    """Charges of the particles of a generalised Born force, [n_atoms]."""
    mm, _, _ = import_openmm()
    rows = [force.getParticleParameters(i) for i in range(force.getNumParticles())]
    if isinstance(force, mm.GBSAOBCForce):
        return np.array([row[0]._value for row in rows])
    names = [force.getPerParticleParameterName(k) for k in range(force.getNumPerParticleParameters())]
    return np.array([row[names.index("charge")] for row in rows])


def _energies(force: openmm.Force) -> list[str]:
    return [force.getEnergyTermParameters(k)[0] for k in range(force.getNumEnergyTerms())]


def _constants(force: openmm.Force) -> dict[str, float]:
    """The constants that the energies of a CustomGBForce define; NaN for what is no number."""
    definitions = [text.partition("=") for text in _energies(force)[0].split(";")[1:]]
    return {key.strip(): _number(value) for key, _, value in definitions}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
