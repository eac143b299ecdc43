"""What a bundle is worth in other programs: energies, forces, conserved energy and the ensemble, measured in each.

Run from the root of a checkout: ``python scripts/export_table.py [BUNDLE] [--steps N] [--json FILE]``; a few minutes a
program on one core. Without a bundle, a small CGSchNet is trained on chignolin_mini. Everything is measured in the
program's own units, by the program's own means:

- energy: largest relative difference from the model in float64, converted by constants that are written here;
- force: largest difference of forces from central differences of the program's energies, relative to the largest force;
- drift: slope of the total energy without a thermostat, in kT/ps for each degree of freedom, and its fluctuation;
- histogram: of the end-to-end distance and of a distance over two bonds under Langevin dynamics, against our own
  dynamics of 200 replicas: W1 in Å, and the differences of ten bins in units of their errors, rms and largest.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from export_programs import NVE_DT, PROGRAMS, Array, Ours, Program, installed
from scipy.stats import wasserstein_distance

import cgexp
from cgexp.interfaces.bundle import Bundle
from cgexp.store import write_json

N_STARTS, N_BINS, N_BLOCKS = 5, 10, 20
NVE_STEPS = 2000
SMALL = {"model.n_features": 32, "model.n_filters": 32, "model.n_rbf": 16}


def energy_error(program: Program) -> float:
    """Largest relative difference of energies and forces from the model in float64."""
    worst, ours = 0.0, Ours(program.bundle)
    for start in program.bundle.starts[:N_STARTS].astype(np.float64):
        energy, forces = program.at(start / program.length)
        expected, wanted = ours.at(start)
        own = np.append(forces.ravel() * program.energy / program.length, energy * program.energy)
        scale = np.append(np.full(wanted.size, np.abs(wanted).max()), abs(expected))
        worst = max(worst, float(np.max(np.abs(own - np.append(wanted.ravel(), expected)) / scale)))
    return worst


def force_error(program: Program, step: float = 1e-4) -> float:
    """Largest difference of forces from central differences over ``step`` (Å), relative to the largest force."""
    start, h = program.bundle.starts[0].astype(np.float64) / program.length, step / program.length
    forces, numerical = program.at(start)[1].copy(), np.zeros_like(start)
    for index in np.ndindex(start.shape):
        moved = np.zeros_like(start)
        moved[index] = h
        numerical[index] = (program.at(start - moved)[0] - program.at(start + moved)[0]) / (2.0 * h)
    return float(np.abs(numerical - forces).max() / np.abs(forces).max())


def drift(program: Program, n_steps: int = NVE_STEPS) -> tuple[float, float]:
    """Slope (kT/ps) and fluctuation (kT) of the total energy, for each degree of freedom."""
    energies = program.conserved(n_steps) / program.kT / program.bundle.system.n_beads / 3.0
    time = np.linspace(0.0, n_steps * NVE_DT, len(energies))
    slope, offset = np.polyfit(time, energies, 1)
    return float(slope), float(np.std(energies - slope * time - offset))


@dataclass(frozen=True)
class Agreement:
    """Of histograms: w1, Å; rms and largest difference of a bin in units of its error; the largest error of a bin."""

    w1: float
    rms: float
    largest: float
    error: float


def quantities(coords: Array) -> dict[str, Array]:
    """Distances in Å, [n_frames, n_walkers], of coords [n_frames, n_walkers, n_beads, 3]."""
    middle, last = coords.shape[2] // 2, coords.shape[2] - 1
    pairs = {"end to end": (0, last), "over two bonds": (middle - 1, middle + 1)}
    return {name: np.linalg.norm(coords[:, :, i] - coords[:, :, j], axis=-1) for name, (i, j) in pairs.items()}


def agreement(theirs: Array, ours: Array) -> Agreement:
    """Of two sets of values [n_frames, n_walkers], in bins that are equally likely in ours; errors from blocks."""
    edges = np.quantile(ours, np.linspace(0.0, 1.0, N_BINS + 1)[1:-1])
    (a, error_a), (b, error_b) = (_shares(values, edges) for values in (theirs, ours))
    error = np.hypot(error_a, error_b)
    z = (a - b) / error
    w1 = wasserstein_distance(theirs.ravel(), ours.ravel())
    return Agreement(float(w1), float(np.sqrt(np.mean(z**2))), float(np.abs(z).max()), float(error.max()))


def _shares(values: Array, edges: Array) -> tuple[Array, Array]:
    """Share of each bin and its error, from blocks of each walker."""
    blocks = [b for walker in values.T for b in np.array_split(walker, max(1, N_BLOCKS // values.shape[1]))]
    shares = np.array([np.bincount(np.digitize(block, edges), minlength=N_BINS) / len(block) for block in blocks])
    return shares.mean(axis=0), shares.std(axis=0, ddof=1) / np.sqrt(len(blocks))


def small_bundle(folder: Path) -> Bundle:
    """A small network trained for a few seconds."""
    from cgexp.runs.bundle import bundle_of

    frames = cgexp.load_dataset("chignolin_mini")
    model = cgexp.fit(frames, model="cgschnet", prior="peptide", epochs=4, settings=SMALL, outputs=folder)
    bundle_of(model.run).save(folder / "bundle")
    return cgexp.load_bundle(folder / "bundle")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("bundle", nargs="?", type=Path, help="a bundle; without one, a small model is trained")
    parser.add_argument("--steps", type=int, default=200_000, help="of Langevin dynamics in each program")
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=installed(), help="which to measure in")
    parser.add_argument("--json", type=Path, help="write the numbers to this file, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = cgexp.load_bundle(given.bundle) if given.bundle else small_bundle(Path(folder))
    bundle.potential.double()
    print(f"{bundle}\n")
    print("| program | units | energy, forces | finite differences | drift, kT/ps | fluctuation, kT | histogram |")
    print("|---|---|---|---|---|---|---|")
    ours = quantities(Ours(bundle).langevin(given.steps, seed=3))
    rows = []
    for name in given.programs:
        program = PROGRAMS[name](bundle)
        theirs = quantities(program.langevin(given.steps, seed=4))
        compared = {quantity: agreement(theirs[quantity], ours[quantity]) for quantity in ours}
        slope, spread = drift(program)
        errors = energy_error(program), force_error(program)
        text = "; ".join(f"{q}: W1 {c.w1:.3f} Å, z {c.rms:.2f} (max {c.largest:.1f})" for q, c in compared.items())
        print(
            f"| {name} | {program.units} | {errors[0]:.1e} | {errors[1]:.1e} | {slope:+.1e} | {spread:.1e} | {text} |",
            flush=True,
        )
        rows.append(
            {"program": name, "units": program.units, "energy": errors[0], "force": errors[1], "drift": slope,
             "fluctuation": spread, "histogram": {q: asdict(c) for q, c in compared.items()}}
        )  # fmt: skip
    if given.json:
        write_json(given.json, {"bundle": repr(bundle), "steps": given.steps, "rows": rows})


if __name__ == "__main__":
    main()
