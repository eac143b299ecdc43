"""Implicit solvent and all pairs of atoms in C++, in place of OpenMM's own forces: the same energy, many times faster.

``with_native_force`` takes the generalised Born and the nonbonded force out of an openmm.System without cutoff and puts
one openmm.PythonForce in, which calls ``kernels/native/implicit_solvent.cpp``. It needs no headers of OpenMM, and a
system is changed only where a context is made of it, so that what is stored or sent to another process is OpenMM's own.
nm, kJ/mol and elementary charges here.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.kernels.native_library import native_library
from cgexp.reference.all_atom.modules import import_openmm

COULOMB = 138.935456  # kJ/mol nm, of NonbondedForce
BORN_COULOMB = 138.935485  # the same in OpenMM's generalised Born energies
SURFACE = 28.3919551  # kJ/mol/nm^2: 4 pi times 0.54 kcal/mol/nm^2 of the ACE term
OBC_OFFSET, NECK_OFFSET = 0.009, 0.0195141  # nm, by which reduced radii are smaller
OBC_TANH = (1.0, 0.8, 4.85)  # alpha, beta, gamma
NECK_SCALE, NECK_CUT = 0.826836, 0.68  # nm
PAD = 16  # as in native/vector.h
ALIGNMENT = 64

Floats = NDArray[np.float32]
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


def replaceable(system: Any) -> tuple[int, int] | None:
    """Indices of the nonbonded and the generalised Born force, if the kernel can take their place; else None."""
    mm, _, _ = import_openmm()
    forces = system.getForces()
    nonbonded = [i for i, f in enumerate(forces) if isinstance(f, mm.NonbondedForce)]
    born = [i for i, f in enumerate(forces) if isinstance(f, mm.GBSAOBCForce) or _is_known_custom(f)]
    if len(nonbonded) != 1 or len(born) != 1:
        return None
    pairs, solvent = forces[nonbonded[0]], forces[born[0]]
    plain = (
        pairs.getNonbondedMethod() == mm.NonbondedForce.NoCutoff
        and solvent.getNonbondedMethod() == solvent.NoCutoff
        and pairs.getNumParticleParameterOffsets() == pairs.getNumExceptionParameterOffsets() == 0
    )
    return (nonbonded[0], born[0]) if plain else None


def with_native_force(system: Any) -> Any:
    """A copy of an openmm.System in which the kernel has taken the place of two forces, or the system itself if it has
    none that the kernel replaces. Raises NoNativeKernel if the C++ cannot be had here."""
    mm, _, _ = import_openmm()
    indices = replaceable(system)
    if indices is None:
        return system
    kernel = ImplicitSolventKernel(system.getForce(indices[0]), system.getForce(indices[1]))
    copy = mm.XmlSerializer.clone(system)
    for index in sorted(indices, reverse=True):
        copy.removeForce(index)
    copy.addForce(mm.PythonForce(kernel.of_state))
    return copy


class ImplicitSolventKernel:
    """Energy and forces of all pairs of atoms in implicit solvent.

    nonbonded: openmm.NonbondedForce. solvent: see ``born_model``. Both without cutoff.
    """

    def __init__(self, nonbonded: Any, solvent: Any) -> None:
        model = born_model(solvent)
        n = len(model.charge)
        stride = (n + PAD - 1) // PAD * PAD
        sigma, epsilon, kept, atoms, terms = _pairs(nonbonded, model.charge)
        rho = model.reduced + model.offset
        self.n_atoms = n
        self._arrays: dict[str, NDArray[Any]] = {
            "charge": _padded(model.charge, stride),
            "scaled": _padded(model.scaled, stride),
            "rho": _padded(rho, stride),
            "half_sigma": _padded(sigma / 2.0, stride),
            "root_epsilon": _padded(2.0 * np.sqrt(epsilon), stride),
            "reduced": np.ascontiguousarray(model.reduced),
            "alpha": np.ascontiguousarray(model.tanh[:, 0]),
            "beta": np.ascontiguousarray(model.tanh[:, 1]),
            "gamma": np.ascontiguousarray(model.tanh[:, 2]),
            "neck_height": _padded(model.neck_height[:, model.type], stride),
            "neck_place": _padded(model.neck_place[:, model.type], stride),
            "type": np.ascontiguousarray(model.type, dtype=np.int64),
            "kept": _padded(kept, stride),
            "exception_atoms": atoms,
            "exception_terms": terms,
        }
        self._model = _Model(
            n, len(atoms), COULOMB, BORN_COULOMB * model.screening, model.surface, model.neck_scale, NECK_CUT,
            *(array.ctypes.data for array in self._arrays.values()),
        )  # fmt: skip
        library = native_library("implicit_solvent")
        library.implicit_solvent_workspace_bytes.restype = ctypes.c_int64
        self._call = library.implicit_solvent
        self._call.restype = ctypes.c_double
        self._call.argtypes = [ctypes.c_void_p] * 4
        memory = np.zeros(library.implicit_solvent_workspace_bytes(ctypes.c_int64(n)) + ALIGNMENT, np.uint8)
        self._memory = memory[-memory.ctypes.data % ALIGNMENT :]
        self._forces = np.zeros((n, 3))
        self._addresses = ctypes.addressof(self._model), self._memory.ctypes.data, self._forces.ctypes.data

    def __call__(self, positions: Doubles) -> tuple[float, Doubles]:
        """Energy (kJ/mol) and forces [n_atoms, 3] (kJ/mol/nm) at ``positions`` [n_atoms, 3] (nm)."""
        energy = self._at(positions)
        return energy, self._forces.copy()

    def of_state(self, state: Any) -> tuple[float, Doubles]:
        """The same as an openmm.PythonForce wants it."""
        return self._at(state.getPositions(asNumpy=True)._value), self._forces

    def _at(self, positions: Doubles) -> float:
        x = np.ascontiguousarray(positions, dtype=np.float64)
        if x.shape != self._forces.shape:
            raise ValueError(f"positions have shape {x.shape}, expected {self._forces.shape}")
        model, memory, forces = self._addresses
        return float(self._call(model, x.ctypes.data, memory, forces))


class _Model(ctypes.Structure):
    """``ImplicitSolvent`` of native/implicit_solvent.cpp."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("n_atoms", "n_exceptions")),
        *((name, ctypes.c_double) for name in ("coulomb", "born", "surface", "neck_scale", "neck_cut")),
        *(
            (name, ctypes.c_void_p)
            for name in (
                *("charge", "scaled", "rho", "half_sigma", "root_epsilon", "reduced", "alpha", "beta", "gamma"),
                *("neck_height", "neck_place", "type", "kept", "exception_atoms", "exception_terms"),
            )
        ),
    ]


