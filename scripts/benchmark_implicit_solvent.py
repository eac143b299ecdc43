"""Compare the C++ kernel for implicit solvent with OpenMM's own forces: energy, forces, speed.

Run from the root of a checkout: ``python scripts/benchmark_implicit_solvent.py [--json FILE]``; a minute on one quiet
CPU thread. Energies and forces of GBn2 and OBC2 are compared with OpenMM's Reference platform on the native hairpin of
CLN025, its extended chain, and frames of a 500 K run. The speed is that of the dynamics of the data sets (4 fs, rigid
X-H bonds), in interleaved stretches (A B A B ...), so that whatever else the machine does slows all down; it counts the
processor time that was spent. "GBn2, OpenMM" is what runs without a compiler.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.engine import TIME_STEP, PlatformName, energy_and_forces, make_context
from cgexp.all_atom.force_field import ForceField, make_system
from cgexp.all_atom.sampling.progress import PS_PER_DAY_IN_NS
from cgexp.all_atom.sampling.segment import Quench, Segment, pack_system, run_quench, run_segment
from cgexp.all_atom.structure import AllAtom, build_extended, build_native
from cgexp.runs.provenance import processor
from cgexp.store import write_json
from cgexp.units import KCAL_IN_KJ

SEQUENCE = "YYDPETGTWY"
TEMPERATURE = 350.0
HOT_TEMPERATURE, HOT_STEPS, N_HOT = 500.0, 12500, 5  # K; 50 ps
SOLVENTS = {"GBn2": ForceField(solvent="gbn2"), "OBC2": ForceField(solvent="obc2")}
FORMS: dict[str, tuple[str, PlatformName]] = {
    "GBn2, kernel": ("GBn2", "native"),
    "GBn2, OpenMM": ("GBn2", "CPU"),
    "OBC2, kernel": ("OBC2", "native"),
    "OBC2, OpenMM": ("OBC2", "CPU"),
}
SLOW_SHARE = 0.1  # of the steps of a stretch, for OpenMM's GBn2
RATIOS = (("GBn2, OpenMM", "GBn2, kernel"), ("OBC2, OpenMM", "GBn2, kernel"), ("OBC2, OpenMM", "OBC2, kernel"))


def conformations() -> Iterator[tuple[str, NDArray[np.floating]]]:
    """Name and positions [n_atoms, 3], Å."""
    native, extended = build_native(SEQUENCE), build_extended(SEQUENCE)
    yield "native", native.positions
    yield "extended", extended.positions
    packed = pack_system(make_system(native.topology))
    start = run_quench(Quench(packed, native.positions, HOT_TEMPERATURE, 1, 0))
    hot = Segment(packed, start.state, HOT_TEMPERATURE, 1, HOT_STEPS, HOT_STEPS // N_HOT, forces=False)
    for number, positions in enumerate(run_segment(hot).coords, start=1):
        yield f"{HOT_TEMPERATURE:.0f} K, {number * HOT_STEPS * TIME_STEP / N_HOT:.0f} ps", positions


def differences(peptide: AllAtom) -> list[dict[str, Any]]:
    """How far the kernel is from the Reference platform, by solvent and conformation."""
    rows = []
    for solvent, force_field in SOLVENTS.items():
        system = make_system(peptide.topology, force_field)
        kernel, reference = (make_context(system, TEMPERATURE, 1, platform=name) for name in ("native", "Reference"))
        for name, positions in conformations():
            (energy, forces), (exact, exact_forces) = (energy_and_forces(c, positions) for c in (kernel, reference))
            error = np.sqrt(np.mean((forces - exact_forces) ** 2) / np.mean(exact_forces**2))
            rows.append(
                {
                    "solvent": solvent,
                    "conformation": name,
                    "energy_kJ_mol": exact * KCAL_IN_KJ,
                    "energy_difference_kJ_mol": abs(energy - exact) * KCAL_IN_KJ,
                    "force_difference_relative_rms": float(error),
                }
            )
    return rows


def costs(peptide: AllAtom, n_steps: int, n_stretches: int) -> dict[str, list[float]]:
    """CPU time of a step, us, in each stretch of each form."""
    contexts = {}
    for form, (solvent, platform) in FORMS.items():
        context = make_context(make_system(peptide.topology, SOLVENTS[solvent]), TEMPERATURE, 1, platform=platform)
        energy_and_forces(context, peptide.positions)
        context.setVelocitiesToTemperature(TEMPERATURE, 1)
        contexts[form] = context, max(1, round(n_steps * (SLOW_SHARE if form == "GBn2, OpenMM" else 1.0)))
    found: dict[str, list[float]] = {form: [] for form in FORMS}
    for stretch in range(n_stretches + 1):
        for form, (context, steps) in contexts.items():
            began = time.process_time()
            context.getIntegrator().step(steps)
            context.getState(positions=True)
            if stretch:  # the first warms up
                found[form].append(1e6 * (time.process_time() - began) / steps)
    return found


def _spread(values: list[float]) -> str:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{middle:8.1f} ({low:.1f} to {high:.1f})"


def main() -> None:
    """Measure and print medians with quartiles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--steps", type=int, default=1000, help="steps in a stretch")
    parser.add_argument("--stretches", type=int, default=15, help="stretches of each form")
    arguments = parser.parse_args()
    native = build_native(SEQUENCE)
    rows = differences(native)
    print(f"{'':<6}{'conformation':<14}{'energy kJ/mol':>14}{'|dE| kJ/mol':>14}{'dF / F':>10}")
    for row in rows:
        solvent, name, energy, *small = row.values()
        print(f"{solvent:<6}{name:<14}{energy:>14.1f}{small[0]:>14.1e}{small[1]:>10.1e}")
    times = costs(native, arguments.steps, arguments.stretches)
    for form, values in times.items():
        rate = TIME_STEP * PS_PER_DAY_IN_NS * 1e6 / np.median(values)
        print(f"{form:<14}{_spread(values)} us of CPU a step, {rate:.0f} ns/day a thread")
    ratios = {f"{slow} / {fast}": (np.array(times[slow]) / times[fast]).tolist() for slow, fast in RATIOS}
    for name, values in ratios.items():
        print(f"{name:<30}{_spread(values)}")
    if arguments.json:
        write_json(
            arguments.json, {"processor": processor(), "differences": rows, "us_a_step": times, "ratios": ratios}
        )


if __name__ == "__main__":
    main()
