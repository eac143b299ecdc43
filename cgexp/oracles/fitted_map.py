"""The optimal force map of a peptide, fitted once to a run of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from cgexp.all_atom.engine import FRICTION, TIME_STEP, PlatformName, derived_seed
from cgexp.all_atom.force_field import DEFAULT, ForceField, constraint_pairs, make_system
from cgexp.all_atom.mapping.force_maps import optimal_map
from cgexp.all_atom.mapping.linear_map import LinearMap
from cgexp.all_atom.mapping.sites import BeadSites
from cgexp.all_atom.sampling.segment import Quench, Segment, pack_system, run_quench, run_segment
from cgexp.all_atom.structure import NATIVE_TORSIONS, build_extended, build_native
from cgexp.systems.beads import bead_atoms

FRAMES_PER_ATOM = 5  # well above what the fit needs, so that its own noise adds little to that of the forces
DROP_PS, SAVE_PS = 4.0, 0.1
FLEXIBLE_TIME_STEP = 0.002  # ps, for bonds to hydrogen that are not rigid


def fit_map(
    sequence: str,
    temperature: float,
    force_field: ForceField = DEFAULT,
    *,
    constrained: bool,
    seed: int = 0,
    platform: PlatformName = "auto",
) -> LinearMap:
    """Fit the optimal map of C-alpha beads to a run from the extended chain and, if known, the native structure.

    temperature: K. constrained: bonds to hydrogen are rigid, and the map is tied over each group of them. A fraction of
    a minute for ten residues; the same settings give the same map on the same kind of machine.
    """
    starts = [build_extended(sequence, force_field)]
    if sequence in NATIVE_TORSIONS:
        starts.append(build_native(sequence, force_field))
    peptide = starts[0]
    system = make_system(peptide.topology, force_field, constrained=constrained)
    sites = BeadSites.on(peptide.atoms, bead_atoms(sequence, "ca"), constraint_pairs(system))
    time_step = TIME_STEP if constrained else FLEXIBLE_TIME_STEP
    save_steps = round(SAVE_PS / time_step)
    n_frames = -(-FRAMES_PER_ATOM * len(peptide.atoms) // len(starts))
    forces = []
    for number, start in enumerate(starts):
        shared: dict[str, Any] = {
            "system": pack_system(system),
            "temperature": temperature,
            "seed": derived_seed(seed, number),
            "friction": FRICTION,
            "time_step": time_step,
            "platform": platform,
        }
        state = run_quench(Quench(positions=start.positions, n_steps=round(DROP_PS / time_step), **shared)).state
        shared["seed"] = derived_seed(seed, number, 1)  # a fresh context would repeat the noise of the quench
        result = run_segment(Segment(state=state, n_steps=n_frames * save_steps, save_steps=save_steps, **shared))
        assert result.forces is not None
        forces.append(result.forces)
    return optimal_map(np.concatenate(forces), sites)
