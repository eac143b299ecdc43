"""What Lightning costs: real fits of the fastest kernel, in turns with a bare loop over the same steps."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from benchmarks.clock import spread, synchronize
from benchmarks.result import Result
from benchmarks.subject import Settings, defaults, make_network, make_optimizer
from benchmarks.training import BF16, TASKS
from cgexp.build import Template, build
from cgexp.frames import Frames
from cgexp.kernels.choose import make_kernel
from cgexp.training.data import IndexBatches, batch_at
from cgexp.training.fit import Training
from cgexp.training.losses import Batch, Loss
from cgexp.training.trainer import fit

STRETCHES = 3
WARM_UP = 5  # steps at the start of a stretch that do not count: a kernel's first call


class Stopwatch(pl.Callback):
    """When each training step began and the last ended, and when the fit left its last epoch."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.starts: list[float] = []
        self.epoch_ends: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.starts.append(_now(self.device, len(self.starts)))

    def on_train_batch_end(self, *_: Any) -> None:
        self.end = time.perf_counter()

    def on_train_end(self, *_: Any) -> None:
        synchronize(self.device)
        self.fit_end = time.perf_counter()


def measure(settings: Settings, result: Result) -> None:
    """Overhead per step of the fastest kernel at the largest batch up to 512, in ms and % of the bare step."""
    if settings.lightning_s <= 0:
        return
    n_beads = settings.beads[0]
    batch = max(size for size in settings.batches if size <= 512 or size == min(settings.batches))
    rows = result.find(TASKS["cgschnet"], n_beads, batch)
    timed = {name: row["ms"] for name, row in rows.items() if name in settings.kernels and not name.endswith(BF16)}
    if not timed:
        return
    kernel = min(timed, key=lambda name: timed[name])
    n_steps = int(np.clip(1e3 * settings.lightning_s / timed[kernel], 2 * WARM_UP, 200))
    settings.report(f"lightning: kernel={kernel}, {STRETCHES} stretches of {n_steps} steps")
    bare, fitted, epoch_end = [], [], []
    data = settings.data(n_beads)
    for _ in range(STRETCHES):
        fitted_s, epoch_end_s = _fit(kernel, data, batch, n_steps, settings)
        fitted.append(fitted_s)
        epoch_end.append(epoch_end_s)
        bare.append(_loop(kernel, data, batch, n_steps, settings))
    step, overhead = spread(bare)[0], float(np.median(np.subtract(fitted, bare)))
    result.lightning = {
        "kernel": kernel,
        "n_beads": n_beads,
        "batch": batch,
        "n_steps": STRETCHES * (n_steps - WARM_UP),
        "bare_ms": 1e3 * step,
        "fit_ms": 1e3 * spread(fitted)[0],
        "overhead_ms": 1e3 * overhead,
        "overhead_ms_each": [1e3 * float(value) for value in np.subtract(fitted, bare)],
        "overhead_percent": 100 * overhead / step,
        "epoch_end_ms": 1e3 * spread(epoch_end)[0],
    }


def _fit(kernel: str, data: Frames, batch: int, n_steps: int, settings: Settings) -> tuple[float, float]:
    """Seconds a step within an epoch, and at the end of one: checkpoints and the history."""
    watch = Stopwatch(settings.device)
    training = Training(
        max_epochs=1,
        batch_size=batch,
        accelerator="cpu" if settings.device == "cpu" else "gpu",
        validation_fraction=0.0,
        use_weights="last",
        callbacks={"stopwatch": watch},
    )
    loss = build(defaults()["loss"], Loss)
    long = _repeated(data, n_steps * batch)
    network = make_network("cgschnet", data.n_beads, settings, data).cpu()
    with tempfile.TemporaryDirectory() as folder:
        fit(
            network, long, np.zeros_like(long.coords), training, loss,
            Template(defaults()["optimizer"], torch.optim.Optimizer), None, Path(folder),
            seed=0, kernel=kernel,
        )  # fmt: skip
    return (watch.end - watch.starts[WARM_UP]) / (n_steps - WARM_UP), watch.fit_end - watch.end


def _loop(kernel: str, data: Frames, batch: int, n_steps: int, settings: Settings) -> float:
    """Seconds a step of the same work without Lightning: batch by index, loss, backward, optimizer."""
    long = _repeated(data, n_steps * batch)
    network = make_network("cgschnet", data.n_beads, settings, data)
    optimizer = make_optimizer(network)
    loss = build(defaults()["loss"], Loss)
    assert long.forces is not None
    coords, forces = (
        torch.tensor(part, dtype=torch.float32, device=settings.device) for part in (long.coords, long.forces)
    )
    tensors = Batch(coords, forces, torch.ones(len(coords), device=settings.device))
    step = make_kernel(kernel, network, coords)
    begun = time.perf_counter()
    for number, index in enumerate(IndexBatches(np.arange(len(long)), batch, seed=0)):
        if number == WARM_UP:
            begun = _now(settings.device, number)
        chosen = batch_at(tensors, index.to(settings.device))
        weights = loss.squared_weights(chosen)
        assert weights is not None
        optimizer.zero_grad(set_to_none=True)
        total, _ = step.squared_error(chosen.coords, chosen.forces, weights)
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    synchronize(settings.device)
    return (time.perf_counter() - begun) / (n_steps - WARM_UP)


def _repeated(data: Frames, n_frames: int) -> Frames:
    """At least that many frames, those of the data over and over: one epoch without an end."""
    return data.select(np.arange(n_frames) % len(data))


def _now(device: str, step: int) -> float:
    """The time; on a GPU its queue is awaited once, where counting begins."""
    if step == WARM_UP:
        synchronize(device)
    return time.perf_counter()