def _padded(values: Doubles, stride: int) -> Floats:
    """float32, the last axis padded with zeros to ``stride``."""
    wide = np.zeros((*values.shape[:-1], stride), np.float32)
    wide[..., : values.shape[-1]] = values
    return wide


def _pairs(nonbonded: Any, charge: Doubles) -> tuple[Doubles, Doubles, Doubles, NDArray[np.int64], Doubles]:
    """sigma and epsilon of every atom, which pairs count [n, n], and atoms and terms of the exceptions."""
    own = np.array([[x._value for x in nonbonded.getParticleParameters(i)] for i in range(len(charge))])
    if not np.allclose(own[:, 0], charge, rtol=0.0, atol=1e-12):
        raise ValueError("the charges of the solvent are not those of the nonbonded force")
    kept = 1.0 - np.eye(len(charge))
    atoms, terms = [], []
    for index in range(nonbonded.getNumExceptions()):
        i, j, product, sigma, epsilon = nonbonded.getExceptionParameters(index)
        kept[i, j] = kept[j, i] = 0.0
        if product._value or epsilon._value:
            atoms.append((i, j))
            terms.append((COULOMB * product._value, sigma._value, 4.0 * epsilon._value))
    pairs = np.array(atoms, dtype=np.int64).reshape(-1, 2)
    return own[:, 1], own[:, 2], kept, pairs, np.array(terms, dtype=np.float64).reshape(-1, 3)


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


def _is_known_custom(force: Any) -> bool:
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
