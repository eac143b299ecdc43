#!/usr/bin/env python
"""From a file of many frames to the first step of a training: CPU seconds and peak memory of each part.

python scripts/large_data.py [--frames 1800000]     # writes the file (432 MB) into a temporary folder and reads it

One thread. Memory is the largest resident size of the process while a part is done (0 where the system does not tell).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytorch_lightning as pl
import torch
from benchmarks.clock import highest_resident, reset_highest
from benchmarks.subject import TEMPERATURE, defaults, frames, peptide
from pytorch_lightning.callbacks import Callback
from torch.optim import Optimizer

from cgexp.build import Template, build
from cgexp.frames import Frames
from cgexp.kernels.evaluator import forces_of
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.potential import Potential
from cgexp.priors.prior import Prior
from cgexp.store import read_frames, write_frames
from cgexp.training.fit import Training
from cgexp.training.losses import Loss, MeanSquaredError
from cgexp.training.trainer import fit

N_BEADS, N_CHAINS, N_BLOCKS, WOBBLE = 10, 20_000, 1000, 0.05  # WOBBLE of the chains that frames are made of, Å


class StepTaken(Exception):
    """The first step of the training has been taken, which is all that is wanted."""


class Stop(Callback):
    """Ends a training after its first step."""

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        raise StepTaken


def make(n_frames: int, path: Path) -> None:
    """Write random chains of ten beads with random forces."""
    chains, rng = frames(min(n_frames, N_CHAINS), N_BEADS), np.random.default_rng(1)
    coords = np.resize(chains.coords, (n_frames, N_BEADS, 3)).astype(np.float32)
    coords += WOBBLE * rng.standard_normal(coords.shape, dtype=np.float32)
    forces = 10.0 * rng.standard_normal(coords.shape, dtype=np.float32)
    system = peptide(N_BEADS)
    write_frames(path, Frames(
        coords, system.bead_types, np.arange(n_frames) * N_BLOCKS // n_frames, "molecular", TEMPERATURE, system.name,
        source="generated for a benchmark", forces=forces, system_spec=system.spec,
    ))  # fmt: skip


@contextmanager
def measured(name: str) -> Iterator[None]:
    """Print CPU seconds and peak memory of what is done within."""
    reset_highest()
    begun = time.process_time()
    yield
    seconds, peak = time.process_time() - begun, highest_resident() or 0.0
    print(f"{name:<20} {seconds:8.1f} CPU s {peak / 1e9:6.2f} GB", flush=True)


def measure(path: Path, folder: Path) -> None:
    """Load the frames, fit the prior, take its forces off and take the first step of a training."""
    system, config = peptide(N_BEADS), defaults()
    with measured("load"):
        loaded = read_frames(path)
    prior = build({**config["prior"], "temperature": TEMPERATURE}, Prior)
    with measured("fit the prior"):
        prior.fit(loaded, system)
    with measured("forces of the prior"):
        prior_forces = forces_of(Potential(None, prior.double()), loaded.coords, "auto")
    network = CGSchNet(N_BEADS)
    settings = Training(1, 512, callbacks={"stop": Stop()})
    with measured("first training step"):
        network.fit(loaded, system)
        optimizer, loss = Template(config["optimizer"], Optimizer), Loss({"force": MeanSquaredError()})
        with suppress(StepTaken):
            fit(network, loaded, prior_forces, settings, loss, optimizer, None, folder, seed=0, kernel="auto")


def main(words: list[str] | None = None) -> None:
    """Write the frames, and measure what is done with them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1_800_000)
    n_frames = parser.parse_args(words).frames
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        make(n_frames, Path(folder) / "frames.npz")
        print(f"{n_frames:,} frames of {N_BEADS} beads")
        measure(Path(folder) / "frames.npz", Path(folder))


if __name__ == "__main__":
    main()
