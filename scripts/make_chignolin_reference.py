"""Make the shipped set chignolin_reference: Chignolin at one temperature, from two independent replica-exchange runs.

Run from the root of a checkout: ``python scripts/make_chignolin_reference.py``; a minute. It reads the runs that
``scripts/sample_chignolin.py`` left, packed in experiments/chignolin_reference or (``--runs``) in the working folders,
also while they go on, and writes with the data card: frames of all temperatures with their ``weights`` at
``--temperature``; the continuous walkers; and the TICA fitted on these. Repeated after the runs have gone on, it makes
all of it anew but the TICA, which all comparisons share and which is kept, unless ``--refit-tica`` is given or it is of
another force field.

Frames before ``--burn-in`` are in the walkers but not in the ensemble.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cgexp.all_atom.engine import TIME_STEP
from cgexp.all_atom.force_field import DEFAULT, HYDROGEN_MASS, ForceField
from cgexp.all_atom.sampling.ensemble import NEGLIGIBLE, Pool, effective_size, not_negligible
from cgexp.all_atom.sampling.exchange_trajectory import SETTINGS_FILE, ExchangeTrajectory, load_exchange
from cgexp.analysis.bootstrap import UnitMeans
from cgexp.analysis.ensemble import Ensemble
from cgexp.analysis.equilibrium import Equilibrium
from cgexp.analysis.folding import folded, folding_metrics
from cgexp.analysis.tica import Tica
from cgexp.cards import DATA, MANIFEST, load_card, manifest_with, packaged_names
from cgexp.datasets.equilibrium import (
    FILES,
    RUNS,
    TICA,
    WALKERS,
    Walkers,
    file_hashes,
    load_equilibrium,
    write_walkers,
)
from cgexp.datasets.packaged import write_packaged
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.quantised import dequantise, quantise
from cgexp.store import read_arrays, read_record, write_arrays, write_bytes, write_json
from cgexp.systems.peptide import CONTACT, Peptide

NAME, SYSTEM = "chignolin_reference", Peptide("YYDPETGTWY")
PACKED = Path("experiments/chignolin_reference")
KINDS = ("native", "unfolded")
TEMPERATURE = 350.0  # K, of the study
UNSAID = DEFAULT.name  # force field of runs that do not say theirs
FOLDED = 2.0  # Å of C-alpha RMSD to the native structure: below
STRETCH_PS = 8000.0  # of a walker, a block: errors of the folded fraction grow with its length up to this
LAG_PS = 100.0  # of TICA, as long as a folding event: its first component is folding at lags from 20 ps to 1 ns
STEP = 0.001  # Å: rounding of the shipped coordinates
LARGEST = 5_000_000  # bytes, of all files together
N_SAMPLES, N_BOOTSTRAP = 1000, 20  # of the resolution on the card, as in conf/analysis/peptide.yaml
BURN_IN_PS = 10_000.0  # of each walker: no frame of it counts; chosen when runs of 41 ns a walker had been seen


def read_runs(folder: Path) -> dict[str, ExchangeTrajectory]:
    """The two runs, by where they started."""
    return {kind: load_exchange(folder / kind) for kind in KINDS}


def rmsd_of(pool: Pool) -> np.ndarray:
    """C-alpha RMSD to the native structure, Å, [n]."""
    return SYSTEM.distance(pool.coords, SYSTEM.native()[None])[:, 0]


def ensemble(pool: Pool, weights: np.ndarray, temperature: float, force_field: str, notes: str) -> Frames:
    """Weighted frames; a block is a stretch of a walker."""
    return Frames(
        coords=pool.coords,
        bead_types=SYSTEM.bead_types,
        block=pool.blocks(STRETCH_PS),
        time_ps=pool.time_ps.astype(np.float32),
        weights=(weights / weights.mean()).astype(np.float32),
        units="molecular",
        temperature=temperature,
        system=SYSTEM.name,
        system_spec=SYSTEM.spec,
        source=f"OpenMM, {force_field}, replica exchange",
        force_map="no_forces",
        force_field=force_field,
        notes=notes,
    )


def walkers_of(pool: Pool) -> Walkers:
    """All frames as they are kept."""
    return Walkers(
        coords=dequantise(quantise(pool.coords, STEP), STEP),
        walker=pool.walker,
        time_ps=pool.time_ps.astype(np.float32),
        temperature=pool.temperatures[pool.level].astype(np.float32),
        energy=pool.energy.astype(np.float32),
    )


def engines(run: ExchangeTrajectory) -> dict[str, float]:
    """What computed the forces: aggregate ns by engine ('native' is the C++ kernel)."""
    names, counts = np.unique(run.engine, return_counts=True)
    ns = counts * run.aggregate_ns / len(run.engine)
    return {str(name) or "not recorded": round(float(each), 1) for name, each in zip(names, ns, strict=True)}


def run_facts(
    pool: Pool, weights: np.ndarray, runs: Mapping[str, ExchangeTrajectory], seeds: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Of each run: how long, which blocks of the frames are its own, how it mixed. pool: after the burn-in."""
    folded, facts, first_walker = rmsd_of(pool) < FOLDED, [], 0
    for number, (kind, run) in enumerate(runs.items()):
        own = pool.run == number
        facts.append(
            {
                "start": kind,
                "seed": seeds[kind],
                "engines": engines(run),
                "first_block": first_walker * pool.n_stretches(STRETCH_PS),
                "first_walker": first_walker,
                "aggregate_ns": round(run.aggregate_ns, 3),
                "acceptance": run.acceptance.round(3).tolist(),
                "round_trips": run.round_trips.tolist(),
                "folded_fraction": round(float(np.average(folded[own], weights=weights[own])), 4),
                "effective_size": round(effective_size(weights[own])),
            }
        )
        first_walker += run.levels.shape[1]
    return facts


