"""Make the shipped training sets of Chignolin from the two replica-exchange runs of the reference.

Run from the root of a checkout while the working folders of both runs are there (scripts/sample_chignolin.py):
``python scripts/make_chignolin_sample.py``.
Frames of the study temperature are taken as they came, evenly in time and as many from each run, in equal weights:
Boltzmann weights within a run, an equilibrium sample as far as the runs agree. Less is left out at the start than of
chignolin_reference: force matching needs forces of the right conditional mean at every configuration, not the right
share of each. The very first part is held out for chignolin_mean_force, whose configurations need be no ensemble.

It writes, each with its data card: chignolin_sample (forces of the optimal map), chignolin_mini (5,000 of these) and
chignolin_maps (10,000 of these with the forces of all maps); and the optimal map itself, chignolin_sample.map.npz.
Repeated after the runs have gone on, it keeps the optimal map, which the labels of chignolin_mean_force are averaged
with, unless ``--refit-map`` is given or the map is of another force field.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.force_field import DEFAULT, HYDROGEN_MASS, ForceField, constraint_pairs, make_system
from cgexp.all_atom.mapping.force_maps import make_map
from cgexp.all_atom.mapping.linear_map import LinearMap, read_map, write_map
from cgexp.all_atom.mapping.sites import BeadSites
from cgexp.all_atom.mapping.unbiasedness import assess, force_rms
from cgexp.all_atom.sampling.exchange_trajectory import SETTINGS_FILE
from cgexp.all_atom.structure import build_peptide
from cgexp.cards import DATA, load_card, packaged_names
from cgexp.datasets.packaged import FIRST_BLOCKS, map_path, write_packaged
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.store import Chunks, read_record
from cgexp.systems.peptide import BASINS, Peptide, basin_of

RUNS, KINDS = Path("outputs/chignolin_reference"), ("native", "unfolded")
NAME, SYSTEM = "chignolin_sample", Peptide("YYDPETGTWY")
MAPS = ("optimal", "constraint_group", "residue", "slice")
N_SAMPLE, N_MAPS, N_MINI = 57_600, 10_000, 5_000
FIT_FRAMES = 4_000  # of even blocks, that the optimal map is fitted to
BURN_IN_PS = 2000.0  # of each walker, no training frame is from it
HELD_OUT_PS = (100.0, 1952.0)  # of each walker, for chignolin_mean_force
STRETCH_PS, GAP_PS = 1000.0, 20.0  # of a walker: a block, and what is left out at its beginning, so that none touch
STEPS = {"coords": 0.001, "forces": 0.01}  # Å and kcal/mol/Å: rounding of the shipped arrays
WEIGHTS = "equal, of all frames: Boltzmann weights at the temperature within a run, and both runs alike"
COMMAND = "python scripts/make_chignolin_sample.py"


@dataclass(frozen=True)
class Atoms:
    """Labelled frames: all atoms.

    coords, forces: [n, n_atoms, 3], Å and kcal/mol/Å. run, walker: [n]. time_ps: [n], of the walker.
    """

    coords: NDArray[np.float32]
    forces: NDArray[np.float32]
    run: NDArray[np.int64]
    walker: NDArray[np.int64]
    time_ps: NDArray[np.float64]


def labelled(folder: Path) -> Iterator[tuple[NDArray[np.float64], dict[str, NDArray[Any]]]]:
    """Of every stored round: time (ps) of its labelled frames, and its arrays."""
    settings = read_record(folder / SETTINGS_FILE)
    for arrays, _ in Chunks(folder):
        n_cycles = len(arrays["levels"])
        if not n_cycles or "labelled_walker" not in arrays:  # before the first round, or packed
            continue
        n_labels = len(arrays["labelled_walker"])
        begin = int(arrays["n_cycles"]) - n_cycles
        yield settings["exchange_ps"] * (begin + n_cycles / n_labels * np.arange(1, n_labels + 1)), arrays


def choose(folder: Path, begin: float, end: float, n: int, run: int) -> Atoms:
    """``n`` labelled frames of one run between two times (ps), evenly spaced; all of them if there are fewer."""
    times = [time for time, _ in labelled(folder)]
    inside = [(time > begin) & (time <= end) & (since_stretch(time) > GAP_PS) for time in times]
    total = sum(int(chosen.sum()) for chosen in inside)
    if not total:
        raise InputError(
            f"{folder} has no labelled frame between {begin:g} and {end:g} ps: sample on (packed runs have none), or "
            "give --burn-in"
        )
    wanted = np.unique(np.linspace(0, total - 1, min(n, total)).round().astype(np.int64))
    parts: list[tuple[Any, ...]] = []
    first = 0
    for (time, arrays), chosen in zip(labelled(folder), inside, strict=True):
        index = np.flatnonzero(chosen)
        own = index[wanted[(wanted >= first) & (wanted < first + len(index))] - first]
        first += len(index)
        names = ("labelled_coords", "labelled_forces", "labelled_walker")
        parts.append((*(arrays[name][own] for name in names), time[own]))
    coords, forces, walker, time_ps = (np.concatenate(values) for values in zip(*parts, strict=True))
    return Atoms(coords, forces, np.full(len(walker), run), walker.astype(np.int64), time_ps)


def since_stretch(time_ps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Time (ps) since the stretch of a walker began that a frame is in."""
    return time_ps - (np.ceil(time_ps / STRETCH_PS - 1e-9) - 1.0) * STRETCH_PS


