"""Has chignolin_reference converged? Two independent runs against each other: folded fraction, W1, exchange, events.

Run from the root of a checkout: ``python experiments/chignolin_reference/convergence.py``; a minute. It reads the runs
packed beside this file (or, with --runs, the working folders) and the burn-in, stretches and TICA of the shipped set,
which scripts/make_chignolin_reference.py makes first, and writes convergence.png and convergence.json here. A time is
that of a replica: six of them make a run's aggregate length.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from convergence_figure import figure  # beside this file
from numpy.typing import NDArray

from cgexp.all_atom.sampling.ensemble import Pool, effective_size
from cgexp.all_atom.sampling.exchange_trajectory import FOLDED, ExchangeTrajectory, Visits, load_exchange, long_visits
from cgexp.analysis.bootstrap import mean_and_sem
from cgexp.analysis.equilibrium import run_distance
from cgexp.cards import DATA, load_card
from cgexp.datasets.equilibrium import load_tica
from cgexp.errors import InputError
from cgexp.report.figures import save
from cgexp.store import write_json
from cgexp.systems.peptide import Peptide

HERE = Path(__file__).parent
KINDS = ("native", "unfolded")
NAME, SYSTEM = "chignolin_reference", Peptide("YYDPETGTWY")
BLOCK_PS = 2000.0  # of the folded fraction
BURN_INS_NS, STRETCHES_NS = (2, 6, 10, 14, 18), (1, 2, 4, 8, 16)  # what the folded fraction and its error depend on
N_LENGTHS, N_SAMPLES, N_BOOTSTRAP = 6, 1000, 10
REWEIGHTED = "reweighted"  # of the frames of all temperatures, to that of the study
TARGETS = {"resolution_relative": 0.15, "relative error of the folded fraction": 0.25}
Floats = NDArray[np.float64]


def folded_by_time(pool: Pool, folded: NDArray[np.bool_], weights: Floats) -> dict[str, list[float]]:
    """Folded fraction in blocks of time with its error over walkers: time_ns, mean, sem; weights count frames."""
    block = np.ceil(pool.time_ps / BLOCK_PS - 1e-9).astype(int) - 1
    whole = np.flatnonzero(np.bincount(block) >= 0.5 * np.bincount(block).max())  # a short last one is left out
    rng, names = np.random.default_rng(0), ("time_ns", "mean", "sem")
    rows = []
    for number in whole:
        chosen = (block == number) & (weights > 0)
        if chosen.any():
            mean, sem = mean_and_sem(folded[chosen], pool.walker[chosen], 100, rng, weights[chosen])
            rows.append(((number + 0.5) * BLOCK_PS / 1000.0, mean, 0.0 if sem is None else sem))
    return {name: np.round(column, 4).tolist() for name, column in zip(names, np.array(rows).T, strict=True)}


def indices(pool: Pool, start_ps: float, end_ps: float, run: int) -> NDArray[np.intp]:
    """Frames of a run from start to end."""
    return np.flatnonzero((pool.run == run) & (pool.time_ps > start_ps) & (pool.time_ps <= end_ps))


def by_length(
    pool: Pool, tica: Floats, weights: Floats, folded: NDArray[np.bool_], burn_in: float, stretch: float
) -> dict[str, Any]:
    """W1 between the runs when each had so much time after the burn-in; and that of folded and all other frames.

    The latter, of all frames of both runs, is the scale of ``resolution_relative``.
    """
    end = min(float(pool.time_ps[pool.run == run].max()) for run in (0, 1))
    blocks = pool.blocks(stretch)
    used = (pool.time_ps > burn_in) & (weights > 0)
    sides = [np.flatnonzero(used & folded), np.flatnonzero(used & ~folded)]
    scale = run_distance(tica, weights, blocks, sides, N_SAMPLES, 0, np.random.default_rng(0), "w1").get("w1")
    rows = []
    for length in np.linspace(0.0, end - burn_in, N_LENGTHS + 1)[1:]:
        runs = [indices(pool, burn_in, burn_in + length, run) for run in (0, 1)]
        found = run_distance(tica, weights, blocks, runs, N_SAMPLES, N_BOOTSTRAP, np.random.default_rng(0), "w1")
        relative = {name.replace("w1", "relative"): value / scale for name, value in found.items()} if scale else {}
        rows.append({"ns_a_replica": length / 1000.0, **found, **relative})
    return {"folded_from_others": scale, "rows": rows}


def floor_of(tica: Floats, weights: Floats) -> float:
    """W1 between independent samples of one ensemble, N_SAMPLES each: what no two runs come below."""
    rng = np.random.default_rng(0)
    chance = np.asarray(weights / weights.sum())
    drawn = [rng.choice(len(tica), 2 * N_SAMPLES, p=chance) for _ in range(5)]
    ones = np.ones(len(tica))
    halves = [[index[:N_SAMPLES], index[N_SAMPLES:]] for index in drawn]
    of_one = np.zeros(len(tica), dtype=np.int64)
    return float(np.mean([run_distance(tica, ones, of_one, pair, N_SAMPLES, 0, rng, "w1")["w1"] for pair in halves]))


def needed(
    events: dict[str, float], aggregate_ns: float, relative: float, relative_sem: float, floor: float
) -> dict[str, Any]:
    """Aggregate ns of both runs after the burn-in for TARGETS, from two scalings that may both fail: see the README.

    Events are Poisson: a ratio of two rates has the relative error sqrt(1/n_folding + 1/n_unfolding). W1 beyond the
    floor of finite samples falls as 1/sqrt(length) once the runs have no memory of their starts; relative and floor are
    those, over the W1 of folded and other frames.
    """
    target, wanted = TARGETS["resolution_relative"], TARGETS["relative error of the folded fraction"]
    n_folding, n_unfolding = events["folding"], events["unfolding"]
    n = 2.0 / wanted**2  # of folding, and as many of unfolding
    rates = [(n_folding + sign * np.sqrt(n_folding)) / aggregate_ns for sign in (0, 1, -1)]

    def length(distance: float) -> float | None:
        if target <= floor:
            return None
        return float(aggregate_ns * max(distance**2 - floor**2, 0.0) / (target**2 - floor**2))

    return {
        "relative_error_now": float(np.sqrt(1 / n_folding + 1 / n_unfolding)) if n_folding * n_unfolding else None,
        "events_wanted": n,
        "aggregate_ns_by_events": [float(n / rate) if rate > 0 else None for rate in rates],
        "aggregate_ns_by_w1": [
            length(relative),
            length(max(relative - relative_sem, 0.0)),
            length(relative + relative_sem),
        ],
        "targets": TARGETS,
    }


def of_run(
    run: ExchangeTrajectory, part: Pool, rmsd: Floats, weights: Mapping[float, Floats], burn_in: float, stretch: float
) -> dict[str, Any]:
    """Numbers of one run. part: its frames, with rmsd [n]. weights: after each burn-in (ns, 0 of all frames), [n]."""
    folded, used, own = rmsd < FOLDED, part.time_ps > burn_in, weights[burn_in / 1000.0]
    units = part.blocks(stretch)

    def fraction(chosen: NDArray[np.bool_], weights: Floats, units: NDArray[Any] = units) -> dict[str, float | None]:
        mean, sem = mean_and_sem(folded[chosen], units[chosen], 200, np.random.default_rng(0), weights[chosen])
        return {"mean": mean, "sem_over_walkers_and_stretches": sem}

    ones = np.ones(len(part))
    levels = [part.level == level for level in range(len(part.temperatures))]
    names = [f"{each:g} K" for each in part.temperatures]
    by_walker = rmsd.reshape(run.coords.shape[1], -1).T
    seen, later = (long_visits(part, run.frame_ps) for part in (by_walker, by_walker[_first(burn_in, run) :]))
    return {
        "aggregate_ns": run.aggregate_ns,
        "acceptance": run.acceptance.round(3).tolist(),
        "round_trips": run.round_trips.tolist(),
        "folded_fraction": fraction(used, own),
        "folded_fraction_by_burn_in": {
            f"{ns} ns": fraction(part.time_ps > 1000.0 * ns, weights[ns])["mean"] for ns in BURN_INS_NS if ns in weights
        },
        "folded_fraction_sem_by_stretch": {
            f"{ns} ns": fraction(used, own, part.blocks(1000.0 * ns))["sem_over_walkers_and_stretches"]
            for ns in STRETCHES_NS
        },
        "folded_fraction_by_temperature": {
            name: fraction(used & at, ones) for name, at in zip(names, levels, strict=True)
        },
        "folded_fraction_by_block": {
            REWEIGHTED: folded_by_time(part, folded, weights[0.0]),
            **{name: folded_by_time(part, folded, at.astype(float)) for name, at in zip(names, levels, strict=True)},
        },
        "frames_after_burn_in": int(used.sum()),
        "effective_size_of_weights": effective_size(own[used]),
        "folded_share_by_walker": [
            round(float(folded[used & (part.walker == walker)].mean()), 3) for walker in np.unique(part.walker)
        ],
        "events": events_of(seen, run),
        "events_after_burn_in": events_of(later, run, _first(burn_in, run)),
    }


def _first(burn_in: float, run: ExchangeTrajectory) -> int:
    """The first frame after the burn-in (ps)."""
    return int(burn_in / run.frame_ps)


def events_of(seen: Visits, run: ExchangeTrajectory, first: int = 0) -> dict[str, Any]:
    """Events of a run from frame ``first`` on, in all, by walker and by the temperature at which they happened."""
    length = (seen.end - seen.begin) * run.frame_ps
    return {
        "folding": int(seen.folds.sum()),
        "unfolding": int(seen.unfolds.sum()),
        "shorter": int(seen.n_brief.sum()),
        "misfolded": int(seen.n_loose.sum()),
        "median_visit_ps": float(np.median(length)) if len(length) else None,
        "by_walker": seen.counts(run.frame_levels[first:], of_walkers=True),
        "by_temperature": seen.counts(run.frame_levels[first:], of_walkers=False),
    }


def weights_after(pool: Pool, temperature: float, burn_in: float) -> dict[float, Floats]:
    """Weights [n] of the frames after each burn-in (ns) that the runs are longer than, 0 before it; 0 ns: of all."""
    found = {}
    for ns in (0.0, burn_in / 1000.0, *map(float, BURN_INS_NS)):
        after = pool.time_ps > 1000.0 * ns
        if after.any():
            found[ns] = np.zeros(len(pool))
            found[ns][after] = pool.select(after).weights(temperature)
    return found


def cost(runs: Sequence[ExchangeTrajectory]) -> dict[str, float | None]:
    """CPU hours of all runs: their counted CPU time a ns times their length; and how many ns counted it."""
    counted = [np.isfinite(run.cpu_s) for run in runs]
    ns = sum(run.aggregate_ns * own.mean() for run, own in zip(runs, counted, strict=True))
    total_s = sum(run.cpu_s[own].sum() for run, own in zip(runs, counted, strict=True))
    hours = total_s / 3600.0 * sum(run.aggregate_ns for run in runs) / ns if ns else None
    return {"cpu_hours": hours, "ns_that_counted_cpu_time": ns}


def measure(folder: Path, data: Path) -> dict[str, Any]:
    """All numbers, from the runs in ``folder`` and the shipped set in ``data``."""
    runs = {kind: load_exchange(folder / kind) for kind in KINDS}
    card = load_card(NAME, data)
    burn_in, temperature = float(card["burn_in_ps"]), float(card["temperature_K"])
    stretch = float(card["stretch_ps"])
    pool = Pool.of(list(runs.values()))
    by_burn_in = weights_after(pool, temperature, burn_in)
    after, weights = pool.time_ps > burn_in, by_burn_in[burn_in / 1000.0]
    rmsd = SYSTEM.distance(pool.coords, SYSTEM.native()[None])[:, 0]
    tica, folded = load_tica(NAME, data).transform(pool.coords), rmsd < FOLDED
    numbers: dict[str, Any] = {
        "burn_in_ns": burn_in / 1000.0,
        "temperature": temperature,
        "temperatures": pool.temperatures.tolist(),
        "block_ns": BLOCK_PS / 1000.0,
        "target_resolution_relative": TARGETS["resolution_relative"],
        "total_ns": sum(run.aggregate_ns for run in runs.values()),
        **cost(list(runs.values())),
        "runs": {},
    }
    for number, (kind, run) in enumerate(runs.items()):
        own = pool.run == number
        mine = {ns: values[own] for ns, values in by_burn_in.items()}
        numbers["runs"][kind] = of_run(run, pool.select(own), rmsd[own], mine, burn_in, stretch)
    found = by_length(pool, tica, weights, folded, burn_in, stretch)
    numbers |= {"w1_by_length": found["rows"], "w1_folded_from_others": found["folded_from_others"]}
    numbers["w1_floor"] = floor_of(tica[after], weights[after])
    last, scale = found["rows"][-1], found["folded_from_others"]
    if scale:
        events = {
            name: sum(each["events_after_burn_in"][name] for each in numbers["runs"].values())
            for name in ("folding", "unfolding")
        }
        length = numbers["total_ns"] - burn_in / 1000.0 * sum(run.coords.shape[1] for run in runs.values())
        relative = (last["relative"], last.get("relative_sem", 0.0), numbers["w1_floor"] / scale)
        numbers["needed"] = needed(events, length, *relative)
    return numbers


def main(words: Sequence[str] | None = None) -> int:
    """Read both runs, measure, draw, print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=HERE, help="folder with the runs 'native' and 'unfolded'")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the shipped set")
    parser.add_argument("--out", type=Path, default=HERE, help="where the figure and the numbers are written")
    arguments = parser.parse_args(words)
    try:
        numbers = measure(arguments.runs, arguments.data)
    except InputError as error:
        print(f"convergence: {error}", file=sys.stderr)
        return 2
    save(figure(numbers), arguments.out, "convergence", ("png",))
    write_json(arguments.out / "convergence.json", numbers)
    print(f"{numbers['total_ns']:.1f} ns in all, CPU hours: {numbers['cpu_hours']}")
    for kind, found in numbers["runs"].items():
        print(f"from {kind}: { ({k: v for k, v in found.items() if k != 'folded_fraction_by_block'}) }")
    for row in numbers["w1_by_length"]:
        print("W1 by length", {name: round(value, 3) for name, value in row.items()})
    print(f"folded from others {numbers['w1_folded_from_others']}, floor {numbers['w1_floor']:.3f}")
    print(f"needed {numbers.get('needed')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
