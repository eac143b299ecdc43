"""LAMMPS, driven from Python: a bundle as a ``fix external``, in units real (kcal/mol, Å, fs) or metal (eV, Å, ps).

The force field knows its beads by their order, dihedrals and all, so it is given all atoms at once, by their IDs, and
not as a pair style of neighbours. One process computes it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.errors import InputError
from cgexp.interfaces.bundle import Bundle
from cgexp.interfaces.programs import OneConfiguration, bundle_for
from cgexp.units import EV_IN_KCAL_MOL

FIX = "cgexp"
MARGIN = 50.0  # Å around the beads; the box shrinks to them, and grows
log = logging.getLogger(__name__)


class Units(NamedTuple):
    """What one of a LAMMPS unit is: energy in kcal/mol, time in ps. Lengths are Å and masses amu in both styles."""

    energy: float
    time: float


UNITS = {"real": Units(1.0, 0.001), "metal": Units(EV_IN_KCAL_MOL, 1.0)}


def units_of(style: str) -> Units:
    """The units of a style. Raises InputError for one in which these models cannot be used."""
    if style not in UNITS:
        raise InputError(f"LAMMPS has units {style}: these models need one of {', '.join(UNITS)}")
    return UNITS[style]


def add_beads(
    lmp: Any, bundle: Bundle | str | Path, units: str = "real", start: int = 0, kernel: str = "reference"
) -> None:
    """Give an empty LAMMPS the beads of a bundle at its ``start``-th start, and their force.

    lmp: a lammps.lammps, before any box. units: 'real' or 'metal'. kernel: as for ``add_force``. Atom IDs count beads
    from 1; beads of the same type and mass are of one atom type. The box is not periodic. Raises InputError for bundles
    that LAMMPS cannot use.
    """
    units_of(units)
    own = bundle_for("LAMMPS", bundle)
    coords = own.starts[start].astype(np.float64)
    lowest, highest = coords.min(axis=0) - MARGIN, coords.max(axis=0) + MARGIN
    edges = " ".join(f"{a:.6f} {b:.6f}" for a, b in zip(lowest, highest, strict=True))
    facts = np.stack([own.system.bead_types, own.system.masses], axis=1)
    kinds, types = np.unique(facts, axis=0, return_inverse=True)
    lmp.commands_list([
        f"units {units}", "atom_style atomic", "atom_modify map array sort 0 0.0", "boundary s s s",
        f"region beads block {edges}", f"create_box {len(kinds)} beads",
        *(f"mass {kind} {mass:.10g}" for kind, (_, mass) in enumerate(kinds, start=1)),
    ])  # fmt: skip
    ids = list(range(1, len(coords) + 1))
    lmp.create_atoms(len(ids), ids, (types.ravel() + 1).tolist(), coords.ravel().tolist())
    add_force(lmp, own, kernel)


def add_force(lmp: Any, bundle: Bundle | str | Path, kernel: str = "reference") -> None:
    """Give a LAMMPS whose atoms 1 to n are the beads of a bundle, in their order, its force and energy.

    kernel: see ``programs.OneConfiguration``. Units are those that LAMMPS has. Raises InputError for bundles that
    LAMMPS cannot use, other units than real and metal, another number of atoms, and several processes.
    """
    own, scale = bundle_for("LAMMPS", bundle), units_of(lmp.extract_global("units")).energy
    evaluate = OneConfiguration(own, kernel)
    if lmp.get_natoms() != evaluate.n_beads:
        raise InputError(
            f"LAMMPS has {lmp.get_natoms()} atoms: expected the {evaluate.n_beads} beads of {own.system.name} alone"
        )
    if lmp.extract_setting("world_size") != 1:
        raise InputError("LAMMPS runs in several processes, but the force needs all beads in one: start it without MPI")

    def force(
        _: object, step: int, n: int, tag: NDArray[np.int64], x: NDArray[np.float64], f: NDArray[np.float64]
    ) -> None:
        order = np.argsort(tag[:n])
        try:
            energy, forces = evaluate(x[:n][order])
        except InputError as error:  # which LAMMPS, in between, would not see
            log.error("LAMMPS is stopped at step %d: %s", step, error)
            lmp.force_timeout()
            energy, forces = np.nan, np.full((n, 3), np.nan)
        f[order] = forces / scale
        lmp.fix_external_set_energy_global(FIX, energy / scale)

    lmp.commands_list([f"fix {FIX} all external pf/callback 1 1", f"fix_modify {FIX} energy yes"])
    lmp.set_fix_external_callback(FIX, force)
