"""Compare the compiled OBC2 force with the custom force of the force-field file: energy, forces, speed.

Run from the root of a checkout: ``python scripts/benchmark_gbsa.py [--json FILE]``; two minutes on one CPU thread.
Energies and forces are compared on the native hairpin of CLN025, its extended chain, and frames of a 500 K run. The
speed is that of the dynamics of the data sets (4 fs, rigid X-H bonds), in interleaved stretches (A B A B ...), so that
whatever else the machine does slows both down; "CPU" counts the processor time that was spent, "wall" the time passed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.reference.all_atom.engine import TIME_STEP, energy_and_forces, make_context
from cgexp.reference.all_atom.force_field import ForceField, make_system
from cgexp.reference.all_atom.structure import AllAtom, build_extended, build_native
from cgexp.reference.sampling.progress import PS_PER_DAY_IN_NS
from cgexp.reference.sampling.segment import Quench, Segment, pack_system, run_quench, run_segment
from cgexp.store import write_json
from cgexp.units import KCAL_IN_KJ, KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM

SEQUENCE, FORCE_FIELD = "YYDPETGTWY", ForceField("ff14SB", "obc2", "ace")
HOT_TEMPERATURE, HOT_STEPS, N_HOT = 500.0, 12500, 5  # K; 50 ps
FORMS = {"compiled": True, "custom": False}
CLOCKS = {"CPU": time.process_time, "wall": time.perf_counter}


def conformations() -> Iterator[tuple[str, NDArray[np.floating]]]:
    """Name and positions [n_atoms, 3], Å."""
    native, extended = build_native(SEQUENCE, FORCE_FIELD), build_extended(SEQUENCE, FORCE_FIELD)
    yield "native", native.positions
    yield "extended", extended.positions
    packed = pack_system(make_system(native.topology, FORCE_FIELD))
    start = run_quench(Quench(packed, native.positions, HOT_TEMPERATURE, 1, 0, platform="CPU"))
    hot = Segment(packed, start.state, HOT_TEMPERATURE, 1, HOT_STEPS, HOT_STEPS // N_HOT, forces=False, platform="CPU")
    for number, positions in enumerate(run_segment(hot).coords, start=1):
        yield f"{HOT_TEMPERATURE:.0f} K, {number * HOT_STEPS * TIME_STEP / N_HOT:.0f} ps", positions


def differences(contexts: dict[str, Any]) -> list[dict[str, Any]]:
    """For each conformation the energy, and how far the two forms are apart (kJ/mol, kJ/mol/nm)."""
    rows = []
    for name, positions in conformations():
        (energy, forces), (other_energy, other_forces) = (energy_and_forces(c, positions) for c in contexts.values())
        rows.append(
            {
                "conformation": name,
                "energy_kJ_mol": energy * KCAL_IN_KJ,
                "energy_difference_kJ_mol": abs(energy - other_energy) * KCAL_IN_KJ,
                "force_rms_kJ_mol_nm": _rms(forces) / KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM,
                "force_difference_rms_kJ_mol_nm": _rms(forces - other_forces) / KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM,
                "force_difference_max_kJ_mol_nm": float(np.abs(forces - other_forces).max())
                / KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM,
            }
        )
    return rows


def speeds(contexts: dict[str, Any], n_steps: int, n_stretches: int) -> dict[str, dict[str, list[float]]]:
    """ns/day of each stretch, by clock and form."""
    found: dict[str, dict[str, list[float]]] = {clock: {form: [] for form in contexts} for clock in CLOCKS}
    for stretch in range(n_stretches + 1):
        for form, context in contexts.items():
            began = {clock: read() for clock, read in CLOCKS.items()}
            context.getIntegrator().step(n_steps)
            context.getState(positions=True)
            for clock, read in CLOCKS.items():
                if stretch:  # the first warms up
                    rate = n_steps * TIME_STEP * PS_PER_DAY_IN_NS / (read() - began[clock])
                    found[clock][form].append(rate)
    return found


def _rms(values: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _spread(values: list[float]) -> str:
    return f"{np.median(values):7.1f} ({np.min(values):.1f} to {np.max(values):.1f})"


def _contexts(peptide: AllAtom) -> dict[str, Any]:
    contexts = {
        form: make_context(make_system(peptide.topology, FORCE_FIELD, native_gbsa=native), 350.0, 1, platform="CPU")
        for form, native in FORMS.items()
    }
    for context in contexts.values():
        energy_and_forces(context, peptide.positions)
        context.setVelocitiesToTemperature(350.0, 1)
    return contexts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--steps", type=int, default=1000, help="steps in a stretch")
    parser.add_argument("--stretches", type=int, default=9, help="stretches of each form")
    arguments = parser.parse_args()
    native = build_native(SEQUENCE, FORCE_FIELD)
    rows = differences(_contexts(native))
    print(f"{'conformation':<14}{'energy':>10}{'|dE|':>10}{'force rms':>12}{'rms dF':>10}{'max dF':>10}")
    print(f"{'':<14}{'kJ/mol':>10}{'kJ/mol':>10}{'kJ/mol/nm':>12}{'kJ/mol/nm':>10}{'kJ/mol/nm':>10}")
    for row in rows:
        name, energy, *small = row.values()
        print(f"{name:<14}{energy:>10.1f}{small[0]:>10.1e}{small[1]:>12.1f}{small[2]:>10.1e}{small[3]:>10.1e}")
    result: dict[str, Any] = {"differences": rows, "ns_per_day": {}, "ratio": {}}
    for clock, rates in speeds(_contexts(native), arguments.steps, arguments.stretches).items():
        ratios = [fast / slow for fast, slow in zip(rates["compiled"], rates["custom"], strict=True)]
        for form, values in rates.items():
            print(f"{clock:<5}{form:<9} {_spread(values)} ns/day")
        print(f"{clock:<5}{'ratio':<9} {_spread(ratios)}")
        result["ns_per_day"][clock] = rates
        result["ratio"][clock] = {"median": float(np.median(ratios)), "all": ratios}
    if arguments.json:
        write_json(arguments.json, result)


if __name__ == "__main__":
    main()
