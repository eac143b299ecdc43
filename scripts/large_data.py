#!/usr/bin/env python
"""From a file of many frames to the first step of a training, and its validation: CPU time and peak memory.

python scripts/large_data.py [--frames 1800000]     # writes the file (432 MB) into a temporary folder and reads it
python scripts/large_data.py --frames 5000 --beads 160 --write mine.npz  # only writes a file, of ten trajectories
python scripts/large_data.py --validation --frames 2048 --beads 35

One thread. Memory is the largest resident size of the process while a part is done (0 where the system does not tell).
--validation measures the loss of frames that nothing is minimised by, in turns with the eager network on all frames at
once (the first of them, where these would take much memory): medians, ratios of rounds with their quartiles, and the
peak of memory above what was resident before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytorch_lightning as pl
import torch
from benchmarks.clock import Memory, highest_resident, reset_highest, spread
from benchmarks.subject import NETWORK, TEMPERATURE, defaults, frames, peptide
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Callback
from torch.optim import Optimizer

from cgexp.build import Template, build
from cgexp.energy import negative_gradient
from cgexp.frames import Frames
from cgexp.kernels.evaluator import forces_of
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.potential import Potential
from cgexp.priors.prior import Prior
from cgexp.store import read_frames, write_frames
from cgexp.training.data import ResidentData
from cgexp.training.fit import Training
from cgexp.training.losses import Loss, MeanSquaredError
from cgexp.training.module import ForceMatching, squared_error
from cgexp.training.trainer import fit

# Frames are chains that wobble by WOBBLE, Å; as many chains as have so many beads together.
BEADS_OF_CHAINS, N_BLOCKS, WOBBLE = 200_000, 1000, 0.05
EAGER_PAIRS = 150_000  # that the eager network keeps at once, some 2 GB


class StepTaken(Exception):
    """The first step of the training has been taken, which is all that is wanted."""


class Stop(Callback):
    """Ends a training after its first step."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        raise StepTaken


