"""Many steps of dynamics in one CUDA graph, so that the processor does not have to launch each operation anew."""

from __future__ import annotations

import logging
from dataclasses import replace

import torch
from torch import Tensor

from cgexp.kernels.evaluator import Evaluate
from cgexp.simulation.integrators import Bath, Integrator, State
from cgexp.simulation.replicas import Replicas, keep_alive

log = logging.getLogger(__name__)
STEPS_A_REPLAY = 20
WARM_UP_STEPS = 3


class Steps:
    """Makes steps of dynamics, one after the other: ``steps(replicas, n)``."""

    def __init__(self, integrator: Integrator, evaluate: Evaluate, bath: Bath) -> None:
        self.integrator, self.evaluate, self.bath = integrator, evaluate, bath

    def __call__(self, replicas: Replicas, n: int) -> None:
        for _ in range(n):
            replicas.advance(self.integrator, self.evaluate, self.bath)


class GraphedSteps(Steps):
    """The same steps from graphs of several steps and of one, which read and write fixed memory.

    Frozen replicas are held by a mask within the graph. The generator is registered with the graphs, so that noise goes
    on from where it was, and its state between calls is that of the same number of plain steps. Integrator and
    evaluator must not wait for the device. On a CPU the same buffers are worked on step by step, without a graph.
    """

    def __init__(
        self,
        integrator: Integrator,
        evaluate: Evaluate,
        bath: Bath,
        replicas: Replicas,
        per_replay: int | None = None,
    ) -> None:
        super().__init__(integrator, evaluate, bath)
        self.per_replay = per_replay or STEPS_A_REPLAY
        self._generator = replicas.generator
        self._state, self._alive = _copy(replicas.state), replicas.alive.clone()
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        if self._alive.is_cuda:
            before = self._generator.get_state()
            self._warm_up()
            self._graphs = {n: self._capture(n) for n in {1, self.per_replay}}
            self._generator.set_state(before)

    def __call__(self, replicas: Replicas, n: int) -> None:
        if replicas.generator is not self._generator:
            raise ValueError("these replicas draw from another generator than those that the steps were captured for")
        _copy_into(self._state, replicas.state)
        self._alive.copy_(replicas.alive)
        for length in (self.per_replay,) * (n // self.per_replay) + (1,) * (n % self.per_replay):
            self._replay(length)
        # what is handed out must not change with the next replay: checks and writing keep it
        replicas.state = _copy(self._state)
        replicas.step += n

    def _replay(self, n: int) -> None:
        if self._graphs:
            self._graphs[n].replay()
        else:
            self._steps(n)

    def _steps(self, n: int) -> None:
        """What a graph holds: n steps from the buffers into the buffers."""
        state = self._state
        for _ in range(n):
            new = self.integrator.step(state, self.evaluate, self.bath, self._generator)
            state = keep_alive(self._alive, new, state)
        _copy_into(self._state, state)

    def _warm_up(self) -> None:
        """Steps on a side stream, as capturing asks for: libraries choose their algorithms, memory is laid out."""
        kept, stream = _copy(self._state), torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._steps(WARM_UP_STEPS)
        torch.cuda.current_stream().wait_stream(stream)
        _copy_into(self._state, kept)

    def _capture(self, n: int) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        with torch.cuda.graph(graph):
            self._steps(n)
        return graph


def make_steps(
    integrator: Integrator, evaluate: Evaluate, bath: Bath, replicas: Replicas, graph: bool | None = None
) -> Steps:
    """The way to make steps for these replicas: graphed on a GPU, plain on a CPU, or as ``graph`` says.

    An integrator or a network that cannot stand in a graph is stepped plainly, with a warning.
    """
    if not (replicas.alive.is_cuda if graph is None else graph):
        return Steps(integrator, evaluate, bath)
    before = replicas.generator.get_state()
    try:
        return GraphedSteps(integrator, evaluate, bath, replicas)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        log.warning("the dynamics does not fit into a CUDA graph and is launched step by step: %s", reason)
        # the other one may still belong to a graph that was never finished
        replicas.generator = torch.Generator(device=replicas.alive.device)
        replicas.generator.set_state(before)
        return Steps(integrator, evaluate, bath)


def _copy(state: State) -> State:
    return replace(
        state, coords=state.coords.clone(), velocities=state.velocities.clone(), forces=state.forces.clone(),
        energy=None if state.energy is None else state.energy.clone(),
    )  # fmt: skip


def _copy_into(buffers: State, state: State) -> None:
    for buffer, value in _parts(buffers, state):
        buffer.copy_(value)


def _parts(buffers: State, state: State) -> list[tuple[Tensor, Tensor]]:
    parts = [
        (buffers.coords, state.coords), (buffers.velocities, state.velocities), (buffers.forces, state.forces),
    ]  # fmt: skip
    if buffers.energy is not None and state.energy is not None:
        parts.append((buffers.energy, state.energy))
    return parts
