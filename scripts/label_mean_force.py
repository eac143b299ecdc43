"""Mean-force labels of spread-out Chignolin frames: seconds, signal and standard errors of each.

Run from the root of a checkout: ``python scripts/label_mean_force.py``. The frames are those of the shipped set
chignolin_mini that lie farthest apart. Killed and repeated, it goes on where it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from cgexp.all_atom.force_field import ForceField
from cgexp.datasets.packaged import load_packaged
from cgexp.frames import force_field_of
from cgexp.oracles.mean_force import MeanForceOracle
from cgexp.oracles.oracle import Labels
from cgexp.progress import Progress
from cgexp.store import write_frames, write_json
from cgexp.systems.base import farthest_points
from cgexp.systems.peptide import Peptide

DATA_SET = "chignolin_mini"
SYSTEM = Peptide("YYDPETGTWY")
Row = dict[str, float | int | str]


def rms(values: np.ndarray) -> float:
    """Root mean square of all components."""
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


def rows(labels: Labels, chosen: np.ndarray, rmsd: np.ndarray) -> list[Row]:
    """One row for each configuration: what was measured, or why it was rejected."""
    found: list[Row] = [
        {"frame": int(chosen[index]), "rmsd_native": float(rmsd[index]), "rejected": reason}
        for index, reason in labels.rejected
    ]
    forces, sem = labels.frames.forces, labels.frames.force_sem
    assert forces is not None
    assert sem is not None
    for number, index in enumerate(labels.parent):
        found.append(
            {
                "frame": int(chosen[index]),
                "rmsd_native": float(rmsd[index]),
                "seconds": float(labels.extra["seconds"][number]),
                "force_rms": rms(forces[number]),
                "sem": rms(sem[number]),
                "sem_between": rms(labels.extra["sem_between"][number]),
                "sem_within": rms(labels.extra["sem_within"][number]),
                "n_attempts": int(labels.extra["n_attempts"][number]),
            }
        )
    return sorted(found, key=lambda row: row["rmsd_native"])


def print_rows(found: list[Row], n_starts: int) -> None:
    """The table, with units, and its means."""
    columns = {
        "frame": "{:>6}",
        "rmsd_native": "{:>12.2f}",
        "seconds": "{:>8.1f}",
        "force_rms": "{:>10.2f}",
        "sem": "{:>6.2f}",
        "sem_between": "{:>12.2f}",
        "sem_within": "{:>11.2f}",
    }
    print("frame: of the data set; rmsd_native: Å; seconds: of CPU; forces and errors: kcal/mol/Å, RMS of components")
    print(" ".join(f"{name:>{len(form.format(0))}}" for name, form in columns.items()) + "  back-mappings accepted")
    accepted = [row for row in found if "rejected" not in row]
    for row in found:
        if "rejected" in row:
            print(f"{row['frame']:>6} {row['rmsd_native']:>12.2f}  rejected: {row['rejected']}")
        else:
            cells = " ".join(form.format(row[name]) for name, form in columns.items())
            print(f"{cells}  {n_starts} of {row['n_attempts']}")
    if accepted:
        means = {name: np.mean([float(row[name]) for row in accepted]) for name in columns}
        print(" ".join(form.format("mean" if name == "frame" else means[name]) for name, form in columns.items()))
    print(f"{len(accepted)} of {len(found)} configurations labelled")


def main() -> None:
    """Choose frames, label them, print and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-frames", type=int, default=10, help="frames, farthest from one another")
    parser.add_argument("--n-parallel", type=int, default=1, help="local processes")
    parser.add_argument("--n-starts", type=int, default=8, help="independently back-mapped starts of a frame")
    parser.add_argument("--ps-per-start", type=float, default=6.0, help="ps averaged after each start")
    parser.add_argument("--force-map", default="optimal", help="slice, constraint_group, residue, optimal, or a file")
    parser.add_argument("--library", help="file of a fragment library of thermal frames; their side chains are kept")
    parser.add_argument("--seed", type=int, default=0, help="of back-mapping and thermostat")
    parser.add_argument("--cache", type=Path, default=Path("outputs/mean_force_labels"), help="finished labels")
    parser.add_argument("--json", type=Path, help="write the table's numbers here")
    parser.add_argument("--out", type=Path, help="write the labelled frames here")
    arguments = parser.parse_args()
    frames = load_packaged(DATA_SET)
    native = SYSTEM.native()[None]
    chosen = farthest_points(SYSTEM, frames.coords, frames.coords[:0], arguments.n_frames)
    force_field = ForceField.named(force_field_of(frames))
    oracle = MeanForceOracle(
        system=SYSTEM,
        temperature=frames.temperature,
        force_field=force_field.protein,
        solvent=force_field.solvent,
        surface_term=force_field.surface_term,
        n_starts=arguments.n_starts,
        n_attempts=2 * arguments.n_starts,
        ps_per_start=arguments.ps_per_start,
        force_map=arguments.force_map,
        library=arguments.library,
        turn_side_chains=arguments.library is None,
        seed=arguments.seed,
        n_parallel=arguments.n_parallel,
    )
    coords = frames.coords[chosen]
    labels = oracle.label(coords, folder=arguments.cache, progress=Progress("labelling: frame"))
    found = rows(labels, chosen, SYSTEM.distance(coords, native)[:, 0])
    print_rows(found, arguments.n_starts)
    print(f"{labels.cost_s:.0f} CPU seconds in all")
    if arguments.json:
        write_json(arguments.json, {"rows": found, "cost_s": labels.cost_s, "notes": labels.frames.notes})
    if arguments.out:
        write_frames(arguments.out, labels.frames, data_set=DATA_SET, indices=chosen[labels.parent].tolist())


if __name__ == "__main__":
    main()