def make(n_frames: int, n_beads: int) -> Frames:
    """Random chains with random forces."""
    chains, rng = frames(min(n_frames, BEADS_OF_CHAINS // n_beads), n_beads), np.random.default_rng(1)
    coords = np.resize(chains.coords, (n_frames, n_beads, 3)).astype(np.float32)
    coords += WOBBLE * rng.standard_normal(coords.shape, dtype=np.float32)
    forces = 10.0 * rng.standard_normal(coords.shape, dtype=np.float32)
    system = peptide(n_beads)
    return Frames(
        coords, system.bead_types, np.arange(n_frames) * N_BLOCKS // n_frames, "molecular", TEMPERATURE, system.name,
        source="generated for a benchmark", forces=forces, system_spec=system.spec,
    )  # fmt: skip


def as_trajectories(data: Frames) -> Frames:
    """The frames as ten walkers, with the times and the force map that a training and an analysis ask for."""
    block = np.arange(len(data)) * 10 // len(data)
    time_ps = 10.0 * (np.arange(len(data)) - np.searchsorted(block, block))
    return replace(data, block=block, time_ps=time_ps, force_map="constraint_group")


@contextmanager
def measured(name: str) -> Iterator[None]:
    """Print CPU seconds and peak memory of what is done within."""
    reset_highest()
    begun = time.process_time()
    yield
    seconds, peak = time.process_time() - begun, highest_resident() or 0.0
    print(f"{name:<20} {seconds:8.1f} CPU s {peak / 1e9:6.2f} GB", flush=True)


def measure(path: Path, folder: Path, n_beads: int) -> None:
    """Load the frames, fit the prior, take its forces off and take the first step of a training."""
    system, config = peptide(n_beads), defaults()
    with measured("load"):
        loaded = read_frames(path)
    prior = build({**config["prior"], "temperature": TEMPERATURE}, Prior)
    with measured("fit the prior"):
        prior.fit(loaded, system)
    with measured("forces of the prior"):
        prior_forces = forces_of(Potential(None, prior.double()), loaded.coords, "auto")
    network = CGSchNet(n_beads)
    settings = Training(1, 512, callbacks={"stop": Stop()})
    with measured("first training step"):
        network.fit(loaded, system)
        optimizer, loss = Template(config["optimizer"], Optimizer), Loss({"force": MeanSquaredError()})
        with suppress(StepTaken):
            fit(network, loaded, prior_forces, settings, loss, optimizer, None, folder, seed=0, kernel="auto")


def measure_validation(data: Frames, n_rounds: int) -> str:
    """One line: CPU ms a frame of the eager network and of the loss that a training validates with, and memory."""
    torch.manual_seed(0)
    network = CGSchNet(data.n_beads, **NETWORK)
    network.fit(data, peptide(data.n_beads))
    resident = ResidentData(data, np.zeros_like(data.coords), len(data), 0.2, 0, torch.float32)
    loss, optimizer = Loss({"force": MeanSquaredError()}), Template(defaults()["optimizer"], Optimizer)
    module = ForceMatching(network, loss, optimizer, None, kernel="auto")
    every = np.arange(len(data))
    few = every[: max(1, EAGER_PAIRS // (data.n_beads * (data.n_beads - 1) // 2))]
    memory = Memory("cpu")
    ways = ((partial(eager_loss, network), few), (module.loss_of, every))
    losses = [way(resident, few) for way, _ in ways]
    if not np.allclose(*losses, rtol=1e-4):
        raise ValueError(f"the eager loss is {losses[0]:.6g}, that of the kernel {losses[1]:.6g}")
    ms, mb = np.zeros((2, n_rounds, 2))
    for at in np.ndindex(n_rounds, 2):
        way, index = ways[at[1]]
        memory.restart()
        begun = time.process_time()
        way(resident, index)
        ms[at], mb[at] = 1e3 * (time.process_time() - begun) / len(index), memory.peak() or 0.0
    ratio, low, high = spread(list(ms[:, 0] / ms[:, 1]))
    (eager_ms, kernel_ms), (eager_mb, kernel_mb) = np.median(ms, axis=0), mb.max(axis=0)
    return (
        f"{data.n_beads} beads, validation of {len(every):,} frames: eager {eager_ms:.3g} ms and "
        f"{eager_mb / len(few):.3g} MB a frame; by the kernel {kernel_ms:.3g} ms a frame, ratio {ratio:.3g} "
        f"({low:.3g} to {high:.3g}), {kernel_mb:.0f} MB together"
    )


def eager_loss(network: CGSchNet, data: ResidentData, index: NDArray[np.integer]) -> float:
    """Mean squared force error of the network run operation by operation on all frames at once."""
    batch = data.clean_batch(torch.as_tensor(index))
    leaf = batch.coords.detach().requires_grad_(True)
    return float(squared_error(negative_gradient(network.energy(leaf), leaf).detach(), batch))


def main(words: list[str] | None = None) -> None:
    """Write the frames, and measure what is done with them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1_800_000)
    parser.add_argument("--beads", type=int, default=10)
    parser.add_argument("--validation", action="store_true", help="the loss of frames that nothing is minimised by")
    parser.add_argument("--rounds", type=int, default=7, help="of --validation")
    parser.add_argument("--write", type=Path, metavar="FILE", help="only write the frames, for cgexp run")
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    data = make(arguments.frames, arguments.beads)
    if arguments.write:
        write_frames(arguments.write, as_trajectories(data))
        return
    if arguments.validation:
        print(measure_validation(data, arguments.rounds))
        return
    with TemporaryDirectory() as folder:
        write_frames(Path(folder) / "frames.npz", data)
        del data
        print(f"{arguments.frames:,} frames of {arguments.beads} beads")
        measure(Path(folder) / "frames.npz", Path(folder), arguments.beads)


if __name__ == "__main__":
    main()
