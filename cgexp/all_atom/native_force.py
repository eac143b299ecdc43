"""A peptide in implicit solvent in C++, in place of OpenMM's own forces: the same energy, many times faster.

``with_native_force`` takes the generalised Born, nonbonded and bonded forces out of an openmm.System without cutoff and
puts one openmm.PythonForce in, which calls ``kernels/native/implicit_solvent.cpp``. It needs no headers of OpenMM, and
a system is changed only where a context is made of it, so that what is stored or sent to another process is OpenMM's
own. nm, kJ/mol and elementary charges here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.born_model import born_model, charges_of, is_known_custom
from cgexp.all_atom.modules import import_openmm
from cgexp.kernels.native_library import NoNativeKernel, native_library

if TYPE_CHECKING:
    import openmm

COULOMB = 138.935456  # kJ/mol nm, of NonbondedForce
BORN_COULOMB = 138.935485  # the same in OpenMM's generalised Born energies
NECK_CUT = 0.68  # nm
PAD, BONDED_PAD = 16, 8  # atoms and bonded terms in a vector at most, see native/vector.h
MAX_ORDER = 6  # of a periodic torsion here; a force with others stays OpenMM's
ALIGNMENT = 64

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def replaceable(system: openmm.System) -> tuple[int, int] | None:
    """Indices of the nonbonded and the generalised Born force, if the kernel can take their place; else None."""
    mm, _, _ = import_openmm()
    forces = system.getForces()
    nonbonded = [i for i, f in enumerate(forces) if isinstance(f, mm.NonbondedForce)]
    born = [i for i, f in enumerate(forces) if isinstance(f, mm.GBSAOBCForce) or is_known_custom(f)]
    if len(nonbonded) != 1 or len(born) != 1:
        return None
    pairs, solvent = forces[nonbonded[0]], forces[born[0]]
    plain = (
        pairs.getNonbondedMethod() == mm.NonbondedForce.NoCutoff
        and pairs.getForceGroup() == solvent.getForceGroup()
        and solvent.getNonbondedMethod() == solvent.NoCutoff
        and pairs.getNumParticleParameterOffsets() == pairs.getNumExceptionParameterOffsets() == 0
        and pairs.getNumParticles() == solvent.getNumParticles()
        and np.allclose(_own(pairs)[:, 0], charges_of(solvent), rtol=0.0, atol=1e-12)
    )
    return (nonbonded[0], born[0]) if plain else None


def bonded_forces(system: openmm.System, group: int = 0) -> list[int]:
    """Indices of the forces of bonds, angles and dihedrals in a force group, which the kernel takes over too."""
    mm, _, _ = import_openmm()
    kinds = (mm.HarmonicBondForce, mm.HarmonicAngleForce, mm.PeriodicTorsionForce)
    return [
        index
        for index, force in enumerate(system.getForces())
        if isinstance(force, kinds)
        and not force.usesPeriodicBoundaryConditions()
        and force.getForceGroup() == group
        and not (isinstance(force, mm.PeriodicTorsionForce) and _has_other_orders(force))
    ]


def _has_other_orders(torsions: openmm.PeriodicTorsionForce) -> bool:
    orders = (torsions.getTorsionParameters(index)[4] for index in range(torsions.getNumTorsions()))
    return any(not 1 <= order <= MAX_ORDER for order in orders)


def with_native_force(system: openmm.System) -> openmm.System:
    """A copy of an openmm.System in which the kernel has taken the place of its forces, or the system itself if it has
    none that the kernel replaces. Raises NoNativeKernel if the C++ cannot be had here, or OpenMM is too old for it."""
    mm, _, _ = import_openmm()
    indices = replaceable(system)
    if indices is None:
        return system
    if not hasattr(mm, "PythonForce"):
        raise NoNativeKernel("this OpenMM has no PythonForce", "install a newer one, or choose platform=CPU")
    pairs, solvent = (system.getForce(index) for index in indices)
    bonded = bonded_forces(system, pairs.getForceGroup())
    kernel = ImplicitSolventKernel(pairs, solvent, [system.getForce(index) for index in bonded])
    copy = mm.XmlSerializer.clone(system)
    for index in sorted([*indices, *bonded], reverse=True):
        copy.removeForce(index)
    force = mm.PythonForce(kernel.of_state)
    force.setForceGroup(pairs.getForceGroup())
    copy.addForce(force)
    return copy


class ImplicitSolventKernel:
    """Energy and forces of a peptide in implicit solvent.

    nonbonded: openmm.NonbondedForce. solvent: see ``born_model``. Both without cutoff. bonded: forces of
    ``bonded_forces``.
    """

    def __init__(
        self, nonbonded: openmm.NonbondedForce, solvent: openmm.Force, bonded: Sequence[openmm.Force] = ()
    ) -> None:
        model = born_model(solvent)
        n = len(model.charge)
        stride = (n + PAD - 1) // PAD * PAD
        sigma, epsilon, kept, atoms, terms = _pairs(nonbonded)
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
        self._bonded = BondedTerms(bonded)
        self._model = _Model(
            n, len(atoms), COULOMB, BORN_COULOMB * model.screening, model.surface, model.neck_scale, NECK_CUT,
            *(array.ctypes.data for array in self._arrays.values()),
            *self._bonded.structures, self._bonded.offset,
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

    def of_state(self, state: openmm.State) -> tuple[float, Doubles]:
        """The same, in the form of an openmm.PythonForce."""
        return self._at(state.getPositions(asNumpy=True)._value), self._forces

    def _at(self, positions: Doubles) -> float:
        x = np.ascontiguousarray(positions, dtype=np.float64)
        if x.shape != self._forces.shape:
            raise ValueError(f"positions have shape {x.shape}, expected {self._forces.shape}")
        model, memory, forces = self._addresses
        return float(self._call(model, x.ctypes.data, memory, forces))


class BondedTerms:
    """Bonds, angles and dihedrals of openmm.Forces as the C++ kernel takes them: an array for each kind.

    structures: one of bonds, angles, dihedrals. offset: what all dihedrals add to the energy, kJ/mol: OpenMM's
    k (1 + cos(n phi - phi0)) is k + k cos(phi0) cos(n phi) + k sin(phi0) sin(n phi).
    """

    def __init__(self, forces: Sequence[openmm.Force]) -> None:
        mm, _, _ = import_openmm()
        harmonic: dict[int, list[tuple[tuple[int, ...], float, float]]] = {2: [], 3: []}
        series: dict[tuple[int, ...], NDArray[np.float64]] = {}
        self.offset = 0.0
        for force in forces:
            if isinstance(force, mm.PeriodicTorsionForce):
                for index in range(force.getNumTorsions()):
                    *atoms, order, phase, k = force.getTorsionParameters(index)
                    own = series.setdefault(tuple(atoms), np.zeros((2, MAX_ORDER)))
                    own[:, order - 1] += k._value * np.cos(phase._value), k._value * np.sin(phase._value)
                    self.offset += k._value
            elif isinstance(force, mm.HarmonicBondForce):
                for index in range(force.getNumBonds()):
                    *atoms, centre, k = force.getBondParameters(index)
                    harmonic[2].append((tuple(atoms), centre._value, k._value))
            else:
                for index in range(force.getNumAngles()):
                    *atoms, centre, k = force.getAngleParameters(index)
                    harmonic[3].append((tuple(atoms), centre._value, k._value))
        tables = [
            (n_atoms, [atoms for atoms, _, _ in terms], np.array([[c, k] for _, c, k in terms]).reshape(-1, 2, 1))
            for n_atoms, terms in harmonic.items()
        ]
        tables.append((4, list(series), np.array(list(series.values())).reshape(-1, 2, MAX_ORDER)))
        self._kept: list[NDArray[Any]] = []
        self.structures = [self._structure(*table) for table in tables]

    def _structure(self, n_atoms: int, atoms: list[tuple[int, ...]], values: NDArray[np.float64]) -> _Bonded:
        """atoms: of n terms. values: [n, 2, n_series]; padded with the last term at no cost in energy."""
        n = (len(atoms) + BONDED_PAD - 1) // BONDED_PAD * BONDED_PAD
        padded = np.array([*atoms, *atoms[-1:] * (n - len(atoms))], dtype=np.int64).reshape(n, n_atoms)
        numbers = np.zeros((2, values.shape[2], n))
        numbers[:, :, : len(atoms)] = values.transpose(1, 2, 0)
        self._kept += [padded, numbers]
        return _Bonded(n_atoms, n, values.shape[2], padded.ctypes.data, numbers[0].ctypes.data, numbers[1].ctypes.data)


class _Bonded(ctypes.Structure):
    """``BondedTerms`` of native/bonded.h."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("n_atoms", "n", "n_series")),
        *((name, ctypes.c_void_p) for name in ("atoms", "first", "second")),
    ]


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
        *((name, _Bonded) for name in ("bonds", "angles", "dihedrals")),
        ("offset", ctypes.c_double),
    ]


