"""Replica exchange of CLN025 from one kind of start: the crystal's fold, or extended and collapsed chains.

Run from the root of a checkout, once from each start:

    python scripts/sample_chignolin.py native --ns 150
    python scripts/sample_chignolin.py unfolded --ns 150

The two runs are the reference ensemble. Every 2 ps neighbours may swap; C-alpha atoms of all walkers are kept every 4
ps, and all atoms with their forces at the study temperature (350 K) every 0.5 ps, for training data: about 200 MB for
150 ns, in the working folder only. A pilot takes another ladder, surface term and folder (--temperatures,
--surface-term, --cache).

Killed and repeated, or repeated with a larger --ns, it goes on where it was: after the last round, of 48 ps a walker,
that it had stored. --pack joins what there is into
experiments/chignolin_reference/<start>/, small enough to keep, and refuses to replace a longer run there. A working
folder that is empty or shorter than the packed run, as on a fresh machine, goes on from the packed one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from math import ceil, isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.engine import derived_seed
from cgexp.all_atom.force_field import ForceField, SurfaceTerm, make_system
from cgexp.all_atom.sampling.exchange_trajectory import load_exchange, n_cycles, pack_exchange, take_longer
from cgexp.all_atom.sampling.replica_exchange import ReplicaExchange, run_replica_exchange
from cgexp.all_atom.sampling.segment import Segment, pack_system, run_segment
from cgexp.all_atom.structure import AllAtom, build_extended, build_native
from cgexp.errors import InputError

SEQUENCE = "YYDPETGTWY"
TEMPERATURES = (320.0, 335.0, 350.0, 368.0, 387.0, 408.0)
STUDY_TEMPERATURE = 350.0  # K, whose frames are labelled with forces
LABELS_PER_CYCLE = 4
SEEDS = {"native": 11, "unfolded": 12}
HOT_TEMPERATURE, HOT_STEPS, HOT_TIME_STEP = 600.0, 15_000, 0.002  # 30 ps at 600 K collapse the extended chain
PACKED = Path("experiments/chignolin_reference")


def starts_of(kind: str, system: object, force_field: ForceField, n_walkers: int) -> list[NDArray[np.float64]]:
    """All-atom starts, one a walker: the native structure, or the extended chain as it collapses at 600 K."""
    if kind == "native":
        return [build_native(SEQUENCE, force_field).positions] * n_walkers
    extended: AllAtom = build_extended(SEQUENCE, force_field)
    state = {
        "state_positions_nm": extended.positions / 10.0,
        "state_velocities_nm_per_ps": np.zeros_like(extended.positions),
    }
    starts = [extended.positions]
    for walker in range(1, n_walkers):
        segment = Segment(
            system=pack_system(system),
            state=state,
            temperature=HOT_TEMPERATURE,
            seed=derived_seed(SEEDS[kind], 99, walker),
            n_steps=HOT_STEPS,
            save_steps=HOT_STEPS,
            forces=False,
            time_step=HOT_TIME_STEP,
        )
        starts.append(run_segment(segment).coords[-1].astype(np.float64))
    return starts


def pack(folder: Path, packed: Path) -> None:
    """Join what was sampled into ``packed``, and say what it is."""
    pack_exchange(folder, packed)
    trajectory = load_exchange(packed)
    print(
        f"{packed}: {trajectory.aggregate_ns:.1f} ns in all; acceptance {trajectory.acceptance.round(2).tolist()}; "
        f"round trips {trajectory.round_trips.tolist()}"
    )


def sample(
    kind: str, ns: float, folder: Path, packed: Path, temperatures: Sequence[float], surface_term: SurfaceTerm
) -> None:
    """Go on until the run is ``ns`` long in all, from the packed run if that is ahead of the working folder."""
    take_longer(packed, folder)
    there = load_exchange(folder).aggregate_ns if n_cycles(folder) else 0.0
    if there >= ns:
        print(f"{folder} has {there:.1f} ns already, {ns:g} are asked for: give a larger --ns, or an empty --packed")
        return
    protocol = ReplicaExchange(temperatures=temperatures, seed=SEEDS[kind], labels_per_cycle=LABELS_PER_CYCLE)
    force_field = ForceField(surface_term=surface_term)
    peptide = build_native(SEQUENCE, force_field)
    system = make_system(peptide.topology, force_field)
    run_replica_exchange(
        system,
        starts_of(kind, system, force_field, protocol.n_walkers),
        protocol,
        folder,
        ceil(ns * 1000.0 / (protocol.round_ps * protocol.n_walkers)),
        atoms=peptide.ca,
        labelled_level=temperatures.index(STUDY_TEMPERATURE) if STUDY_TEMPERATURE in temperatures else None,
        force_field=force_field.name,
    )


def main(words: Sequence[str] | None = None) -> int:
    """Sample, or pack what was sampled; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("start", choices=sorted(SEEDS), help="where the walkers start")
    parser.add_argument("--ns", type=float, default=20.0, help="aggregate length, ns")
    parser.add_argument("--temperatures", type=float, nargs="+", default=list(TEMPERATURES), help="ladder, K")
    parser.add_argument("--surface-term", choices=("ace", "none"), default="ace", help="of the implicit solvent")
    parser.add_argument("--cache", type=Path, default=Path("outputs/chignolin_reference"), help="working folder")
    parser.add_argument("--pack", action="store_true", help="join what there is into --packed instead of sampling")
    parser.add_argument("--packed", type=Path, default=PACKED, help="where the packed runs are kept")
    arguments = parser.parse_args(words)
    folder, packed = arguments.cache / arguments.start, arguments.packed / arguments.start
    try:
        if not (isfinite(arguments.ns) and arguments.ns > 0):
            raise InputError(f"--ns {arguments.ns:g} is no length: expected a positive number of nanoseconds")
        if arguments.pack:
            pack(folder, packed)
        else:
            sample(arguments.start, arguments.ns, folder, packed, arguments.temperatures, arguments.surface_term)
    except InputError as error:
        print(f"sample_chignolin: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
