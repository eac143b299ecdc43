#!/usr/bin/env python
"""The fused CGSchNet over all pairs and over those within the cutoff: CPU time of a step, in turns (docs/speed.md).

python scripts/near_pairs.py                     # the table of docs/speed.md: ten minutes
python scripts/near_pairs.py --cases 80:64:12 --rounds 3   # beads:frames:cutoff in Å
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgexp.geometry import distances
from cgexp.kernels.fused_cgschnet import FusedCGSchNet
from cgexp.models.cgschnet import CGSchNet

CASES = ("35:64:12", "80:64:12", "100:64:12", "150:32:12", "200:24:12", "300:16:12")
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
    """One line: share of the pairs, and CPU ms a frame of a training step and of forces alone, with both ways."""
    torch.manual_seed(0)
    network = CGSchNet(n_beads, n_blocks=3, n_features=128, n_filters=128, n_rbf=64, cutoff=cutoff)
    coords = frames(n_frames, n_beads)
    labels, weights = torch.randn_like(coords), torch.full_like(coords, 1.0 / coords.numel())
    kernels = [FusedCGSchNet(network, coords, near=near) for near in (False, True)]
    evaluate = [kernel.evaluator() for kernel in kernels]
    seconds = np.zeros((n_rounds + 1, 2, 2))
    for row in seconds:
        for k, kernel in enumerate(kernels):
            began = time.process_time()
            kernel.squared_error(coords, labels, weights)[0].backward()
            between = time.process_time()
            evaluate[k](coords)
            row[k] = between - began, time.process_time() - between
    share = float((distances(coords, network.pairs) < cutoff).double().mean())
    training, forces = (in_words(1e3 / n_frames * seconds[1:, :, task]) for task in (0, 1))
    return f"{n_beads} beads, {share:.0%} within {cutoff:g} Å: training {training}; forces {forces}"


def in_words(ms: NDArray[np.floating]) -> str:
    """Medians of ms [n_rounds, 2], all pairs and near pairs, and their ratio with its quartiles."""
    low, ratio, high = np.quantile(ms[:, 0] / ms[:, 1], [0.25, 0.5, 0.75])
    dense, near = np.median(ms, axis=0)
    return f"{dense:.3g} / {near:.3g} ms, ratio {ratio:.2f} ({low:.2f} to {high:.2f})"


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
