"""The whole step that a GPU replays as one graph, run eagerly: it trains as Lightning's automatic optimisation does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from cgexp.build import Template
from cgexp.testing.configurations import toy_frames
from cgexp.training.callbacks import AveragedWeights, RateFinder, Throughput
from cgexp.training.fit import Training
from cgexp.training.graphed_step import WARM_UP, GraphedStep, can_be_captured, set_capturable
from cgexp.training.losses import Huber, InverseVariance, Loss, MeanSquaredError
from cgexp.training.smoothness import Smoothness
from cgexp.training.trainer import matmul_precision
from tests.training.test_fit import Kill, kill_after, make_toy, rows_of, spring_frames, train

FUSED = Template({"_target_": "torch.optim.Adam", "lr": 1e-2, "fused": True}, Optimizer)
SCHEDULERS = {
    "OneCycleLR": {"max_lr": 1e-2},
    "CosineAnnealingLR": {},
    "StepLR": {"step_size": 1},
    "ReduceLROnPlateau": {"patience": 0, "threshold": 10.0},
}


def settings(clip: float | None = None, **callbacks: Any) -> Training:
    return Training(
        5, 16, validation_fraction=0.2, gradient_clip=clip, callbacks={"ema": AveragedWeights(0.9), **callbacks}
    )


def scheduler(name: str) -> Template[LRScheduler]:
    return Template({"_target_": f"torch.optim.lr_scheduler.{name}", **SCHEDULERS[name]}, LRScheduler)


def assert_same(folder: Path, arguments: Callable[[], dict[str, Any]], frames: Any = None) -> list[dict[str, str]]:
    """Train in both ways; all numbers and all weights are equal."""
    networks = [make_toy(), make_toy()]
    frames = frames or spring_frames()
    for network, graphed in zip(networks, (False, True), strict=True):
        train(folder / str(graphed), network, frames, graphed=graphed, **arguments())
    first, second = (rows_of(folder / str(graphed)) for graphed in (False, True))
    for row, other in zip(first, second, strict=True):
        assert {**row, "seconds": None} == {**other, "seconds": None}
    for value, other_value in zip(*(network.state_dict().values() for network in networks), strict=True):
        assert torch.equal(value, other_value)
    return first


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_step_as_ever(tmp_path: Path, name: str) -> None:
    rows = assert_same(tmp_path, lambda: {"settings": settings(), "optimizer": FUSED, "scheduler": scheduler(name)})
    assert float(rows[-1]["lr"]) < float(rows[1]["lr"])


@pytest.mark.parametrize("target", ["Adam", "AdamW", "RMSprop"])
def test_gradients_are_clipped(tmp_path: Path, target: str) -> None:
    optimizer = Template({"_target_": f"torch.optim.{target}", "lr": 1e-2}, Optimizer)
    clipped = assert_same(tmp_path / "a", lambda: {"settings": settings(clip=0.01), "optimizer": optimizer})
    free = assert_same(tmp_path / "b", lambda: {"settings": settings(), "optimizer": optimizer})
    assert clipped[-1]["loss_train_running"] != free[-1]["loss_train_running"]


def test_losses_that_are_not_squares_and_weights(tmp_path: Path) -> None:
    frames = toy_frames(200)
    assert frames.forces is not None
    frames = frames.with_labels(force_sem=abs(frames.forces) + 0.1)
    terms = {"squares": MeanSquaredError(0.5), "sem": InverseVariance()}
    assert_same(tmp_path / "a", lambda: {"settings": settings(), "loss": Loss(terms)}, frames)
    assert_same(tmp_path / "b", lambda: {"settings": settings(), "loss": Loss({"robust": Huber(delta=0.1)})}, frames)


def test_penalties_and_plain_descent_go_the_automatic_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(GraphedStep, "__call__", refuse)
    loss = Loss({"force": MeanSquaredError(), "smoothness": Smoothness()})
    train(tmp_path / "a", make_toy(), spring_frames(), loss=loss, settings=Training(1, 16), graphed=True)
    descent = Template({"_target_": "torch.optim.SGD", "lr": 1e-4}, Optimizer)
    train(tmp_path / "b", make_toy(), spring_frames(), optimizer=descent, settings=Training(1, 16), graphed=True)


@pytest.mark.parametrize("graphed", [False, True])
def test_a_resumed_training_equals_one_run_through(tmp_path: Path, graphed: bool) -> None:
    through, killed, resumed = make_toy(), make_toy(), make_toy()
    arguments: dict[str, Any] = {"optimizer": FUSED, "graphed": graphed}
    expected = train(tmp_path / "a", through, spring_frames(), settings=settings(0.1), **arguments)
    with pytest.raises(Kill):
        train(tmp_path / "b", killed, spring_frames(), settings=settings(0.1), progress=kill_after(3), **arguments)
    numbers = train(tmp_path / "b", resumed, spring_frames(), settings=settings(0.1), **arguments)
    assert numbers["loss_validation"] == expected["loss_validation"]
    for name, value in through.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert rows_of(tmp_path / "a")[-1]["step"] == rows_of(tmp_path / "b")[-1]["step"] != "0"


def test_the_rate_finder_and_the_throughput_callback(tmp_path: Path) -> None:
    def with_callbacks() -> Training:
        return settings(finder=RateFinder(num_training_steps=20), throughput=Throughput(window_size=2))

    logged: list[str] = []
    network = make_toy()
    train(
        tmp_path, network, spring_frames(), settings=with_callbacks(), scheduler=None, graphed=True,
        log=logged.extend,
    )  # fmt: skip
    assert {"loss_train_running", "loss_validation"} <= set(logged)


def quadratic(parameter: Tensor) -> Callable[[Tensor], dict[str, Tensor]]:
    data = torch.arange(12.0)
    return lambda index: {"objective": (parameter - data[index]).square().mean()}


def test_batches_have_one_size() -> None:
    parameter = torch.zeros(1, requires_grad=True)
    step = GraphedStep(quadratic(parameter), torch.optim.Adam([parameter]), captured=False)
    step(torch.tensor([1, 2]))
    with pytest.raises(ValueError, match="a batch of 3 frames"):
        step(torch.tensor([1, 2, 3]))


class FakeGraph:
    """Replays what ran between the capture's beginning and end; the fake capture has run it once already."""

    replays = 0
    step: Callable[[], Any]

    def replay(self) -> None:
        if FakeGraph.replays:
            FakeGraph.step()
        FakeGraph.replays += 1


