"""Make the shipped set chignolin_mean_force: mean forces of Chignolin, spread over four basins.

Run from the root of a checkout: ``python scripts/make_chignolin_mean_force.py``; an hour on one core. It comes after
scripts/make_chignolin_sample.py. Killed and repeated, it goes on where it was. ``--pack`` writes the data set and its
card from the labels there are, at any time: the configurations are labelled in turn from every basin
(cgexp/systems/peptide.py), so that any prefix is spread.

Candidates are the frames of both replica-exchange runs in experiments/chignolin_reference up to 390 K: all these
temperatures serve as configurations, the label is the mean force at the study temperature, in the force field of
chignolin_sample. They are from the part of the runs that its card says is held out of training.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.force_field import ForceField
from cgexp.all_atom.sampling.exchange_trajectory import load_exchange
from cgexp.cards import DATA, load_card
from cgexp.datasets.packaged import load_packaged, map_path, write_packaged
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.oracles.mean_force import MeanForceOracle
from cgexp.oracles.oracle import Labels, joined
from cgexp.progress import Progress
from cgexp.quantised import dequantise, quantise
from cgexp.systems.base import farthest_points
from cgexp.systems.peptide import BASINS, Peptide, basin_of

NAME, TRAINING = "chignolin_mean_force", "chignolin_sample"
RUNS = Path("experiments/chignolin_reference")
KINDS = ("native", "unfolded")
SYSTEM = Peptide("YYDPETGTWY")
HOTTEST = 390.0  # K; what is hotter holds what no run at the study temperature comes to
APART_PS = 48.0  # between what is held out and other frames
# Pilots (kcal/mol/Å): 4 configurations, 8 starts of 10 ps, error 0.88, of which 0.32 within starts; 9 configurations, 6
# starts of 3 ps, 1.53 and 0.72. So more starts gain most, and 14 of 2 ps are about 0.9.
N_STARTS, ANNEAL_PS, EQUILIBRATE_PS, PS_PER_START = 14, 4.0, 1.0, 2.0
SETTINGS = (
    "n_starts",
    "n_attempts",
    "anneal_ps",
    "hot_temperature",
    "equilibrate_ps",
    "ps_per_start",
    "save_ps",
    "seed",
)
SPARE = 1.3  # configurations in line for each one wanted, for those whose back-mapping is rejected
STEPS = {"coords": 0.001, "forces": 0.01, "force_sem": 0.001}  # Å and kcal/mol/Å: rounding of the shipped arrays
Coords = NDArray[np.float32]


@dataclass(frozen=True)
class Candidates:
    """Frames of the runs. coords: [n, n_beads, 3], Å. block, time_ps, temperature, basin: [n].

    block: the walker, counted through both runs. temperature: K.
    """

    coords: Coords
    block: NDArray[np.int64]
    time_ps: NDArray[np.float32]
    temperature: NDArray[np.float64]
    basin: NDArray[np.str_]

    def select(self, index: NDArray[Any]) -> Candidates:
        return Candidates(*(values[index] for values in vars(self).values()))


def candidates(runs: Path, held_out: tuple[float, float]) -> Candidates:
    """All frames of both runs that may be taken. held_out: ps, the part of the runs that no training frame is from."""
    parts = []
    for number, kind in enumerate(KINDS):
        run = load_exchange(runs / kind)
        n_walkers, temperatures = run.coords.shape[1], run.temperatures[run.frame_levels]
        frame, walker = np.meshgrid(np.arange(len(run.coords)), np.arange(n_walkers), indexing="ij")
        time = (frame + 1) * run.frame_ps
        allowed = (temperatures <= HOTTEST) & (time > held_out[0] + APART_PS) & (time <= held_out[1])
        coords = run.coords[allowed]
        coords -= coords.mean(axis=1, keepdims=True)
        coords = dequantise(quantise(coords, STEPS["coords"]), STEPS["coords"])  # labelled as they are kept
        parts.append(
            Candidates(
                coords,
                walker[allowed] + number * n_walkers,
                time[allowed].astype(np.float32),
                temperatures[allowed],
                basin_of(coords, SYSTEM.native()),
            )
        )
    fields = zip(*(vars(part).values() for part in parts), strict=True)
    return Candidates(*(np.concatenate(values) for values in fields))


def chosen(pool: Candidates, n_each: int, seed: int) -> Candidates:
    """The configurations in the order in which they are labelled: every basin in turn, farthest points within each.

    The first of a basin is drawn with ``seed``; each further one has the largest C-alpha RMSD to its nearest neighbour
    among those before it in its basin.
    """
    rng = np.random.default_rng(seed)
    picked = []
    for name in BASINS:
        members = np.flatnonzero(pool.basin == name)
        if not len(members):
            raise InputError(
                f"no frame of what is held out is {name}: expected some of every basin; sample longer runs"
            )
        first = rng.integers(len(members))
        members = np.concatenate([members[first:], members[:first]])
        n = min(len(members), round(SPARE * n_each))
        picked.append(members[farthest_points(SYSTEM, pool.coords[members], pool.coords[:0], n)])
        print(f"{name}: {n} in line of {len(members)} candidates", flush=True)
    longest = max(len(members) for members in picked)
    return pool.select(np.array([line[turn] for turn in range(longest) for line in picked if turn < len(line)]))


def label(oracle: MeanForceOracle, line: Candidates, n_each: int, cache: Path) -> tuple[Labels, NDArray[np.int64]]:
    """Label ``n_each`` configurations of every basin; one that is rejected is replaced by the next in its line.

    Returns the labels and which of the line they were made of.
    """
    waiting = {name: np.flatnonzero(line.basin == name).tolist() for name in BASINS}
    missing = dict.fromkeys(BASINS, n_each)
    parts, order = [], []
    while batch := sorted(index for name, n in missing.items() for index in waiting[name][:n]):
        for name, n in missing.items():
            waiting[name] = waiting[name][n:]
        parts.append(oracle.label(line.coords[batch], folder=cache, progress=Progress("mean forces: configuration")))
        order.extend(batch)
        missing = dict(Counter(line.basin[batch[index]] for index, _ in parts[-1].rejected))
    return joined(parts), np.array(order)


def stored(oracle: MeanForceOracle, line: Candidates, cache: Path) -> tuple[Labels, NDArray[np.int64]]:
    """The labels there are already, and which of the line they were made of."""
    there = np.flatnonzero([(cache / f"{key}.npz").is_file() for key in oracle.keys(line.coords)])
    if not len(there):
        raise InputError(f"{cache} has no labels of these configurations, settings and optimal map: label them first")
    return oracle.label(line.coords[there], folder=cache), there


def rms(values: NDArray[Any]) -> float:
    """Root mean square of all components."""
    return round(float(np.sqrt(np.square(values, dtype=np.float64).mean())), 3)


def facts(labels: Labels, order: NDArray[np.int64], line: Candidates, data: Path) -> dict[str, Any]:
    """What the data card says beyond what all cards say. data: where the training set is."""
    forces, sem = labels.frames.forces, labels.frames.force_sem
    assert forces is not None
    assert sem is not None
    basin, rmsd = line.basin[order[labels.parent]], SYSTEM.distance(labels.frames.coords, SYSTEM.native()[None])[:, 0]
    nearest = SYSTEM.distance(labels.frames.coords, load_packaged(TRAINING, data).coords).min(axis=1)
    rows = {"all": np.full(len(basin), True)} | {name: basin == name for name in BASINS}
    return {
        "basins": BASINS,
        "by_basin": {
            name: {
                "n_frames": int(members.sum()),
                "mean_force_rms": rms(forces[members]),
                "force_sem_rms": rms(sem[members]),
                "sem_between_rms": rms(labels.extra["sem_between"][members]),
                "sem_within_rms": rms(labels.extra["sem_within"][members]),
                "rmsd_native_range": [round(float(edge(rmsd[members])), 2) for edge in (np.min, np.max)],
                "rmsd_to_nearest_training_frame": [
                    round(float(value), 2) for value in np.quantile(nearest[members], (0.0, 0.5, 1.0))
                ],
            }
            for name, members in rows.items()
            if members.any()
        },
        "n_rejected": len(labels.rejected),
        "rejected": dict(Counter(f"{line.basin[order[index]]}: {why}" for index, why in labels.rejected)),
        "temperatures_of_the_walkers_K": dict(
            sorted(Counter(f"{value:g}" for value in line.temperature[order[labels.parent]].tolist()).items())
        ),
        "cpu_seconds": round(labels.cost_s),
        "fields": "block: the walker, counted through both runs; time_ps: of the frame in it",
        "training_set": f"{TRAINING}: from the part of the runs that it holds out, {APART_PS:g} ps or more from its "
        "frames; rmsd_to_nearest_training_frame: least, median and largest, Å",
    }


def pack(oracle: MeanForceOracle, labels: Labels, order: NDArray[np.int64], line: Candidates, folder: Path) -> None:
    """Write the data set and its card, and print the card."""
    source = order[labels.parent]
    frames: Frames = labels.frames.with_labels(
        block=line.block[source],
        time_ps=line.time_ps[source],
        notes=f"{labels.frames.notes}; chosen farthest from one another in each of {len(BASINS)} basins from replica "
        f"exchange up to {HOTTEST:g} K",
    )
    settings = {name: getattr(oracle, name) for name in SETTINGS}
    card = write_packaged(
        NAME,
        frames,
        {"oracle": oracle.name, **settings, "temperature": oracle.temperature, "force_map": f"{TRAINING}.map.npz"},
        "python scripts/make_chignolin_mean_force.py",
        folder,
        steps=STEPS,
        facts=facts(labels, order, line, folder),
    )
    for name, value in card.items():
        print(f"{name}: {value}")


def main() -> None:
    """Label, or pack what is labelled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n-each", type=int, default=105, help="labelled configurations of each basin")
    parser.add_argument("--n-starts", type=int, default=N_STARTS, help="independently back-mapped starts of each")
    parser.add_argument("--ps-per-start", type=float, default=PS_PER_START, help="ps averaged after each start")
    parser.add_argument("--n-parallel", type=int, default=1, help="local processes")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder with the packed runs 'native' and 'unfolded'")
    parser.add_argument("--seed", type=int, default=0, help="of the choice, of back-mapping and thermostat")
    parser.add_argument("--cache", type=Path, default=Path("outputs") / NAME, help="finished labels")
    parser.add_argument("--data", type=Path, default=DATA, help="where the data set and its card are written")
    parser.add_argument("--pack", action="store_true", help="write what is labelled so far and do not label more")
    arguments = parser.parse_args()
    card = load_card(TRAINING, arguments.data)
    if "held_out_ps" not in card["protocol"]:
        raise InputError(f"the card of {TRAINING} names no part of the runs that is held out: make that set again")
    force_field = ForceField.named(card["force_field"])
    oracle = MeanForceOracle(
        system=SYSTEM,
        temperature=card["temperature_K"],
        force_field=force_field.protein,
        solvent=force_field.solvent,
        surface_term=force_field.surface_term,
        n_starts=arguments.n_starts,
        n_attempts=2 * arguments.n_starts,
        ps_per_start=arguments.ps_per_start,
        equilibrate_ps=EQUILIBRATE_PS,
        anneal_ps=ANNEAL_PS,
        force_map=str(map_path(TRAINING, arguments.data)),
        seed=arguments.seed,
        n_parallel=arguments.n_parallel,
    )
    line = chosen(candidates(arguments.runs, card["protocol"]["held_out_ps"]), arguments.n_each, arguments.seed)
    labels, order = (
        stored(oracle, line, arguments.cache)
        if arguments.pack
        else label(oracle, line, arguments.n_each, arguments.cache)
    )
    pack(oracle, labels, order, line, arguments.data)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        print(f"make_chignolin_mean_force: {error}", file=sys.stderr)
        sys.exit(2)