def blocks(atoms: Atoms) -> NDArray[np.int64]:
    """[n]: a stretch of a walker of a run, counted from 0."""
    names = np.stack([atoms.run, atoms.walker, np.ceil(atoms.time_ps / STRETCH_PS - 1e-9).astype(np.int64)], axis=1)
    return np.unique(names, axis=0, return_inverse=True)[1].reshape(-1)


def maps_of(atoms: Atoms, sites: BeadSites, optimal: LinearMap | None) -> dict[str, LinearMap]:
    """Every map of MAPS; the optimal one, unless there is one already, is fitted to even blocks."""
    even = np.flatnonzero(blocks(atoms) % 2 == 0)
    fit = even[np.unique(np.linspace(0, len(even) - 1, FIT_FRAMES).round().astype(np.int64))]
    maps = {} if optimal is None else {"optimal": optimal}
    return maps | {name: make_map(name, sites, atoms.forces[fit]) for name in MAPS if name not in maps}


def kept_map(data: Path, force_field: str) -> LinearMap | None:
    """The optimal map of the set that is there; None if there is none or it is of another force field."""
    if NAME not in packaged_names(data) or load_card(NAME, data)["force_field"] != force_field:
        return None
    return read_map(map_path(NAME, data))


def beads_of(atoms: Atoms, force_map: LinearMap, temperature: float, force_field: str, notes: str) -> Frames:
    """Frames of the beads with mapped forces, their mean position at the origin, so that coordinates fit 16 bits."""
    coords = atoms.coords[:, force_map.beads]
    return Frames(
        coords=coords - coords.mean(axis=1, keepdims=True),
        forces=force_map.apply(atoms.forces).astype(np.float32),
        bead_types=SYSTEM.bead_types,
        block=blocks(atoms),
        time_ps=atoms.time_ps.astype(np.float32),
        units="molecular",
        temperature=temperature,
        system=SYSTEM.name,
        system_spec=SYSTEM.spec,
        source=f"OpenMM, {force_field}, replica exchange",
        force_map=force_map.name,
        force_field=force_field,
        notes=f"{notes}; force map: {force_map.provenance}, sha256 {force_map.content_hash}",
    )


def verification(frames: Frames, fitted: bool) -> dict[str, Any]:
    """The map's quality. fitted: to even blocks of these frames, not kept from a fit to fewer."""
    card = {"n_frames": len(frames), **assess(frames).card}
    if fitted:
        card["force_rms_held_out_blocks"] = round(force_rms(frames.select(frames.block % 2 == 1)), 4)
    return card


def coverage(frames: Frames, run: NDArray[np.int64]) -> dict[str, Any]:
    """By run: share of the frames, first block. By basin: share in all of them and in each run. run: [n]."""
    basin = basin_of(frames.coords, SYSTEM.native())
    chosen = {"all": run >= 0, **{kind: run == number for number, kind in enumerate(KINDS)}}
    return {
        "share_by_run": {kind: round(float(chosen[kind].mean()), 4) for kind in KINDS},
        FIRST_BLOCKS: {kind: int(frames.block[chosen[kind]].min()) for kind in KINDS},
        "coverage": {
            name: {each: round(float((basin[own] == each).mean()), 4) for each in BASINS}
            for name, own in chosen.items()
        },
    }


