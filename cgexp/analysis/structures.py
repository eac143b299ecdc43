"""What a report shows of a peptide in space: representatives of reference and simulation, and a short trajectory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import independent_units
from cgexp.analysis.representatives import (
    Array,
    Representative,
    principal,
    representatives,
    short_trajectory,
)
from cgexp.analysis.result import Simulated
from cgexp.frames import Frames
from cgexp.systems.base import System
from cgexp.systems.beads import RESIDUE_NAMES
from cgexp.systems.metric import superposed

DECIMALS = 3  # of coordinates in a file, Å
REFERENCE, SIMULATION = "reference", "simulation"


@dataclass(frozen=True)
class Structures:
    """Structures of the trace, all superposed on one and turned to its principal axes; length.

    sequence: what its beads are called, letters of a peptide. native: [n_residues, 3], or None if it is not known.
    ensembles: name -> representatives and their coordinates [n_representatives, n_residues, 3]. trajectory: [n_shown,
    n_residues, 3] of ``replica`` at ``time`` [n_shown]; without a simulation it has no frames, and replica is None.
    continuous: whether it is one walker in time; with tempering the walkers take turns. bonds: pairs of these beads,
    [n_bonds, 2]; None: each is bonded to the next.
    """

    sequence: tuple[str, ...]
    native: Array | None
    ensembles: Mapping[str, tuple[Sequence[Representative], Array]]
    trajectory: Array
    time: Array
    replica: int | None
    continuous: bool = True
    bonds: NDArray[np.int64] | None = None

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arrays, rounded, and metadata, as store.write_arrays takes them."""
        arrays: dict[str, Any] = {"trajectory": self.trajectory, "time": self.time}
        arrays |= {f"ca_{name}": ca for name, (_, ca) in self.ensembles.items()}
        if self.native is not None:
            arrays["native"] = self.native
        found = {name: [asdict(one) for one in kept] for name, (kept, _) in self.ensembles.items()}
        arrays = {name: np.round(value, DECIMALS) for name, value in arrays.items()}
        arrays |= {} if self.bonds is None else {"bonds": self.bonds}
        meta = {"sequence": list(self.sequence), "replica": self.replica, "continuous": self.continuous}
        return arrays, {**meta, "representatives": found}

    def as_pdb(self, ensemble: str) -> str:
        """The representatives of an ensemble as the models of a PDB file: C-alphas, bonded along the chain."""
        lines = []
        for number, (one, ca) in enumerate(zip(*self.ensembles[ensemble], strict=True), start=1):
            lines += [f"REMARK model {number}: {one.basin}, {one.share:.0%} of the ensemble", f"MODEL {number:8d}"]
            for residue, (letter, (x, y, z)) in enumerate(zip(self.sequence, ca.tolist(), strict=True), start=1):
                name = RESIDUE_NAMES.get(letter, "UNK")
                lines.append(
                    f"ATOM  {residue:5d}  CA  {name} A{residue:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           C"
                )
            lines.append("ENDMDL")
        pairs = _chain(len(self.sequence)) if self.bonds is None else self.bonds
        lines += [f"CONECT{first + 1:5d}{second + 1:5d}" for first, second in pairs.tolist()]
        return "\n".join([*lines, "END", ""])

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], meta: Mapping[str, Any]) -> Structures:
        """The inverse of ``to_arrays``, but for the rounding."""
        ensembles = {
            name: ([Representative(**one) for one in kept], arrays[f"ca_{name}"])
            for name, kept in meta["representatives"].items()
        }
        played = (arrays["trajectory"], arrays["time"], meta["replica"], meta["continuous"])
        return cls(tuple(meta["sequence"]), arrays.get("native"), ensembles, *played, bonds=arrays.get("bonds"))


def structures_of(
    system: System,
    reference: Frames,
    trajectory: Simulated | None,
    burn_in: float,
    n_bootstrap: int,
    seed: int,
    run: NDArray[np.integer] | None = None,
) -> Structures:
    """Structures of a reference and of a simulation, if there is one.

    trajectory: simulation.Trajectory or None; its healthy replicas count, without their first ``burn_in`` (a fraction).
    n_bootstrap: draws for the errors of the basins' shares; seed: of these draws. run: which independent run each frame
    of the reference is of, [n_frames].
    """
    rng = np.random.default_rng(seed)
    native = None if system.native_structure is None else principal(system.native())
    ca = reference.coords[:, system.trace]
    found = {REFERENCE: representatives(ca, reference.block, native, n_bootstrap, rng, reference.weights, run)}
    target = principal(found[REFERENCE][1][0]) if native is None else native
    played, time, replica, continuous = np.zeros((0, *ca.shape[1:])), np.zeros(0), None, True
    production = None if trajectory is None else trajectory.production(burn_in)[:, :, system.trace]
    if trajectory is not None and production is not None and production.size:
        units = np.moveaxis(independent_units(production), 1, 0)
        unit = np.repeat(np.arange(len(units)), units.shape[1])
        found[SIMULATION] = representatives(units.reshape(-1, *ca.shape[1:]), unit, native, n_bootstrap, rng)
        chosen, frames = short_trajectory(production, native)
        played = superposed(production[frames, chosen], target)
        time = trajectory.time[len(trajectory.time) - len(production) + frames]
        replica, continuous = int(np.flatnonzero(trajectory.alive)[chosen]), trajectory.continuous
    ensembles = {name: (kept, superposed(coords, target)) for name, (kept, coords) in found.items()}
    time = np.asarray(time, dtype=np.float64)
    return Structures(
        tuple(system.labels), native, ensembles, played, time, replica, continuous, bonds_of_trace(system)
    )


def bonds_of_trace(system: System) -> NDArray[np.int64] | None:
    """Bonds of the beads in a system's trace, [n_bonds, 2]; None where they make a chain, as C-alpha atoms do."""
    n_trace = len(system.trace)
    if n_trace < system.n_beads:
        return None  # those between are not shown
    bonds = np.unique(np.sort(np.asarray(system.bonds, dtype=np.int64).reshape(-1, 2), axis=1), axis=0)
    return None if np.array_equal(bonds, _chain(n_trace)) else bonds


def _chain(n_beads: int) -> NDArray[np.int64]:
    return np.stack([np.arange(n_beads - 1), np.arange(1, n_beads)], axis=1)
