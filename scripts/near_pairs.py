#!/usr/bin/env python
"""The fused CGSchNet over all pairs and over those within the cutoff: CPU time of a step, in turns (docs/speed.md).

python scripts/near_pairs.py                     # the table of docs/speed.md: ten minutes
python scripts/near_pairs.py --cases 80:64:12 --rounds 3   # beads:frames:cutoff in Å

Beside them a training step of the same frames drawn so far apart that no pair is within the cutoff: what the layers on
beads take, and the highest ratio that pairs within the cutoff could have if they took nothing. Their matrix products
are given as GFLOP a frame, with the time that these take in torch and in multiply-adds in registers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from benchmarks.limits import MultiplyAdds, Product, products_on_beads
from benchmarks.subject import NETWORK
from numpy.typing import NDArray
from torch import Tensor

from cgexp.geometry import distances
from cgexp.kernels.fused_cgschnet import FusedCGSchNet
from cgexp.models.cgschnet import CGSchNet

CASES = ("35:64:12", "80:64:12", "100:64:12", "150:32:12", "200:24:12", "300:16:12")
APART = 100.0  # by so much coordinates are multiplied to leave no pair within the cutoff
BOND, CLOSEST, TRIES, N_CHAINS = 3.8, 4.0, 30, 8  # Å, Å, steps tried for each bead, chains that frames are made of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=CASES, metavar="BEADS:FRAMES:CUTOFF")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for case in arguments.cases:
        n_beads, n_frames, cutoff = case.split(":")
        print(measure(int(n_beads), int(n_frames), float(cutoff), arguments.rounds), flush=True)


def measure(n_beads: int, n_frames: int, cutoff: float, n_rounds: int) -> str:
    """Two lines: share of the pairs, and CPU ms a frame of training steps and of forces; what the products take."""
    torch.manual_seed(0)
    network = CGSchNet(n_beads, **{**NETWORK, "cutoff": cutoff})
    coords = frames(n_frames, n_beads)
    labels, weights = torch.randn_like(coords), torch.full_like(coords, 1.0 / coords.numel())
    every, near = (FusedCGSchNet(network, coords, near=near) for near in (False, True))
    width = NETWORK["n_features"]
    steps: list[Callable[[], object]] = [
        partial(train, every, coords, labels, weights),
        partial(train, near, coords, labels, weights),
        partial(train, near, APART * coords, labels, weights),
        partial(every.evaluator(), coords),
        partial(near.evaluator(), coords),
        product := Product((n_beads, width, width), 1, "cpu"),
        peak := MultiplyAdds(),
    ]
    seconds = np.array([[cpu_seconds(step) for step in steps] for _ in range(n_rounds + 1)])[1:].T
    ms = 1e3 / n_frames * seconds
    share = float((distances(coords, network.pairs) < cutoff).double().mean())
    gflop = products_on_beads(n_beads, 1, NETWORK) / 1e9
    in_torch, in_registers = 1e-9 * product.flop / np.median(seconds[5]), 1e-9 * peak.flop / np.median(seconds[6])
    return (
        f"{n_beads} beads, {share:.0%} within {cutoff:g} Å: training {in_words(ms[0], ms[1])}; "
        f"forces {in_words(ms[3], ms[4])}\n  without any pair: training {in_words(ms[0], ms[2])}; "
        f"products {gflop:.3g} GFLOP: {1e3 * gflop / in_torch:.3g} ms in torch ({in_torch:.0f} GFLOP/s), "
        f"{1e3 * gflop / in_registers:.3g} ms in registers ({in_registers:.0f} GFLOP/s)"
    )


def train(kernel: FusedCGSchNet, coords: Tensor, labels: Tensor, weights: Tensor) -> None:
    kernel.squared_error(coords, labels, weights)[0].backward()  # type: ignore[no-untyped-call]


def cpu_seconds(step: Callable[[], object]) -> float:
    began = time.process_time()
    step()
    return time.process_time() - began


def in_words(every: NDArray[np.floating], other: NDArray[np.floating]) -> str:
    """Medians of ms [n_rounds] over all pairs and the other way, and their ratio with its quartiles."""
    low, ratio, high = np.quantile(every / other, [0.25, 0.5, 0.75])
    return f"{np.median(every):.3g} / {np.median(other):.3g} ms, ratio {ratio:.2f} ({low:.2f} to {high:.2f})"


def frames(n_frames: int, n_beads: int) -> Tensor:
    """Compact self-avoiding chains [n_frames, n_beads, 3], float32, Å, as wide as globular proteins are."""
    rng = np.random.default_rng(0)
    chains = np.stack([chain(n_beads, rng) for _ in range(min(n_frames, N_CHAINS))])
    return torch.from_numpy(
        np.resize(chains, (n_frames, n_beads, 3)) + 0.2 * rng.normal(size=(n_frames, n_beads, 3))
    ).float()


def chain(n_beads: int, rng: np.random.Generator) -> NDArray[np.floating]:
    """One chain [n_beads, 3] in a sphere of 1.15 times the radius of a ball of that radius of gyration."""
    radius = 1.15 * 1.29 * 2.2 * n_beads**0.38
    beads = np.zeros((n_beads, 3))
    for i in range(1, n_beads):
        steps = rng.normal(size=(TRIES, 3))
        tried = beads[i - 1] + BOND * steps / np.linalg.norm(steps, axis=1, keepdims=True)
        apart = np.linalg.norm(tried[:, None] - beads[None, : max(i - 1, 1)], axis=-1).min(1)
        outside = np.maximum(np.linalg.norm(tried, axis=1) - radius, 0.0)
        beads[i] = tried[int(np.argmax(np.minimum(apart, CLOSEST) - outside))]
    return beads


if __name__ == "__main__":
    main()
