"""Replicas of one simulation split over devices of this machine: processes on a CPU, or GPUs.

The rule of random numbers: each process draws the noise of all replicas, in the order of one process, and uses the rows
of its own. So a replica is the same on any number of devices, as far as its forces do not depend on how many replicas
are evaluated together, and the trajectory, state included, is that of one process, which may go on with it.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cgexp.kernels.evaluator import Evaluate, make_evaluator
from cgexp.models.layers import with_plain_weights
from cgexp.progress import silent
from cgexp.simulation.graphed import make_steps
from cgexp.simulation.integrators import Bath, RowsGenerator
from cgexp.simulation.replicas import Replicas

if TYPE_CHECKING:
    from cgexp.simulation.simulation import Simulation

OF_FRAMES = ("coords", "energy")  # [n_frames, n_replicas, ...]
Chunk = tuple[dict[str, NDArray[Any]], dict[str, Any]]  # arrays and metadata


@dataclass(frozen=True)
class Share:
    """What a process needs to advance ``rows`` (first, end) of ``n_replicas`` replicas by a chunk.

    given: the simulation, the bath on the CPU, the potential, its kernel, graph as in ``make_steps``, whether energies
    are kept, and starts of all replicas, pickled: the same in all chunks. device: where. arrays, meta: as
    ``Replicas.arrays`` left its rows.
    """

    given: bytes
    rows: tuple[int, int]
    n_replicas: int
    device: str
    arrays: Mapping[str, NDArray[Any]]
    meta: Mapping[str, Any]


class Shares:
    """Advances all replicas of a simulation by chunks, each device its rows, in the processes of an executor."""

    def __init__(
        self, simulation: Simulation, potential: nn.Module, starts: Tensor, bath: Bath, kernel: str,
        graph: bool | None, energies: bool, executor: Executor,
    ) -> None:  # fmt: skip
        self.n_replicas, self.n_devices, self.executor = len(starts), simulation.devices, executor
        plain = with_plain_weights(copy.deepcopy(potential).to("cpu", starts.dtype).eval())
        self._given = pickle.dumps((simulation, bath.on("cpu"), plain, kernel, graph, energies, starts.cpu()))
        self._is_cuda = starts.is_cuda

    def chunk(self, replicas: Replicas) -> Chunk:
        """Advance ``replicas`` and return the chunk, as one process would have."""
        shares = [self._share(replicas, number) for number in range(self.n_devices)]
        parts = list(self.executor.map(advance, shares))
        arrays, meta = joined(parts, [share.rows[0] for share in shares])
        replicas.take(arrays, meta)
        return arrays, meta

    def _share(self, replicas: Replicas, number: int) -> Share:
        bounds = np.linspace(0, self.n_replicas, self.n_devices + 1).round().astype(int)
        rows = (int(bounds[number]), int(bounds[number + 1]))
        arrays = {
            name: value if name == "generator" else value[slice(*rows)] for name, value in replicas.arrays().items()
        }
        failures = [
            {**failure, "replica": failure["replica"] - rows[0]}
            for failure in replicas.failures
            if rows[0] <= failure["replica"] < rows[1]
        ]
        device = f"cuda:{number}" if self._is_cuda else "cpu"
        return Share(self._given, rows, self.n_replicas, device, arrays, {"step": replicas.step, "failures": failures})


def advance(share: Share) -> Chunk:
    """In a process: advance a share by a chunk; failed replicas stand still, though all have failed."""
    simulation, bath, evaluate, graph, energies, starts = _prepared(share.given, share.device)
    generator = RowsGenerator(share.device, share.n_replicas, share.rows)
    replicas = Replicas.restore(share.arrays, share.meta, starts, evaluate, generator)
    steps = make_steps(simulation.integrator, evaluate, bath, replicas, graph)
    return simulation.chunk(replicas, None, steps, silent, energies, to_the_end=True)


@lru_cache(maxsize=2)
def _prepared(given: bytes, device: str) -> tuple[Simulation, Bath, Evaluate, bool | None, bool, Tensor]:
    simulation, bath, potential, kernel, graph, energies, starts = pickle.loads(given)
    starts = starts.to(device)
    return simulation, bath.on(device), make_evaluator(kernel, potential, starts), graph, energies, starts


def joined(parts: Sequence[Chunk], first: Sequence[int]) -> Chunk:
    """The chunk of all replicas from those of the shares, whose first rows are given.

    Where all replicas have failed it ends with the frame that one process would have ended with.
    """
    arrays = {}
    for name, value in parts[0][0].items():
        if name in ("generator", "step"):
            arrays[name] = value
        else:
            axis = 1 if name in OF_FRAMES else 0
            arrays[name] = np.concatenate([part[name] for part, _ in parts], axis=axis)
    failures = [
        {**failure, "replica": failure["replica"] + start}
        for (_, meta), start in zip(parts, first, strict=True)
        for failure in meta["failures"]
    ]
    failures.sort(key=lambda failure: (failure["step"], failure["replica"]))
    step = parts[0][1]["step"]
    if not arrays["alive"].any():
        step = failures[-1]["step"]
        kept = arrays["step"] <= step
        arrays |= {name: arrays[name][kept] for name in (*OF_FRAMES, "step") if name in arrays}
    return arrays, {"step": step, "failures": failures, "wall_s": max(meta["wall_s"] for _, meta in parts)}