class FakeStream:
    def wait_stream(self, other: FakeStream) -> None:
        pass


def test_warm_up_and_capture_lose_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, fake in {
        "CUDAGraph": FakeGraph, "graph": lambda graph: nullcontext(), "Stream": FakeStream,
        "current_stream": FakeStream, "stream": lambda stream: nullcontext(),
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, fake)
    captured, eager = (torch.zeros(1, requires_grad=True) for _ in range(2))
    steps = [
        GraphedStep(quadratic(parameter), torch.optim.Adam([parameter], lr=0.1), captured=parameter is captured)
        for parameter in (captured, eager)
    ]
    monkeypatch.setattr(FakeGraph, "step", steps[0]._step, raising=False)
    for k in range(WARM_UP + 4):
        index = torch.tensor([k, k + 1])
        for step in steps:
            step(index)
        assert torch.equal(captured, eager), k
    assert FakeGraph.replays == 4


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_write_into_the_rate_that_the_graph_reads(name: str) -> None:
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([parameter], lr=1e-2)
    arguments = SCHEDULERS[name] | {"OneCycleLR": {"total_steps": 10}, "CosineAnnealingLR": {"T_max": 10}}.get(name, {})
    schedule: Any = getattr(torch.optim.lr_scheduler, name)(optimizer, **arguments)
    set_capturable(optimizer, torch.device("cpu"))
    rate = optimizer.param_groups[0]["lr"]
    before, place = float(rate), rate.data_ptr()
    optimizer.zero_grad()
    optimizer.step()
    for _ in range(2):
        schedule.step(*([1.0] if name == "ReduceLROnPlateau" else []))
    after = optimizer.param_groups[0]["lr"]
    assert after.data_ptr() == place
    assert float(after) != before


def test_settings_of_a_checkpoint_from_another_machine_are_undone() -> None:
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([parameter], lr=1e-2)
    parameter.grad = torch.ones(1)
    optimizer.step()
    set_capturable(optimizer, torch.device("cpu"))
    assert optimizer.param_groups[0]["capturable"]
    other = torch.optim.Adam([parameter], lr=1.0)
    other.load_state_dict(optimizer.state_dict())
    set_capturable(other, None)
    group = other.param_groups[0]
    assert (group["capturable"], group["lr"]) == (False, pytest.approx(1e-2))
    other.step()
    assert can_be_captured(other)
    assert not can_be_captured(torch.optim.SGD([parameter]))


def test_tensor_cores_are_for_gpus_and_only_within() -> None:
    before = torch.get_float32_matmul_precision()
    with matmul_precision("high", torch.device("cpu")):
        assert torch.get_float32_matmul_precision() == before
    with matmul_precision("high", torch.device("cuda")):
        assert torch.get_float32_matmul_precision() == "high"
    assert torch.get_float32_matmul_precision() == before
