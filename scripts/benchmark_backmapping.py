"""Measure back-mapping on CA frames of 600 K runs that are not in the fragment library, on one CPU thread.

Run from the root of a checkout: ``python scripts/benchmark_backmapping.py``, with ``--sequence``, ``--n-frames`` and
``--json`` as wanted. The frames are back-mapped as they are, then with noise on every coordinate, once with the
CA atoms held and once allowed to shift. mdtraj checks every accepted structure again, independently of the package.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.backmapping.back_mapper import BackMapped, BackMapper
from cgexp.all_atom.backmapping.library import FragmentLibrary
from cgexp.all_atom.backmapping.quality import MAX_CA_RMS, MIN_OMEGA
from cgexp.all_atom.engine import derived_seed
from cgexp.all_atom.force_field import make_system
from cgexp.all_atom.sampling.segment import Quench, Segment, pack_system, run_quench, run_segment
from cgexp.all_atom.structure import NATIVE_TORSIONS, AllAtom, build_extended, build_native, build_peptide
from cgexp.store import write_json
from cgexp.units import KCAL_IN_KJ, NM_IN_ANGSTROM

TEMPERATURE = 600.0  # K
STRIDE = 500  # steps of 4 fs between frames: 2 ps
N_DROPPED = 2500  # steps at the start of a run
N_RUNS = 4


def hot_frames(sequence: str, n_frames: int, seed: int) -> NDArray[np.float64]:
    """CA frames [n_frames, n_residues, 3] in Å of four 600 K runs, from the extended chain and, where known, native."""
    starts = [build_extended(sequence)]
    starts += [build_native(sequence)] if sequence in NATIVE_TORSIONS else []
    sizes = [len(part) for part in np.array_split(np.arange(n_frames), N_RUNS)]
    runs = [
        _hot_run(starts[run % len(starts)], size, derived_seed(seed, run))[:, starts[0].ca]
        for run, size in enumerate(sizes)
    ]
    return np.concatenate(runs).astype(np.float64)


def _hot_run(start: AllAtom, n_frames: int, seed: int) -> NDArray[np.float32]:
    system = pack_system(make_system(start.topology))
    begun = run_quench(Quench(system, start.positions, TEMPERATURE, seed, N_DROPPED, platform="CPU"))
    n_steps = n_frames * STRIDE
    return run_segment(
        Segment(system, begun.state, TEMPERATURE, seed, n_steps, STRIDE, forces=False, platform="CPU")
    ).coords


def failed_checks(peptide: AllAtom, results: list[BackMapped], traces: NDArray[np.float64]) -> list[str]:
    """What mdtraj finds wrong with accepted structures: hand, omega, CA distance against the record and the trace."""
    import mdtraj

    failures = []
    for index, (result, trace) in enumerate(zip(results, traces, strict=True)):
        if result.positions is None or result.record is None:
            continue
        frame = mdtraj.Trajectory(
            result.positions[None] / NM_IN_ANGSTROM, mdtraj.Topology.from_openmm(peptide.topology)
        )
        omega = np.degrees(np.abs(mdtraj.compute_omega(frame)[1])).min()
        ca_rms = np.sqrt(np.square(result.positions[peptide.ca] - trace).sum(axis=1).mean())
        hands = [_hand(result.positions, residue) for residue in frame.topology.residues if residue.name != "GLY"]
        if omega <= MIN_OMEGA:
            failures.append(f"frame {index}: |omega| {omega:.0f}°")
        if min(hands) <= 0.0:
            failures.append(f"frame {index}: residue {int(np.argmin(hands)) + 1} is D")
        if abs(ca_rms - result.record.ca_rms) > 1e-3:
            failures.append(f"frame {index}: CA RMS {ca_rms:.3f} Å, recorded {result.record.ca_rms:.3f} Å")
    return failures


def _hand(positions: NDArray[np.float64], residue: Any) -> float:
    """Triple product of the bonds of an alpha carbon in Å^3: positive for L."""
    n, ca, c, cb = (positions[residue.atom(name).index] for name in ("N", "CA", "C", "CB"))
    return float(np.cross(n - ca, c - ca) @ (cb - ca))


def summary(peptide: AllAtom, results: list[BackMapped], traces: NDArray[np.float64]) -> dict[str, Any]:
    """Counts and spreads of back-mapping these traces."""
    accepted = [result.record for result in results if result.accepted and result.record is not None]
    reasons = Counter(_kind(result.reason) for result in results if not result.accepted)
    return {
        "n_frames": len(results),
        "n_accepted": len(accepted),
        "accepted_percent": 100.0 * len(accepted) / len(results),
        "n_relaxed": sum(record.ca_rms >= MAX_CA_RMS for record in accepted),
        "n_at_first_attempt": sum(result.accepted and result.n_attempts == 1 for result in results),
        "rejected": dict(reasons),
        "all_l": all(record.n_d_residues == 0 for record in accepted),
        "all_trans": all(record.min_omega > MIN_OMEGA for record in accepted),
        "failed_independent_checks": failed_checks(peptide, results, traces),
        "ca_rms_angstrom": _spread([record.ca_rms for record in accepted]),
        "ca_shift_angstrom": _spread([record.ca_shift for record in accepted]),
        "energy_kj_per_mol": _spread([record.energy * KCAL_IN_KJ for record in accepted]),
        "strain_kcal_per_mol_per_atom": _spread([record.strain for record in accepted]),
        "min_omega_degrees": _spread([record.min_omega for record in accepted]),
        "max_bond_angstrom": _spread([record.max_bond for record in accepted]),
        "max_angle_error_degrees": _spread([record.max_angle_error for record in accepted]),
        "cpu_seconds_per_frame": _spread([result.seconds for result in results]),
    }


def _kind(reason: str) -> str:
    """The criterion behind a reason, without its numbers."""
    kinds = {"apart": "CA-CA distance", "trace:": "CA RMS", "strain": "strain", "angle": "bond angle", "omega": "omega"}
    return next((kind for word, kind in kinds.items() if word in reason), reason)


def _spread(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    low, median, high = np.percentile(values, [5.0, 50.0, 95.0])
    return {
        "min": float(np.min(values)), "5%": float(low), "median": float(median), "95%": float(high),
        "max": float(np.max(values)),
    }  # fmt: skip


def main() -> None:
    """Sample, back-map, check and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequence", default="YYDPETGTWY", help="one-letter codes")
    parser.add_argument("--n-frames", type=int, default=100)
    parser.add_argument("--noise", type=float, default=0.3, help="Å per axis, of the second and third part")
    parser.add_argument("--max-ca-shift", type=float, default=0.5, help="Å RMS, of the third part")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="where the numbers are written")
    arguments = parser.parse_args()

    peptide = build_peptide(arguments.sequence)
    library = FragmentLibrary.default(arguments.sequence)
    frames = hot_frames(arguments.sequence, arguments.n_frames, arguments.seed)
    noisy = frames + np.random.default_rng(arguments.seed).normal(0.0, arguments.noise, frames.shape)
    held, loose = BackMapper(peptide, library), BackMapper(peptide, library, max_ca_shift=arguments.max_ca_shift)
    parts = {
        "frames at 600 K": (held, frames),
        f"noise of {arguments.noise} Å per axis, CA held": (held, noisy),
        f"noise of {arguments.noise} Å per axis, CA may shift {arguments.max_ca_shift} Å RMS": (loose, noisy),
    }
    numbers = {}
    for name, (mapper, traces) in parts.items():
        results = [mapper.back_map(trace, derived_seed(arguments.seed, index)) for index, trace in enumerate(traces)]
        numbers[name] = summary(peptide, results, traces)
        print(f"\n{arguments.sequence}, library of {len(library)} frames: {name}")
        for key, value in numbers[name].items():
            shown = ", ".join(f"{k} {v:.4g}" for k, v in value.items()) if isinstance(value, dict) else value
            print(f"  {key}: {shown}")
    if arguments.json:
        write_json(arguments.json, {"sequence": arguments.sequence, "seed": arguments.seed, "parts": numbers})


if __name__ == "__main__":
    main()
