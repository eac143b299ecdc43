"""Energy and forces of a prior beside a fast network: in plain torch, and by native/prior.cpp."""

from __future__ import annotations

import copy
import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from cgexp.energy import EnergyTerm
from cgexp.kernels.fused import SUFFIXES
from cgexp.kernels.native_library import native_library
from cgexp.models.potential import Potential
from cgexp.priors.dihedral import FourierDihedrals
from cgexp.priors.harmonic import HarmonicAngles, HarmonicBonds
from cgexp.priors.prior import Prior
from cgexp.priors.repulsion import Repulsion
from cgexp.priors.term import PriorTerm
from cgexp.priors.wall import HarmonicWall

AddPrior = Callable[[Tensor, Tensor, Tensor], None]  # coords, and energy and forces that it is added to
DISTANCE_TERMS = (HarmonicBonds, Repulsion)  # functions of distances between two of their ``beads``


def add_prior(prior: EnergyTerm) -> AddPrior:
    """The whole prior, by reverse mode from the coordinates."""
    potential = Potential(None, prior)

    def add(coords: Tensor, energy: Tensor, forces: Tensor) -> None:
        own_energy, own_forces = potential.energy_and_forces(coords)
        assert own_energy is not None
        energy.add_(own_energy)
        forces.add_(own_forces)

    return add


class DistanceTerms:
    """Terms of a prior that are functions of distances, evaluated on distances that the network has found already.

    pairs: [n_pairs, 2] with i < j, all pairs of beads. ``rest`` is the prior of all other terms.
    """

    def __init__(self, prior: EnergyTerm, pairs: Tensor) -> None:
        terms = dict(prior.items()) if isinstance(prior, Prior) else {}
        # exactly these classes: a subclass may measure something else
        own = {name: term for name, term in terms.items() if type(term) in DISTANCE_TERMS}
        self._terms = [(term, _places(term.get_buffer("beads"), pairs)) for term in own.values()]
        self.rest: EnergyTerm | None = prior
        if isinstance(prior, Prior):
            others = {name: term for name, term in terms.items() if name not in own}
            self.rest = _prior_of(others, prior) if others else None

    def add(self, r: Tensor, energy: Tensor, slopes: Tensor) -> None:
        """Add to energy [n_frames] and dU/dr [n_pairs, n_frames] at distances r [n_pairs, n_frames]."""
        for term, places in self._terms:
            with torch.enable_grad():
                values = r.index_select(0, places).requires_grad_()
                energies = term.energies(values.T).sum(-1)
                (slope,) = torch.autograd.grad(energies.sum(), values)
            energy.add_(energies.detach())
            # no pair occurs twice in a term, so that the sum does not depend on an order
            slopes.index_add_(0, places, slope)


def _prior_of(terms: dict[str, PriorTerm], of: Prior) -> Prior:
    prior = Prior(terms, of.temperature)
    prior.units, prior.data_hash = of.units, of.data_hash
    return prior


def _places(beads: Tensor, pairs: Tensor) -> Tensor:
    """Where the pairs ``beads`` [n, 2], in either order, stand in ``pairs``: [n]."""
    n = int(pairs.max()) + 1
    place = torch.zeros(n, n, dtype=torch.int64, device=pairs.device)
    place[pairs[:, 0], pairs[:, 1]] = torch.arange(len(pairs), device=pairs.device)
    low, high = beads.aminmax(dim=1)
    return place[low, high]


KINDS: dict[type[PriorTerm], tuple[int, tuple[str, ...]]] = {  # enum Kind of the C++ source, and a term's parameters
    HarmonicBonds: (0, ("center", "force_constant")),
    HarmonicAngles: (1, ("center", "force_constant")),
    FourierDihedrals: (2, ("cosine", "sine")),
    Repulsion: (3, ("sigma",)),
    HarmonicWall: (4, ("lower", "upper", "force_constant")),
}


class Term(ctypes.Structure):
    """struct Term of native/prior.cpp."""

    _fields_ = [
        *[(name, ctypes.c_int64) for name in ("kind", "n", "n_series")],
        *[(name, ctypes.c_void_p) for name in ("beads", "first", "second", "third")],
    ]