def _padded(values: Doubles, stride: int) -> Floats:
    """float32, the last axis padded with zeros to ``stride``."""
    wide = np.zeros((*values.shape[:-1], stride), np.float32)
    wide[..., : values.shape[-1]] = values
    return wide


def _own(nonbonded: openmm.NonbondedForce) -> Doubles:
    """Charge, sigma and epsilon of every atom, [n_atoms, 3]."""
    n = nonbonded.getNumParticles()
    return np.array([[x._value for x in nonbonded.getParticleParameters(i)] for i in range(n)]).reshape(n, 3)


def _pairs(nonbonded: openmm.NonbondedForce) -> tuple[Doubles, Doubles, Doubles, NDArray[np.int64], Doubles]:
    """sigma and epsilon of every atom, which pairs count [n, n], and atoms and terms of the exceptions."""
    own = _own(nonbonded)
    kept = 1.0 - np.eye(len(own))
    atoms, terms = [], []
    for index in range(nonbonded.getNumExceptions()):
        i, j, product, sigma, epsilon = nonbonded.getExceptionParameters(index)
        kept[i, j] = kept[j, i] = 0.0
        if product._value or epsilon._value:
            atoms.append((i, j))
            terms.append((COULOMB * product._value, sigma._value, 4.0 * epsilon._value))
    pairs = np.array(atoms, dtype=np.int64).reshape(-1, 2)
    return own[:, 1], own[:, 2], kept, pairs, np.array(terms, dtype=np.float64).reshape(-1, 3)
