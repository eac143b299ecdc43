"""A whole training step as one CUDA graph: one launch in place of hundreds, for which the GPU would wait."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

WARM_UP = 3  # steps; libraries and the optimizer allocate what they need in them
Losses = Callable[[Tensor], Mapping[str, Tensor]]


class GraphedStep:
    """Index of a batch -> gather, forces, loss, its gradient, clipping and the optimizer's step; returns the losses.

    The graph reads the index from a buffer of its own and replays what it saw when it was captured: the same kernels
    on the same addresses. So all batches have one size, the data stay where they are, the learning rate is a tensor
    that schedulers write into (``set_capturable``), and nothing asks for a number on the way. The first WARM_UP calls
    are steps of the training like any other, made eagerly; then the step is captured.

    losses: index [batch_size] -> losses by name, of which ``objective`` is minimised. gradient_clip: largest norm of
    the gradient. captured: False runs the same function eagerly at each call, the twin that a CPU tests.
    """

    def __init__(
        self, losses: Losses, optimizer: Optimizer, gradient_clip: float | None = None, captured: bool = True
    ) -> None:
        self._losses, self._optimizer, self._clip, self._captured = losses, optimizer, gradient_clip, captured
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._index: Tensor | None = None
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._values: dict[str, Tensor] = {}
        self._kept: list[Tensor | None] = []

    def __call__(self, index: Tensor) -> dict[str, Tensor]:
        """One step on the frames at ``index``; the losses before it, overwritten by the next call."""
        if self._index is None:
            self._index = index.clone()
        if index.shape != self._index.shape:
            raise ValueError(f"a batch of {len(index)} frames: expected {len(self._index)}, as in the first step")
        self._index.copy_(index)
        self._calls += 1
        if not self._captured:
            self._values = self._step()
        elif self._calls <= WARM_UP:
            self._warm_up()
        else:
            if self._graph is None:
                self._capture()
            assert self._graph is not None
            self._graph.replay()
        return self._values

    def gradients(self) -> list[Tensor]:
        """The gradients of the last step; a graph writes them to where they were when it was captured."""
        present = self._kept or [parameter.grad for parameter in self._parameters]
        return [gradient for gradient in present if gradient is not None]

    def _step(self) -> dict[str, Tensor]:
        assert self._index is not None
        for parameter in self._parameters:
            parameter.grad = None  # the gradient is written, not added to: a graph has nothing to reset
        values = self._losses(self._index)
        values["objective"].backward()
        if self._clip is not None:
            torch.nn.utils.clip_grad_norm_(self._parameters, self._clip)
        self._optimizer.step()
        return {name: value.detach() for name, value in values.items()}

    def _warm_up(self) -> None:
        """A step on a side stream, which a capture requires."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._values = self._step()
        torch.cuda.current_stream().wait_stream(stream)

    def _capture(self) -> None:
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._values = self._step()
        # Lightning forgets gradients before a validation, but the graph goes on writing into these
        self._kept = [parameter.grad for parameter in self._parameters]


def can_be_captured(optimizer: Optimizer, schedulers: Any = None) -> bool:
    """Whether a step of this optimizer can be part of a CUDA graph: those of torch.optim that have ``capturable``.

    Not where a scheduler changes more than the learning rate: a graph would keep the momentum it was captured with.
    OneCycleLR and CyclicLR do so unless ``cycle_momentum=False``.
    """
    several = schedulers if isinstance(schedulers, list) else [schedulers]
    if any(getattr(scheduler, "cycle_momentum", False) for scheduler in several):
        return False
    return "capturable" in inspect.signature(type(optimizer).__init__).parameters


def set_capturable(optimizer: Optimizer, device: torch.device | None) -> None:
    """Make an optimizer fit for a CUDA graph on ``device``, or, with None, undo what an earlier training did to it.

    Learning rates become tensors, into which schedulers write, and counters of steps lie on the device. A checkpoint
    carries these settings of the machine that wrote it, so both directions are called for after it was loaded.
    """
    for group in optimizer.param_groups:
        rate = float(group["lr"])
        group["lr"] = rate if device is None else torch.tensor(rate, dtype=torch.float32, device=device)
        if "capturable" in group:
            group["capturable"] = device is not None
        on_cpu = device is None and not group.get("fused")
        for parameter in group["params"]:
            _move_counter(optimizer.state.get(parameter, {}), torch.device("cpu") if on_cpu else parameter.device)


def _move_counter(state: dict[str, Any], device: torch.device) -> None:
    if isinstance(state.get("step"), Tensor):
        state["step"] = state["step"].to(device=device, dtype=torch.float32)