def settings_of(runs: Path) -> dict[str, Any]:
    """What both runs share. Raises InputError if they were sampled in different force fields."""
    first, second = (read_record(runs / kind / SETTINGS_FILE) for kind in KINDS)
    for name in sorted((first.keys() | second.keys()) - {"seed"}):
        if first.get(name) != second.get(name):
            raise InputError(f"the runs in {runs} differ in {name}: {first.get(name)} and {second.get(name)}")
    return {"force_field": DEFAULT.name} | {name: value for name, value in first.items() if name != "seed"}


def make(
    runs: Path, data: Path, temperature: float, burn_in: float, refit_map: bool = False, n_sample: int = N_SAMPLE
) -> list[dict[str, Any]]:
    """Write the three sets and the optimal map; return the cards. temperature: K, of the level that is labelled."""
    settings = settings_of(runs)
    if burn_in < HELD_OUT_PS[1]:
        raise InputError(
            f"--burn-in {burn_in:g}: expected {HELD_OUT_PS[1]:g} ps or more, for what is before is held out"
        )
    last = [max((time[-1] for time, _ in labelled(runs / kind)), default=0.0) for kind in KINDS]
    end = min(last)
    parts = [choose(runs / kind, burn_in, end, n_sample // len(KINDS), run) for run, kind in enumerate(KINDS)]
    atoms = Atoms(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))
    peptide, force_field = build_peptide(SYSTEM.sequence), ForceField.named(settings["force_field"])
    sites = BeadSites.on(peptide.atoms, SYSTEM.bead_atoms, constraint_pairs(make_system(peptide.topology, force_field)))
    optimal = None if refit_map else kept_map(data, force_field.name)
    maps = maps_of(atoms, sites, optimal)
    maps["optimal"].check_atoms(peptide.atoms)
    notes = (
        f"frames of {temperature:g} K from two replica exchanges as they came, after {burn_in:g} ps: equal weights, an "
        "equilibrium sample as far as the runs agree; on another kind of processor the same seeds give another walk"
    )
    made = {name: beads_of(atoms, each, temperature, force_field.name, notes) for name, each in maps.items()}
    checks = {name: verification(frames, optimal is None) for name, frames in made.items()}
    protocol = {
        **settings,
        "temperature": temperature,
        "hydrogen_mass_amu": HYDROGEN_MASS,
        "constraints": "bonds to hydrogen",
        "burn_in_ps": burn_in,
        "held_out_ps": list(HELD_OUT_PS),
        "stretch_ps": STRETCH_PS,
        "gap_ps": GAP_PS,
    }
    write_map(map_path(NAME, data), maps["optimal"])
    few = {n: np.linspace(0, len(atoms.run) - 1, n).round().astype(np.int64) for n in (N_MINI, N_MAPS)}
    other = {name: frames.select(few[N_MAPS]).forces for name, frames in made.items() if name != "optimal"}
    sets: list[tuple[str, NDArray[np.int64], dict[str, Any], dict[str, Any]]] = [
        (NAME, np.arange(len(atoms.run)), {}, checks["optimal"]),
        ("chignolin_mini", few[N_MINI], {}, checks["optimal"]),
        ("chignolin_maps", few[N_MAPS], {"other_forces": other}, checks),
    ]
    return [
        write_packaged(
            name,
            made["optimal"].select(index),
            protocol,
            COMMAND,
            data,
            steps=STEPS,
            facts={
                "verification_on_all_frames": check,
                "weights": WEIGHTS,
                **coverage(made["optimal"].select(index), atoms.run[index]),
            },
            **more,
        )
        for name, index, more, check in sets
    ]


def main(words: Sequence[str] | None = None) -> int:
    """Write the data sets and print their cards; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=RUNS, help="working folders of the runs, with labelled frames")
    parser.add_argument("--data", type=Path, default=DATA, help="where the data sets and their cards are written")
    parser.add_argument("--temperature", type=float, default=350.0, help="K, of the labelled level")
    parser.add_argument("--burn-in", type=float, default=BURN_IN_PS, help="ps of each walker left out at its start")
    parser.add_argument("--refit-map", action="store_true", help="fit the optimal map again: mean forces need theirs")
    arguments = parser.parse_args(words)
    try:
        cards = make(arguments.runs, arguments.data, arguments.temperature, arguments.burn_in, arguments.refit_map)
    except InputError as error:
        print(f"make_chignolin_sample: {error}", file=sys.stderr)
        return 2
    for card in cards:
        print("\n".join(f"{name}: {value}" for name, value in card.items()), end="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
