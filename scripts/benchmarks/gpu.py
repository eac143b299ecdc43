"""What a GPU must reach: a whole training step over the dense eager one, and the rates of simulations.

Steps are those of the package: captured as CUDA graphs on a GPU, made eagerly on a CPU, where the same code is tested.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.clock import interleave, ratio
from benchmarks.simulation import make_potential
from benchmarks.subject import TEMPERATURE, Settings, defaults, peptide
from benchmarks.training import DENSE, Trainee
from cgexp.build import build
from cgexp.simulation.simulation import Simulation
from cgexp.training.graphed_step import WARM_UP, GraphedStep, set_capturable

DAY_S, PS_IN_NS = 86_400.0, 1_000.0
MOST_CHAINS = 256  # that replicas start from


@dataclass(frozen=True)
class Target:
    """A number to reach. measure: finds it, with the device and the sizes of the settings."""

    name: str
    what: str
    at_least: float
    unit: str
    measure: Callable[[Settings], float]


def training_gain(settings: Settings, batch: int) -> float:
    """How many times faster than the dense eager baseline a step of training is, kernel=table."""
    data, device = settings.data(settings.beads[0]), torch.device(settings.device)
    dense = Trainee("cgschnet", data, batch, settings).use(DENSE)
    own = Trainee("cgschnet", data, batch, settings).use("table")
    if device.type == "cuda":
        set_capturable(own.optimizer, device)
    step = GraphedStep(lambda index: {"objective": _objective(own, index)}, own.optimizer, None, device.type == "cuda")
    index = torch.arange(batch, device=device)
    for _ in range(WARM_UP + 1):
        step(index)
    steps = {"dense": dense, "own": lambda: step(index)}
    found = interleave(steps, settings.device, settings.case_s, settings.min_rounds, settings.max_rounds)
    return ratio(found["dense"], found["own"]) or 0.0


def _objective(trainee: Trainee, index: torch.Tensor) -> torch.Tensor:
    forces, weights = trainee.forces.index_select(0, index), trainee.weights.index_select(0, index)
    return trainee.kernel.squared_error(trainee.coords.index_select(0, index), forces, weights)[0]


def step_rate(settings: Settings, n_beads: int, n_replicas: int) -> float:
    """Replica-steps a second of a simulation with CGSchNet and the peptide prior, files of the trajectory included."""
    settings = replace(settings, n_frames=min(n_replicas, MOST_CHAINS), batches=(1,), cgnet_batches=())
    potential = make_potential(n_beads, settings)
    chains = torch.tensor(settings.data(n_beads).coords, dtype=torch.float32, device=settings.device)
    starts = chains[torch.arange(n_replicas) % len(chains)]
    sizes = {"temperature": TEMPERATURE, "n_replicas": n_replicas, "n_steps": 100, "save_every": 100}
    simulation = build({**defaults()["simulation"], **sizes}, Simulation)
    masses = peptide(n_beads).masses
    with TemporaryDirectory() as folder:

        def seconds(n_steps: int) -> float:
            """Of the simulation as it goes on to this many steps, with what precedes its first one."""
            begun = time.perf_counter()
            replace(simulation, n_steps=n_steps).run(
                potential, starts, masses, "molecular", Path(folder) / "trajectory", 0, kernel="auto"
            )
            return time.perf_counter() - begun

        done = first = 100
        seconds(first)  # which compiles, and says how many steps fit
        while (short := seconds(done := done + first)) < settings.case_s / 4.0 and first < 100_000:
            first *= 2
        long = seconds(done + 3 * first)
    return n_replicas * 2 * first / max(long - short, 1e-9)


def ns_per_day(settings: Settings, n_beads: int, n_replicas: int) -> float:
    """Simulated time of all replicas together, ns a day, at the package's default time step."""
    return step_rate(settings, n_beads, n_replicas) * float(defaults()["simulation"]["dt"]) / PS_IN_NS * DAY_S


TARGETS = (
    Target("train_512", "training step, 10 beads, batch 512, over the dense eager one", 10.0, "times",
           partial(training_gain, batch=512)),
    Target("train_4096", "training step, 10 beads, batch 4,096, over the dense eager one", 10.0, "times",
           partial(training_gain, batch=4096)),
    Target("simulate_10", "simulation, 10 beads, 10,000 replicas", 1e6, "replica-steps/s",
           partial(step_rate, n_beads=10, n_replicas=10_000)),
    Target("simulate_269", "simulation, 269 beads, 64 replicas (FlashSchNet's case)", 1_000.0, "ns/day of all replicas",
           partial(ns_per_day, n_beads=269, n_replicas=64)),
)  # fmt: skip
