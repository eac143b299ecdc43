"""What a run needs of the machine, estimated before it begins: time, disk, memory; and what the machine has.

A simple model. Time: a step of the training and one of the simulation, tried here with the reference kernel, times how
many there are; the data, the analysis and faster kernels are left out. Disk: frames and trajectory. Memory: what this
process has used so far, and frames and trajectory twice, since they are copied when they are read.
"""

from __future__ import annotations

import logging
import resource
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cgexp.cards import load_card
from cgexp.progress import duration
from cgexp.runs.experiment import Experiment

FLOAT = 4  # bytes of a number in a file
MB, GB = 1e6, 1e9
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Needs:
    """Bytes of: the frames (coordinates and forces), the trajectory, its largest file."""

    frames: float
    trajectory: float
    file: float

    @property
    def disk(self) -> float:
        """Of frames and trajectory."""
        return self.frames + self.trajectory

    @property
    def memory(self) -> float:
        """Beside what the process uses now: frames and trajectory, each twice."""
        return 2.0 * (self.frames + self.trajectory)


def needs_of(experiment: Experiment, n_frames: int | None = None) -> Needs:
    """What an experiment's files need; ``n_frames`` of the data, if they are known better than its recipe knows."""
    dataset, simulation, active = experiment.dataset, experiment.simulation, experiment.active
    frame = float(dataset.n_beads * dataset.n_dims * FLOAT)
    frames = 2.0 * frame * (n_frames or frames_of(experiment) or 0)
    if simulation is None:
        return Needs(frames, 0.0, frames)
    saved = simulation.n_steps // simulation.save_every
    rounds = 1 if active is None else active.n_rounds
    of_file = frame * (simulation.n_replicas * min(simulation.chunk_frames, saved) + 3 * simulation.n_walkers)
    return Needs(frames, frame * simulation.n_replicas * saved * rounds, max(frames, of_file))


def frames_of(experiment: Experiment) -> int | None:
    """Frames of the data set, as its recipe or the card of a shipped set says; None if neither does."""
    dataset = experiment.dataset
    if dataset.n_frames is not None:
        return dataset.n_frames
    return int(load_card(dataset.name)["n_frames"]) if getattr(dataset, "ships", False) else None


def training_steps(experiment: Experiment) -> int | None:
    """Steps of a training; None if the number of frames is not known."""
    trainer, n_frames = experiment.trainer, frames_of(experiment)
    if trainer.steps_per_epoch is not None:
        return trainer.max_epochs * trainer.steps_per_epoch
    if n_frames is None:
        return None
    n_train = max(1, round(n_frames * (1.0 - trainer.validation_fraction)))
    return trainer.max_epochs * max(1, n_train // min(trainer.batch_size, n_train))


def in_words(experiment: Experiment, step_s: float, force_s: float) -> str:
    """A line: time, disk and memory. step_s, force_s: seconds of a step of training, and of simulation."""
    needs, parts = needs_of(experiment), []
    active = experiment.active
    n_models, n_rounds = (1, 1) if active is None else (active.n_models, active.n_rounds)
    steps, simulation = training_steps(experiment), experiment.simulation
    if steps is not None and step_s:
        parts.append(f"training {duration(steps * step_s * n_models * n_rounds)}")
    if simulation is not None:
        parts.append(f"simulation {duration(simulation.n_steps * force_s * n_rounds)}")
    times = f"{' and '.join(parts)} on this CPU with the reference kernel, " if parts else ""
    return f"{times}{size(needs.disk)} of disk, {size(needs.memory + used())} of memory (estimates)"


def shortages(needs: Needs, outputs: Path) -> Iterator[str]:
    """Yield a sentence for each thing that the machine has too little of."""
    free = shutil.disk_usage(
        next(path for path in (outputs.resolve(), *outputs.resolve().parents) if path.exists())
    ).free
    if needs.disk > free:
        yield (
            f"the run needs about {size(needs.disk)} of disk in {outputs}, where {size(free)} are free: raise "
            "simulation.save_every, or choose another disk with outputs=<directory>"
        )
    available = available_memory()
    if needs.memory > available:
        yield (
            f"the run needs about {size(needs.memory)} of memory beside what it uses now, of which "
            f"{size(available)} are there: raise simulation.save_every, or lower dataset.n_frames"
        )
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit != resource.RLIM_INFINITY and needs.file > limit:
        yield (
            f"a file of the run needs about {size(needs.file)}, but the limit on the size of files is {size(limit)}: "
            "raise it (ulimit -f), or lower simulation.chunk_frames or dataset.n_frames"
        )


def warn(experiment: Experiment, n_frames: int | None = None) -> None:
    """Tell of what the machine has too little, before a run begins; an estimate refuses nothing."""
    for sentence in shortages(needs_of(experiment, n_frames), Path(experiment.outputs)):
        log.warning("%s", sentence)


def available_memory() -> float:
    """Bytes that this process may still take: of what the machine has, and of its own limit."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return float("inf")
    found = [float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return min([*found, *([limit - used()] if limit != resource.RLIM_INFINITY else [])], default=float("inf"))


def used() -> float:
    """Bytes of memory that this process has used at most so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1.0 if sys.platform == "darwin" else 1024.0)  # bytes there, kilobytes elsewhere


def size(n_bytes: float) -> str:
    """Bytes as MB or GB."""
    return f"{n_bytes / GB:,.1f} GB" if n_bytes >= GB else f"{n_bytes / MB:,.1f} MB"
