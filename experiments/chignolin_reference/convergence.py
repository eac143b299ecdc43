"""Has chignolin_reference converged? Two independent runs against each other: folded fraction, W1, exchange, events.

Run from the root of a checkout: ``python experiments/chignolin_reference/convergence.py``; a minute. It reads the runs
packed beside this file (or, with --runs, a working folder) and the shipped TICA, and writes convergence.png and
convergence.json here. A time is that of a replica: six of them make a run's aggregate length.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import mean_and_sem
from cgexp.analysis.equilibrium import run_distance
from cgexp.cards import load_card
from cgexp.reference.equilibrium import load_tica
from cgexp.reference.sampling.ensemble import Pool
from cgexp.reference.sampling.exchange_trajectory import load_exchange
from cgexp.reference.sampling.reweighting import effective_size
from cgexp.report.figures import save
from cgexp.report.style import panels, styled
from cgexp.store import write_json
from cgexp.systems.peptide import Peptide

HERE = Path(__file__).parent
STARTS = {"native": ("from native", "#0072B2"), "unfolded": ("from unfolded", "#D55E00")}
NAME, SYSTEM = "chignolin_reference", Peptide("YYDPETGTWY")
TEMPERATURE = float(load_card(NAME)["temperature_K"])  # of the study
FOLDED, UNFOLDED = 2.0, 4.0  # Å of C-alpha RMSD to the native structure: below, above
LEAST_PS = 100.0  # a visit to the folded state that lasts this long is an event
BLOCK_PS = 500.0  # of the folded fraction
STRETCH_PS = 1000.0  # of a walker: a unit of the bootstrap, as a block of the shipped set
N_LENGTHS, N_SAMPLES, N_BOOTSTRAP = 6, 1000, 20
TARGETS = {"w1_tica_resolution": 0.2, "relative error of the folded fraction": 0.25}
Floats = NDArray[np.float64]


def visits(rmsd: Floats, frame_ps: float, least_ps: float = LEAST_PS) -> dict[str, float]:
    """Folding and unfolding events of walkers, and the time between them: rmsd [n_frames, n_walkers], Å.

    A walker is folded from RMSD < FOLDED on until RMSD > UNFOLDED; a stay shorter than ``least_ps``, or with RMSD above
    FOLDED for half of it (misfolded), is brief and counts as unfolded time. Where the run begins or ends is no event.
    """
    found = {"folding": 0.0, "unfolding": 0.0, "brief": 0.0, "folded_ns": 0.0, "unfolded_ns": 0.0}
    for path in rmsd.T:
        known = np.where(path < FOLDED, 1, np.where(path > UNFOLDED, 0, -1))
        known[0] = max(known[0], 0)
        last = np.maximum.accumulate(np.where(known >= 0, np.arange(len(known)), 0))
        state = known[last]
        cuts = np.flatnonzero(np.diff(state)) + 1
        for begin, end in zip([0, *cuts], [*cuts, len(state)], strict=True):
            short = (end - begin) * frame_ps < least_ps or np.median(path[begin:end]) >= FOLDED
            if state[begin] and short:
                found["brief"] += 1
                state[begin:end] = 0
        found["folding"] += int((np.diff(state) == 1).sum())
        found["unfolding"] += int((np.diff(state) == -1).sum())
        found["folded_ns"] += state.sum() * frame_ps / 1000.0
        found["unfolded_ns"] += (1 - state).sum() * frame_ps / 1000.0
    return found


def folded_by_time(pool: Pool, folded: NDArray[np.bool_], weights: Floats) -> dict[str, Floats]:
    """Folded fraction in blocks of time with its error over walkers: time (ns), mean, sem; weights count frames."""
    block = np.ceil(pool.time_ps / BLOCK_PS - 1e-9).astype(int) - 1
    whole = np.flatnonzero(np.bincount(block) >= 0.5 * np.bincount(block).max())  # a short last one is left out
    rng = np.random.default_rng(0)
    rows = []
    for number in whole:
        chosen = (block == number) & (weights > 0)
        if chosen.any():
            mean, sem = mean_and_sem(folded[chosen], pool.walker[chosen], 100, rng, weights[chosen])
            rows.append(((number + 0.5) * BLOCK_PS / 1000.0, mean, 0.0 if sem is None else sem))
    time, mean_, sem_ = np.array(rows).T
    return {"time_ns": time, "mean": mean_, "sem": sem_}


def indices(pool: Pool, start_ps: float, end_ps: float, run: int) -> NDArray[np.intp]:
    """Frames of a run from start to end."""
    return np.flatnonzero((pool.run == run) & (pool.time_ps > start_ps) & (pool.time_ps <= end_ps))


def by_length(pool: Pool, tica: Floats, weights: Floats, burn_in: float, end: float) -> list[dict[str, float]]:
    """W1 between the runs when each had this much time after the burn-in."""
    rows = []
    for length in np.linspace(0.0, end - burn_in, N_LENGTHS + 1)[1:]:
        sides = [indices(pool, burn_in, burn_in + length, run) for run in (0, 1)]
        found = run_distance(
            tica, weights, pool.blocks(STRETCH_PS), sides, N_SAMPLES, N_BOOTSTRAP, np.random.default_rng(0), "w1"
        )
        rows.append({"ns_a_replica": length / 1000.0, **found})
    return rows


def between_blocks(pool: Pool, tica: Floats, weights: Floats, burn_in: float, end: float) -> dict[str, list[float]]:
    """W1 of all pairs of 1 ns blocks (all walkers of a run): of one run, and of both."""
    rng, starts = np.random.default_rng(0), np.arange(burn_in, end - 0.999 * STRETCH_PS, STRETCH_PS)
    parts = [(run, indices(pool, start, start + STRETCH_PS, run)) for run in (0, 1) for start in starts]
    found: dict[str, list[float]] = {"of_one_run": [], "of_both_runs": []}
    for number, (run, first) in enumerate(parts):
        for other, second in parts[number + 1 :]:
            name = "of_one_run" if run == other else "of_both_runs"
            distance = run_distance(tica, weights, pool.walker, [first, second], N_SAMPLES, 0, rng, "w1")
            found[name].append(distance["w1"])
    return found


def floor_of(tica: Floats, weights: Floats) -> float:
    """W1 between independent samples of one ensemble, N_SAMPLES each: what no two runs come below."""
    rng = np.random.default_rng(0)
    chance = np.asarray(weights / weights.sum())
    drawn = [rng.choice(len(tica), 2 * N_SAMPLES, p=chance) for _ in range(5)]
    ones = np.ones(len(tica))
    halves = [[index[:N_SAMPLES], index[N_SAMPLES:]] for index in drawn]
    of_one = np.zeros(len(tica), dtype=np.int64)
    return float(np.mean([run_distance(tica, ones, of_one, pair, N_SAMPLES, 0, rng, "w1")["w1"] for pair in halves]))


def needed(events: dict[str, float], aggregate_ns: float, w1: float, w1_sem: float, floor: float) -> dict[str, Any]:
    """Aggregate ns of both runs for TARGETS, from two scalings that may both fail: see the README.

    Events are Poisson: a ratio of two rates has the relative error sqrt(1/n_folding + 1/n_unfolding). W1 beyond the
    floor of finite samples falls as 1/sqrt(length) once the runs have no memory of their starts.
    """
    target, wanted = TARGETS["w1_tica_resolution"], TARGETS["relative error of the folded fraction"]
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
        "aggregate_ns_by_w1": [length(w1), length(max(w1 - w1_sem, 0.0)), length(w1 + w1_sem)],
        "targets": TARGETS,
    }


@styled
def figure(folded: dict[str, dict[str, dict[str, Floats]]], numbers: dict[str, Any]) -> Figure:
    """Folded fraction against time, of all temperatures reweighted and at each; W1 between the runs against length."""
    names = list(next(iter(folded.values())))
    drawn, axes = panels(2, (len(names) + 2) // 2)
    for axis, name in zip(axes, names, strict=False):
        for kind, curves in folded.items():
            label, colour = STARTS[kind]
            curve = curves[name]
            low, high = curve["mean"] - curve["sem"], curve["mean"] + curve["sem"]
            axis.fill_between(curve["time_ns"], low, high, color=colour, alpha=0.25, lw=0)
            axis.plot(curve["time_ns"], curve["mean"], "o-", color=colour, label=label, markersize=3)
        axis.axvline(numbers["burn_in_ns"], color="0.5", ls=":", label="burn-in ends")
        axis.set_title(name)
        axis.set_ylim(-0.04, 1.04)
        axis.set_xlabel("time of a replica (ns)")
        axis.set_ylabel("folded fraction")
    axes[0].legend(fontsize="small")
    _distances(axes[len(names)], numbers)
    for axis in axes[len(names) + 1 :]:
        axis.set_axis_off()
    return drawn


def _distances(axis: Axes, numbers: dict[str, Any]) -> None:
    rows = numbers["w1_by_length"]
    length = [row["ns_a_replica"] for row in rows]
    w1, sem = ([row[name] for row in rows] for name in ("w1", "w1_sem"))
    axis.errorbar(length, w1, sem, fmt="o-", color="black", markersize=4, label="between the runs")
    within = np.quantile(numbers["w1_between_blocks"]["of_one_run"], [0.25, 0.75])
    axis.axhspan(*within, color="0.85", label="between 1 ns of one run, quartiles")
    axis.axhline(numbers["w1_floor"], color="black", ls="--", label="independent samples")
    axis.set_ylim(0.0, 1.6 * max(np.add(w1, sem)))
    axis.set_title("W1 in the plane of the ICs")
    axis.set_xlabel("time of a replica after the burn-in (ns)")
    axis.set_ylabel("W1 (TICA units)")
    axis.legend(fontsize="small", loc="upper left")


def main() -> None:
    """Read both runs, measure, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=HERE, help="folder with the runs 'native' and 'unfolded'")
    parser.add_argument("--out", type=Path, default=HERE, help="where the figure and the numbers are written")
    arguments = parser.parse_args()
    runs = {kind: load_exchange(arguments.runs / kind) for kind in STARTS}
    pool, burn_in = Pool.of(list(runs.values())), float(load_card(NAME)["burn_in_ps"])
    end = min(float(pool.time_ps[pool.run == run].max()) for run in (0, 1))
    after = pool.time_ps > burn_in
    weights = pool.weights(TEMPERATURE)
    rmsd = SYSTEM.distance(pool.coords, SYSTEM.native()[None])[:, 0]
    folded, tica = rmsd < FOLDED, load_tica(NAME).transform(pool.coords)
    curves: dict[str, dict[str, dict[str, Floats]]] = {}
    numbers: dict[str, Any] = {"burn_in_ns": burn_in / 1000.0, "runs": {}}
    events = {"folding": 0.0, "unfolding": 0.0}
    for number, (kind, run) in enumerate(runs.items()):
        own = pool.run == number
        part = pool.select(own)
        curves[kind] = {f"{TEMPERATURE:g} K, reweighted": folded_by_time(part, folded[own], weights[own])}
        for level, temperature in enumerate(pool.temperatures):
            at = (part.level == level).astype(float)
            curves[kind][f"{temperature:g} K"] = folded_by_time(part, folded[own], at)
        used = own & after
        units = pool.blocks(STRETCH_PS)[used]
        mean, sem = mean_and_sem(folded[used], units, 200, np.random.default_rng(0), weights[used])
        seen = visits(rmsd[own].reshape(run.coords.shape[1], -1).T, run.frame_ps)
        numbers["runs"][kind] = {
            "aggregate_ns": run.aggregate_ns,
            "acceptance": run.acceptance.round(3).tolist(),
            "round_trips": run.round_trips.tolist(),
            "folded_fraction": {"mean": mean, "sem_over_walkers_and_stretches": sem},
            "folded_fraction_by_block": {
                name: {key: values.round(4).tolist() for key, values in curve.items()}
                for name, curve in curves[kind].items()
            },
            "frames_after_burn_in": int(used.sum()),
            "effective_size_of_weights": effective_size(weights[used]),
            # none where hardly anything folds: the bootstrap then knows of no error
            "effective_size_of_folded_fraction": mean * (1 - mean) / sem**2 if sem and mean > 1e-3 else None,
            "events": seen,
        }
        events = {name: count + seen[name] for name, count in events.items()}
    numbers["w1_by_length"] = by_length(pool, tica, weights, burn_in, end)
    numbers["w1_between_blocks"] = between_blocks(pool, tica, weights, burn_in, end)
    numbers["w1_floor"] = floor_of(tica[after], weights[after])
    for name, state in (("folded", folded), ("unfolded", ~folded)):
        numbers[f"ic_mean_{name}"] = np.average(tica[state & after], axis=0, weights=weights[state & after]).tolist()
    last, total = numbers["w1_by_length"][-1], sum(run.aggregate_ns for run in runs.values())
    numbers["needed"] = needed(events, total, last["w1"], last["w1_sem"], numbers["w1_floor"])
    save(figure(curves, numbers), arguments.out, "convergence", ("png",))
    write_json(arguments.out / "convergence.json", numbers)
    for kind, found in numbers["runs"].items():
        print(f"from {kind}: { ({k: v for k, v in found.items() if k != 'folded_fraction_by_block'}) }")
    quartiles = {name: np.quantile(values, [0.25, 0.5, 0.75]) for name, values in numbers["w1_between_blocks"].items()}
    print(f"W1 by length {numbers['w1_by_length']}\nbetween blocks {quartiles}\nfloor {numbers['w1_floor']:.3f}")
    print(f"needed {numbers['needed']}")


if __name__ == "__main__":
    main()