def make(
    runs_folder: Path,
    data: Path,
    burn_in: float = BURN_IN_PS,
    refit_tica: bool = False,
    temperature: float = TEMPERATURE,
) -> dict[str, Any]:
    """Write the data set in as many frames as fit; return its card. temperature: K, of the weights."""
    runs = read_runs(runs_folder)
    everything = Pool.of(list(runs.values()))
    if burn_in >= everything.time_ps.max():
        raise InputError(f"the runs are not longer than the burn-in of {burn_in:g} ps: sample on, or give --burn-in")
    pool = everything.select(everything.time_ps > burn_in)
    weights = pool.weights(temperature)
    seeds = {kind: int(read_record(runs_folder / kind / SETTINGS_FILE)["seed"]) for kind in KINDS}
    facts = run_facts(pool, weights, runs, seeds)
    length = min(run.aggregate_ns for run in runs.values())
    stride = 1
    while True:
        thinned = everything.every(stride)
        card = _write(data, thinned, burn_in, stride, refit_tica, facts, runs_folder, length, temperature)
        if sum(path.stat().st_size for path in data.glob(f"{NAME}.*")) <= LARGEST:
            return _judged_card(data, card, facts)
        stride += 1


def _write(
    data: Path,
    everything: Pool,
    burn_in: float,
    stride: int,
    refit_tica: bool,
    facts: list[dict[str, Any]],
    runs_folder: Path,
    length: float,
    temperature: float,
) -> dict[str, Any]:
    pool = everything.select(everything.time_ps > burn_in)
    weights = pool.weights(temperature)
    size, kept = effective_size(weights), not_negligible(weights)
    n_all, blocks = len(pool), pool.n_stretches(STRETCH_PS)
    pool, weights = pool.select(kept), weights[kept]
    assert pool.n_stretches(STRETCH_PS) == blocks
    settings = read_record(runs_folder / KINDS[0] / SETTINGS_FILE)
    frame_ps = settings["exchange_ps"] * settings["cycles_per_save"] * stride
    notes = (
        f"two replica-exchange runs from opposite starts, all temperatures reweighted to {temperature:g} K (MBAR); as "
        "far as they disagree it is not converged: quote w1_tica_resolution beside every distance to it; on another "
        "kind of processor the same seeds give another walk of the same ensemble"
    )
    force_field = ForceField.named(settings.get("force_field", UNSAID)).name
    frames, walkers = ensemble(pool, weights, temperature, force_field, notes), walkers_of(everything)
    write_walkers(data / WALKERS.format(NAME), walkers, STEP)
    tica = _tica(data, walkers.frames(frames), refit_tica or _is_other(data, force_field))
    protocol = {
        **{name: value for name, value in settings.items() if name != "seed"},
        "force_field": force_field,
        "hydrogen_mass_amu": HYDROGEN_MASS,
        "constraints": "bonds to hydrogen",
        "time_step": settings.get("time_step", TIME_STEP),
    }
    more = {
        RUNS: facts,
        FILES: file_hashes(NAME, data),
        "burn_in_ps": burn_in,
        "frame_ps": frame_ps,
        "stretch_ps": STRETCH_PS,
        "fields": "block: a stretch of a walker, of the run whose first_block is the last not above it; weights: MBAR",
        "effective_size": round(size),
        "n_frames_before_dropping_negligible_weights": n_all,
        "negligible_weight_dropped": NEGLIGIBLE,
        "folded_fraction": round(float(np.average(rmsd_of(pool) < FOLDED, weights=weights)), 4),
        "walkers": {"n_frames": len(walkers.coords), "n_walkers": len(np.unique(walkers.walker))},
        "tica": {
            **tica.to_arrays()[1],
            "eigenvalues": tica.eigenvalues.round(4).tolist(),
            "folded_from_unfolded_in_sd_of_unfolded": _separation(tica, pool, weights),
            "correlation_with_rmsd": _correlation(tica, pool, weights),
            "fitted_on_these_walkers": tica.data_hash == walkers.frames(frames).content_hash,
        },
    }
    command = "python scripts/make_chignolin_reference.py"
    return write_packaged(NAME, frames, protocol, command, data, steps={"coords": STEP}, facts=more)


