"""Time and memory of selecting frames of a peptide by RMSD from a large pool, and the picks against comparing all.

Run from the root of a checkout: ``python scripts/benchmark_acquisition.py [--json FILE]``; some minutes on two cores.
The known frames are those of chignolin_reference's walkers, one part of the chain turned by a few degrees and thermal
noise added, so that there are enough of them. Pools: ``simulated``, the same turned and shaken harder, as a
coarse-grained simulation leaves known regions; ``spread``, random self-avoiding chains; ``helix``, all near one
left-handed helix that no known frame resembles, so that none stands out. Each case runs in a process of its own, whose
peak memory is reported. The exit code is 1 if a pick differs from that of comparing all pairs in a small pool.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cgexp.active.acquisition import Acquisition, Context
from cgexp.active.farthest_point import FarthestPoint
from cgexp.active.nearest_rmsd import NearestRmsd
from cgexp.datasets.equilibrium import load_walkers
from cgexp.kernels.superposed import make_coverage
from cgexp.store import write_json
from cgexp.systems.base import farthest_points
from cgexp.systems.peptide import Peptide
from cgexp.testing.configurations import random_chains

SYSTEM = Peptide()
RULES: dict[str, Acquisition] = {"nearest_rmsd": NearestRmsd(), "farthest_point": FarthestPoint()}
POOLS = ("simulated", "spread", "helix")
SMALL = (2000, 1000)  # candidates and known frames that are compared all with all
CHAINS_AT_ONCE = 10_000
Coords = NDArray[np.float32]


def main() -> int:
    """Print a table; the exit code."""
    arguments = _arguments()
    jobs = [(pool, rule) for pool in arguments.pools for rule in (*RULES, "all distances")]
    rows, differing = [], 0
    print("{candidates:.0e} candidates, {known:.0e} known, {picks} picks, {threads} threads".format(**vars(arguments)))
    print(f"{'pool':<12}{'rule':<16}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}{'pairs':>9}{'first':>8}{'last Å':>8}  same")
    for pool, rule in jobs:
        row = _in_process(measure, pool, rule, arguments)
        row["same_as_all_pairs"] = rule == "all distances" or same_picks(pool, rule, arguments.picks)
        differing += not row["same_as_all_pairs"]
        rows.append(row)
        print(
            f"{pool:<12}{rule:<16}{row['wall_s']:>8.1f}{row['cpu_s']:>8.1f}{row['peak_mb']:>9.0f}"
            f"{row['pairs_fraction']:>9.2%}{row['first']:>8.2f}{row['last']:>8.2f}"
            f"  {'yes' if row['same_as_all_pairs'] else 'NO'}",
            flush=True,
        )
    if arguments.json:
        write_json(arguments.json, {"settings": {**vars(arguments), "json": None}, "rows": rows})
    return 1 if differing else 0


def measure(pool: str, rule: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """One selection: seconds, MB, share of all pairs that were compared, and the distances of first and last pick."""
    torch.set_num_threads(arguments.threads)
    known, candidates = known_frames(arguments.known), make_pool(pool, arguments.candidates)
    make_coverage(SYSTEM, candidates[:100], known[:100])  # what is compiled once
    wall, cpu = time.perf_counter(), time.process_time()
    coverage = make_coverage(SYSTEM, candidates, known)
    if rule == "all distances":
        distance = np.sort(coverage.distances())[[-1, 0]]
    else:
        chosen = (coverage.most_distant if rule == "nearest_rmsd" else coverage.farthest_points)(arguments.picks)
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kB on Linux
    if rule != "all distances":
        distance = make_coverage(SYSTEM, candidates[chosen], known).distances()[[0, -1]]
    return {
        "pool": pool,
        "rule": rule,
        "wall_s": seconds[0],
        "cpu_s": seconds[1],
        "peak_mb": peak,
        "pairs_fraction": coverage.n_pairs / (arguments.candidates * arguments.known),
        "first": float(distance[0]),
        "last": float(distance[1]),
    }


def same_picks(pool: str, rule: str, n: int) -> bool:
    """Whether a rule picks of a small pool what it would if all distances were known, by singular values."""
    n_candidates, n_known = SMALL
    known, candidates = known_frames(n_known), make_pool(pool, n_candidates)
    picks = RULES[rule].select(candidates, known, n, Context(SYSTEM))
    if rule == "farthest_point":
        expected = farthest_points(SYSTEM, candidates, known, n)
    else:
        expected = np.argsort(-SYSTEM.distance(candidates, known).min(axis=1), kind="stable")[:n]
    return bool(np.array_equal(picks, expected))


def known_frames(n: int) -> Coords:
    """Frames of the walkers, slightly turned and shaken: [n, 10, 3], Å."""
    return perturbed(n, np.random.default_rng(1), n_turns=1, angle=0.1, noise=0.1)


def make_pool(name: str, n: int) -> Coords:
    """Candidates [n, 10, 3], Å."""
    rng = np.random.default_rng(2)
    if name == "simulated":
        return perturbed(n, rng, n_turns=3, angle=0.3, noise=0.15)
    if name == "spread":
        sizes = [min(CHAINS_AT_ONCE, n - start) for start in range(0, n, CHAINS_AT_ONCE)]
        return np.concatenate([random_chains(size, seed=i).numpy().astype(np.float32) for i, size in enumerate(sizes)])
    turn = -np.deg2rad(100.0) * np.arange(SYSTEM.n_beads)
    helix = np.stack([2.3 * np.cos(turn), 2.3 * np.sin(turn), 1.5 * np.arange(SYSTEM.n_beads)], axis=1)
    return helix.astype(np.float32) + 0.3 * rng.standard_normal((n, *helix.shape), dtype=np.float32)


def perturbed(n: int, rng: np.random.Generator, n_turns: int, angle: float, noise: float) -> Coords:
    """Frames of the walkers whose ends are turned about random axes by normal angles (rad), with noise (Å)."""
    walkers = load_walkers("chignolin_reference").coords
    coords = walkers[rng.integers(len(walkers), size=n)]
    for _ in range(n_turns):
        for start in range(0, n, CHAINS_AT_ONCE):
            coords[start : start + CHAINS_AT_ONCE] = _turned(coords[start : start + CHAINS_AT_ONCE], rng, angle)
    return coords + noise * rng.standard_normal(coords.shape, dtype=np.float32)


def _turned(coords: Coords, rng: np.random.Generator, angle: float) -> Coords:
    """The beads behind a random one turned about it: a random axis, a normal angle (Rodrigues' formula)."""
    n, n_beads, _ = coords.shape
    pivot = rng.integers(1, n_beads - 1, size=n)
    axis = rng.normal(size=(n, 1, 3))
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True)
    theta = angle * rng.normal(size=(n, 1, 1))
    arm = coords - coords[np.arange(n), pivot][:, None]
    along = axis * (axis * arm).sum(axis=-1, keepdims=True)
    turned = np.cos(theta) * arm + np.sin(theta) * np.cross(axis, arm) + (1.0 - np.cos(theta)) * along
    behind = (np.arange(n_beads) > pivot[:, None])[..., None]
    return np.where(behind, coords + turned - arm, coords).astype(np.float32)


def _in_process(work: Any, *arguments: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--candidates", type=lambda text: int(float(text)), default=1_000_000)
    parser.add_argument("--known", type=lambda text: int(float(text)), default=100_000)
    parser.add_argument("--picks", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pools", nargs="+", choices=POOLS, default=list(POOLS))
    parser.add_argument("--json", type=Path, help="file for the numbers")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
