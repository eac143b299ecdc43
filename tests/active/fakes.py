"""Oracles that misbehave, and a model_maker that makes models in no time."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.active.loop import Judged
from cgexp.active.round import Round
from cgexp.datasets.toy_data import ExactSamples
from cgexp.frames import Frames
from cgexp.oracles.oracle import Coords, DirectOracle, Forces, fingerprint
from cgexp.simulation.trajectory import Trajectory
from cgexp.systems.cgnet_toy import CGnetToy

FACTS: dict[str, Any] = {"temperature": 1.0, "force_map": "x_component"}


@dataclass(kw_only=True)
class Fake(DirectOracle):
    """Force -x at x. A configuration whose number is one of these is rejected, raises, hangs, or ends the process.

    The number of a configuration is the whole part of its x. log: a file with a line for every call.
    """

    rejects: tuple[int, ...] = ()
    raises: tuple[int, ...] = ()
    hangs: tuple[int, ...] = ()
    dies: tuple[int, ...] = ()
    log: str = ""

    @property
    def source(self) -> str:
        return "a fake"

    def forces(self, coords: Coords) -> Forces:
        x = float(coords[0, 0, 0])
        if self.log:
            with open(self.log, "a") as file:
                file.write(f"{fingerprint(coords[0])}\n")
        if int(x) in self.raises:
            raise ZeroDivisionError("it broke")
        if int(x) in self.hangs:
            while True:
                sum(range(1000))  # hung, but not idle
        if int(x) in self.dies:
            os._exit(3)
        force = np.where(np.isin(coords.astype(np.int64), self.rejects), np.nan, -coords)
        return Forces(force.astype(np.float64), np.zeros(coords.shape))


def fake(**misbehaviour: Any) -> Fake:
    return Fake(system=CGnetToy(), **FACTS, **misbehaviour)


def calls(log: Path) -> list[str]:
    """What a fake was asked, call by call."""
    return log.read_text().split() if log.is_file() else []


def initial_frames(n: int = 50) -> Frames:
    facts = {**FACTS, "n_beads": 1, "n_dims": 1, "units": "reduced", "name": "toy_cgnet"}
    return ExactSamples(system=CGnetToy(), n_frames=n, **facts).make(Path())


class FakeModelMaker:
    """A model whose simulation depends on round and data alone. failing: replicas that fail, replica -> saved frame."""

    def __init__(self, n_replicas: int = 4, n_saved: int = 6, failing: dict[int, int] | None = None) -> None:
        self.n_replicas, self.n_saved, self.failing = n_replicas, n_saved, failing or {}
        self.n_models = 0

    def judged(self, number: int, frames: Frames) -> Judged:
        self.n_models += 1
        generator = np.random.default_rng([number, int(frames.content_hash[:8], 16)])
        starts = frames.coords[generator.integers(len(frames), size=self.n_replicas)]
        walks = generator.normal(size=(self.n_saved, self.n_replicas, 1, 1)).cumsum(axis=0).astype(np.float32) + starts
        metrics = {"w1_x": 1.0 / (1 + number), "w1_x_sem": 0.01}
        return Judged(metrics, trajectory_of(walks, self.failing), starts, (), f"model {number}")


def trajectory_of(coords: NDArray[np.float32], failing: dict[int, int] | None = None) -> Trajectory:
    """A trajectory with time step 0.1, saved every 10 steps; replica -> saved frame from which on it stands still."""
    coords, failing = coords.copy(), failing or {}
    failures = []
    for replica, index in failing.items():
        coords[index:, replica] = coords[index - 1, replica] + 0.25  # the state at a check in between
        step = 10 * (index + 1)
        failures.append({"replica": replica, "step": step, "time": round(0.1 * step, 12), "reason": "it blew up"})
    return Trajectory(
        coords=coords,
        time=0.1 * 10 * np.arange(1, len(coords) + 1),
        alive=np.array([replica not in failing for replica in range(coords.shape[1])]),
        failures=failures,
        settings={"dt": 0.1},
        finished=True,
        replica_steps_per_second=1.0,
    )


def round_with(**numbers: Any) -> Round:
    """A round with these numbers; the others are zero and empty."""
    zero = {"int": 0, "float": 0.0, "str": "", "str | None": None}
    content = {field.name: zero.get(str(field.type), {}) for field in fields(Round)}
    return Round.from_json(content | numbers)