def _judged_card(data: Path, card: dict[str, Any], facts: list[dict[str, Any]]) -> dict[str, Any]:
    """The card of the set that was written, with what the two runs say of each other; written again."""
    card = card | judged(load_equilibrium(NAME, data), facts)
    write_json(data / f"{NAME}.json", card)
    write_bytes(data / MANIFEST, manifest_with(NAME, data))
    return card


def judged(equilibrium: Equilibrium, facts: list[dict[str, Any]]) -> dict[str, Any]:
    """What the two runs say of each other, for the card.

    The distance of the runs, also relative to that of folded from all other frames; the reference's numbers, whose
    errors are not below half the difference of the runs; and of each run the means of its observables.
    """
    frames = equilibrium.frames
    measured = Ensemble.of(frames.coords, SYSTEM, equilibrium.tica, CONTACT, frames.block, frames.weights)
    measured = replace(measured, run=equilibrium.run)
    is_folded = folded(measured, FOLDED)
    resolution = equilibrium.resolution(N_SAMPLES, N_BOOTSTRAP, np.random.default_rng(0), is_folded)
    values = folding_metrics(measured, SYSTEM, FOLDED, N_BOOTSTRAP, np.random.default_rng(0))
    runs = [run | {"means": _means(side)} for run, side in zip(facts, measured.runs(), strict=True)]
    return {
        RUNS: runs,
        "w1_tica_resolution": {name: round(value, 4) for name, value in resolution.items()},
        "values": {name: round(value, 4) for name, value in values.items()},
    }


def _means(run: Ensemble) -> dict[str, list[float]]:
    """Weighted means over a run's frames, each with its standard error over blocks."""
    columns = {name: run.observables[name][:, 0] for name in ("rmsd", "rg", "end_to_end")}
    columns |= {"ic1": run.tica[:, 0], "ic2": run.tica[:, 1], "folded": folded(run, FOLDED).astype(float)}
    means = UnitMeans.of(np.stack(list(columns.values()), axis=1), run.block, run.weights)
    sem = means.mean_sem()
    assert sem is not None
    pairs = zip(columns, means.mean(), sem, strict=True)
    return {name: [round(float(value), 4), round(float(error), 4)] for name, value, error in pairs}


def _separation(tica: Tica, pool: Pool, weights: np.ndarray) -> list[float]:
    """How far the mean of the folded frames is from that of the others along each IC; 0 where none is folded."""
    ics, folded = tica.transform(pool.coords), rmsd_of(pool) < FOLDED
    if not folded.any():
        return [0.0, 0.0]
    mean = np.average(ics[~folded], axis=0, weights=weights[~folded])
    deviation = np.sqrt(np.average((ics[~folded] - mean) ** 2, axis=0, weights=weights[~folded]))
    found = (np.average(ics[folded], axis=0, weights=weights[folded]) - mean) / deviation
    return [round(float(value), 2) for value in found]


def _correlation(tica: Tica, pool: Pool, weights: np.ndarray) -> list[float]:
    """Weighted correlation of each IC with the RMSD to the native structure."""
    values = np.column_stack([tica.transform(pool.coords), rmsd_of(pool)])
    covariance = np.cov(values, rowvar=False, aweights=weights)
    deviation = np.sqrt(np.diag(covariance))
    return [round(float(value), 3) for value in covariance[-1, :-1] / (deviation[:-1] * deviation[-1])]


def _is_other(data: Path, force_field: str) -> bool:
    """Whether the set that is there is of another force field."""
    return NAME in packaged_names(data) and load_card(NAME, data)["force_field"] != force_field


def _tica(data: Path, walkers: Frames, refit: bool) -> Tica:
    """The TICA there is; fitted only if there is none, or if asked for."""
    path = data / TICA.format(NAME)
    if path.is_file() and not refit:
        return Tica.from_arrays(*read_arrays(path))
    tica = Tica.fit(walkers, LAG_PS)
    write_arrays(path, *tica.to_arrays(), compress=True)
    return tica


def main(words: Sequence[str] | None = None) -> int:
    """Read both runs, write the data set, print its card; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=PACKED, help="folder with the runs 'native' and 'unfolded'")
    parser.add_argument("--data", type=Path, default=DATA, help="where the data set and its card are written")
    parser.add_argument("--burn-in", type=float, default=BURN_IN_PS, help="ps of each walker to leave out")
    parser.add_argument("--refit-tica", action="store_true", help="fit the TICA again: older comparisons lose theirs")
    parser.add_argument("--temperature", type=float, default=TEMPERATURE, help="K, of the study")
    arguments = parser.parse_args(words)
    try:
        card = make(arguments.runs, arguments.data, arguments.burn_in, arguments.refit_tica, arguments.temperature)
    except InputError as error:
        print(f"make_chignolin_reference: {error}", file=sys.stderr)
        return 2
    print("\n".join(f"{name}: {value}" for name, value in card.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