class FusedPrior:
    """A fitted prior with its present parameters, in one precision, on one CPU thread.

    Terms that the C++ source does not know go through autograd. Raises InputError if the prior is not fitted.
    """

    def __init__(self, prior: Prior, dtype: torch.dtype) -> None:
        if dtype not in SUFFIXES:
            raise ValueError(f"dtype {dtype}: expected one of {', '.join(map(str, SUFFIXES))}")
        if len(prior.terms):
            prior.describe()  # refuses a prior that is not fitted
        self.dtype = dtype
        self._library = native_library("prior")
        self._kept: list[Tensor] = []  # what the C structures point to
        self._sizes: list[tuple[type[PriorTerm], int, int]] = []  # n_beads at least; numbers of a frame, or 0 for any
        terms = [term for _, term in prior.items()]
        native = [self._native(term) for term in terms if type(term) in KINDS]
        self._terms = (Term * len(native))(*native)
        self._others = [_through_autograd(term, dtype) for term in terms if type(term) not in KINDS]
        self._workspace = torch.empty(0, dtype=torch.uint8)

    @property
    def is_native(self) -> bool:
        """Whether the C++ source knows all terms."""
        return not self._others

    def add(self, coords: Tensor, energy: Tensor, forces: Tensor) -> None:
        """Add the prior's to energy [n_frames] and forces, in place; coords and forces [n_frames, n_beads, n_dims].

        All are contiguous, on the CPU and of this prior's dtype; ValueError if not, or if the prior is of other beads.
        """
        self._check(coords, energy, forces)
        if len(self._terms) and len(coords):
            n_numbers = coords[0].numel()
            address = self._workspace_for(n_numbers)
            getattr(self._library, f"prior_add_{SUFFIXES[self.dtype]}")(
                ctypes.c_int64(len(self._terms)), self._terms, ctypes.c_int64(n_numbers), ctypes.c_int64(len(coords)),
                _address(coords), ctypes.c_void_p(address), _address(energy), _address(forces),
            )  # fmt: skip
        for energy_and_forces in self._others:
            more_energy, more_forces = energy_and_forces(coords)
            energy += more_energy
            forces += more_forces

    def _native(self, term: PriorTerm) -> Term:
        kind, names = KINDS[type(term)]
        values = [term.get_buffer(name).detach().to("cpu", self.dtype).contiguous().clone() for name in names]
        self._kept += values
        pointers = [value.data_ptr() for value in values] + [None] * (3 - len(values))
        if isinstance(term, HarmonicWall):
            self._sizes.append((type(term), 0, len(values[0])))
            return Term(kind, len(values[0]), 0, None, *pointers)
        beads = term.get_buffer("beads").to("cpu", torch.int64).contiguous().clone()
        self._kept.append(beads)
        self._sizes.append((type(term), int(beads.max()) + 1 if beads.numel() else 0, 0))
        return Term(kind, len(beads), len(values[0]) if values[0].ndim == 2 else 0, beads.data_ptr(), *pointers)

    def _check(self, coords: Tensor, energy: Tensor, forces: Tensor) -> None:
        """C++ would read and write beyond the arrays."""
        if coords.ndim != 3 or forces.shape != coords.shape or energy.shape != coords.shape[:1]:
            raise ValueError(
                f"coords {list(coords.shape)}, energy {list(energy.shape)} and forces {list(forces.shape)}: expected "
                "[n_frames, n_beads, n_dims], [n_frames] and the shape of coords"
            )
        for value in (coords, energy, forces):
            if value.dtype != self.dtype or value.device.type != "cpu" or not value.is_contiguous():
                raise ValueError(f"a {value.dtype} array on {value.device}: expected {self.dtype}, contiguous, on cpu")
        for term, n_beads, n_numbers in self._sizes:
            fits = n_numbers == coords[0].numel() if n_numbers else coords.shape[1] >= n_beads and coords.shape[2] == 3
            if len(coords) and not fits:
                raise ValueError(f"{term.__name__} was fitted to other beads than those of coords {list(coords.shape)}")

    def _workspace_for(self, n_numbers: int) -> int:
        """Address of enough memory, aligned to 64 bytes."""
        size = self._library.prior_workspace_bytes
        size.restype = ctypes.c_int64
        needed = int(size(ctypes.c_int64(n_numbers))) + 64
        if len(self._workspace) < needed:
            self._workspace = torch.empty(needed, dtype=torch.uint8)
        return -(-self._workspace.data_ptr() // 64) * 64


def _through_autograd(term: EnergyTerm, dtype: torch.dtype) -> Callable[[Tensor], Sequence[Any]]:
    return Potential(None, copy.deepcopy(term).to("cpu", dtype)).energy_and_forces


def _address(value: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(value.data_ptr())
