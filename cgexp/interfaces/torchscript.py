"""TorchScript: the energy as a file that runs without Python, in C++ (libtorch) and in OpenMM's TorchForce.

A file takes positions [n_beads, 3] and returns the energy, both in the units that its name says; forces are its
gradient, which the caller asks libtorch for. It computes in double precision whatever the positions have.
"""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cgexp.errors import InputError
from cgexp.interfaces.bundle import Bundle
from cgexp.interfaces.programs import bundle_for
from cgexp.models.potential import Potential
from cgexp.store import write_bytes
from cgexp.units import EV_IN_KCAL_MOL, KCAL_IN_KJ, NM_IN_ANGSTROM

N_TRIED = 5  # starts at which a file is compared with the model
SAME = 1e-9  # relative
ABOUT = "cgexp.json"  # inside a file: beads, units, temperature


class Units(NamedTuple):
    """What one of the file's units is: energy in kcal/mol, length in Å; and both in words."""

    energy: float
    length: float
    names: tuple[str, str]


UNITS = {
    "kcal_mol_angstrom": Units(1.0, 1.0, ("kcal/mol", "Å")),
    "kJ_mol_nm": Units(1.0 / KCAL_IN_KJ, NM_IN_ANGSTROM, ("kJ/mol", "nm")),
    "eV_angstrom": Units(EV_IN_KCAL_MOL, 1.0, ("eV", "Å")),
}


def file_name(units: str) -> str:
    """The file in one of UNITS."""
    return f"energy_{units}.pt"


class Energy(nn.Module):
    """The energy of one configuration: positions [n_beads, 3] -> [], in other units than the potential's.

    Another number of beads is an error of libtorch, also in the file: a trace would pass over what is one too many.
    """

    def __init__(self, potential: Potential, units: Units, n_beads: int) -> None:
        super().__init__()
        self.potential, self.units, self.n_beads = potential, units, n_beads

    def forward(self, positions: Tensor) -> Tensor:
        coords = positions.reshape(self.n_beads, 3).to(torch.float64) * self.units.length
        return self.potential.energy(coords[None])[0] / self.units.energy


def write_torchscript(folder: Path, bundle: Bundle | str | Path) -> list[Path]:
    """Write the energy in each of UNITS into ``folder``; return the files.

    Raises InputError for bundles without a physical energy, and for networks that cannot be traced.
    """
    own = bundle_for("TorchScript", bundle)
    paths = []
    for name, units in UNITS.items():
        paths.append(folder / file_name(name))
        write_bytes(paths[-1], _content(own, units))
    return paths


def _content(bundle: Bundle, units: Units) -> bytes:
    """A file, after it was compared with the model."""
    starts = torch.tensor(bundle.starts[:N_TRIED], dtype=torch.float64) / units.length
    energy = Energy(_in_double(bundle), units, bundle.system.n_beads).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is to be replaced, but what loads its successor in C++ is not there
        traced = torch.jit.freeze(torch.jit.trace(energy, (starts[0],), check_trace=False))
        buffer = io.BytesIO()
        torch.jit.save(traced, buffer, _extra_files={ABOUT: json.dumps(_about(bundle, units))})
        loaded = torch.jit.load(io.BytesIO(buffer.getvalue()))
    for start in starts:
        for found, expected in zip(_at(loaded, start), _at(energy, start), strict=True):
            if not torch.allclose(found, expected, rtol=SAME, atol=SAME * float(expected.abs().max())):
                raise InputError(
                    f"the network of {bundle.system.name} gives other numbers as TorchScript: it depends on its input "
                    "in ways that a trace does not follow; use it from Python, in ASE, OpenMM or LAMMPS"
                )
    return buffer.getvalue()


def _in_double(bundle: Bundle) -> Potential:
    """A copy of the potential in double precision, whose parameters need no gradient."""
    from copy import deepcopy

    potential = deepcopy(bundle.potential).double().eval()
    for parameter in potential.parameters():
        parameter.requires_grad_(False)
    return potential


def _at(energy: Any, start: Tensor) -> tuple[Tensor, Tensor]:
    """Energy and its gradient."""
    leaf = start.clone().requires_grad_()
    value = energy(leaf)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach(), gradient


def _about(bundle: Bundle, units: Units) -> dict[str, Any]:
    system = bundle.system
    return {
        "system": system.name,
        "n_beads": system.n_beads,
        "masses_amu": system.masses.tolist(),
        "temperature_K": bundle.temperature,
        "input": f"positions [n_beads, 3], {units.names[1]}",
        "output": f"energy, {units.names[0]}; forces are minus its gradient",
    }
