"""What ASE, OpenMM and LAMMPS have in common: which bundles they can take, and energies and forces of one frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.interfaces.bundle import Bundle, load_bundle
from cgexp.kernels.evaluator import make_evaluator
from cgexp.units import MOLECULAR


def bundle_for(program: str, bundle: Bundle | str | Path) -> Bundle:
    """A bundle, or the one at a path, if ``program``, which computes in physical units, can use it.

    Raises InputError for one in reduced units, of less than three dimensions, in a periodic box, or without an energy.
    """
    bundle = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    system = bundle.system
    if system.units != MOLECULAR.name or system.n_dims != 3:
        raise InputError(
            f"{program} computes in physical units and three dimensions but {system.name} is in {system.units} units "
            f"and {system.n_dims} dimensions: use it from Python, as in bundle.potential.energy(coords)"
        )
    if system.symmetry.box is not None:
        raise InputError(
            f"{program} is given models without a periodic box but {system.name} has one: simulate it with "
            "bundle.simulate"
        )
    if not bundle.potential.conservative:
        raise InputError(
            f"{program} needs an energy but this model predicts forces directly: simulate it with bundle.simulate"
        )
    return bundle


class OneConfiguration:
    """Energy (kcal/mol) and forces [n_beads, 3] (kcal/mol/Å) at coords [n_beads, 3] (Å), in float64.

    kernel: 'reference' is the model itself; 'auto' the fastest one, whose tables have a small error (docs/speed.md).
    """

    def __init__(self, bundle: Bundle, kernel: str = "reference") -> None:
        self.n_beads = bundle.system.n_beads
        start = torch.tensor(bundle.starts[:1], dtype=torch.float64)
        self._evaluate = make_evaluator(kernel, bundle.potential, start)

    def __call__(self, coords: NDArray[np.floating]) -> tuple[float, NDArray[np.float64]]:
        energy, forces = self._evaluate(torch.tensor(np.asarray(coords, dtype=np.float64))[None])
        assert energy is not None  # bundle_for has refused models without
        if not bool(torch.isfinite(energy).all() and torch.isfinite(forces).all()):
            raise InputError(
                "energy or forces are not finite: the configuration is far from all data; check that positions are in "
                "the program's own length unit, or lower the time step"
            )
        return energy.item(), forces[0].numpy()
