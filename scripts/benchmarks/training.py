"""Training steps of every kernel, against the dense eager baseline where there is one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from benchmarks.clock import Memory, interleave, seconds_of
from benchmarks.dense import DenseCGSchNet
from benchmarks.limits import Limits, Work, cgnet_training, schnet_training
from benchmarks.peers import peer_steps
from benchmarks.result import Result, Samples
from benchmarks.subject import Settings, make_network, make_optimizer
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.kernels.choose import make_kernel
from cgexp.kernels.kernel import Kernel
from cgexp.models.cgnet import CGnet
from cgexp.models.cgschnet import CGSchNet

DENSE, REFERENCE, BF16 = "dense", "reference", "_bf16"
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 2e-2  # relative, float32; a gradient may be found in bf16
TASKS = {"cgschnet": "train_cgschnet", "cgnet": "train_cgnet", "cgnet_default": "train_cgnet_default"}


@dataclass
class Costs:
    """Seconds and MB of a step for each frame and pair of beads, as last seen: what the next case will take."""

    seconds: dict[str, float] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)

    def part(self, name: str, n_beads: int, batch: int, settings: Settings) -> int:
        """The largest part batch / 2^k that stays within the limits of time and memory."""
        part, pairs = batch, n_beads**2
        while part > 1 and (
            self.seconds.get(name, 0.0) * part * pairs > settings.round_limit_s
            or self.megabytes.get(name, 0.0) * part * pairs > settings.memory_limit_mb
        ):
            part //= 2
        return part

    def note(self, name: str, n_beads: int, part: int, seconds: float, megabytes: float | None) -> None:
        self.seconds[name] = seconds / (part * n_beads**2)
        self.megabytes[name] = (megabytes or 0.0) / (part * n_beads**2)


class Trainee:
    """One network, its optimizer and, once given, its kernel; a call is a whole training step on the same batch."""

    kernel: Kernel

    def __init__(self, kind: str, data: Frames, part: int, settings: Settings) -> None:
        self.network = make_network(kind, data.n_beads, settings, data)
        self.optimizer = make_optimizer(self.network)
        self.coords, self.forces = batch_of(data, part, settings.device)
        self.weights = torch.full_like(self.coords, 1.0 / self.coords.numel())

    def use(self, kernel: str) -> Trainee:
        """Take the kernel of this name; raises InputError if it does not serve this network."""
        if kernel == DENSE:
            assert isinstance(self.network, CGSchNet)
            self.kernel = Kernel(DenseCGSchNet(self.network))
        else:
            self.kernel = _kernel(kernel, self.network, self.coords)
        return self

    def loss(self) -> Tensor:
        """The loss, its gradient left in the parameters."""
        self.optimizer.zero_grad(set_to_none=True)
        loss, _ = self.kernel.squared_error(self.coords, self.forces, self.weights)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def __call__(self) -> None:
        self.loss()
        self.optimizer.step()

    def gradient(self) -> Tensor:
        gradients = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        return torch.cat([gradient.flatten().double() for gradient in gradients])


def _kernel(name: str, network: EnergyTerm, coords: Tensor) -> Kernel:
    """The package's kernel of this name, with bf16 in the parameter gradients if the name ends so."""
    if not name.endswith(BF16):
        return make_kernel(name, network, coords)
    kernel = make_kernel(name.removesuffix(BF16), network, coords, bf16=True)
    if not getattr(kernel, "bf16", False):
        raise InputError("this processor has no bfloat16 products")
    return kernel


def batch_of(data: Frames, n_frames: int, device: str) -> tuple[Tensor, Tensor]:
    """Coordinates and forces of the first frames, float32."""
    assert data.forces is not None
    coords, forces = (
        torch.tensor(values[:n_frames], dtype=torch.float32, device=device) for values in (data.coords, data.forces)
    )
    return coords, forces


def measure(settings: Settings, result: Result) -> None:
    """All training cases, the small ones first: they tell how much of a large one can be measured."""
    costs = Costs()
    for n_beads in settings.beads:
        for batch in settings.batches:
            _case("cgschnet", n_beads, batch, settings, costs, result)
    for kind in ("cgnet", "cgnet_default"):
        costs = Costs()
        for batch in settings.cgnet_batches:
            _case(kind, settings.beads[0], batch, settings, costs, result)


def _case(kind: str, n_beads: int, batch: int, settings: Settings, costs: Costs, result: Result) -> None:
    torch.compiler.reset()  # else torch.compile takes sizes that change for dynamic, and its code gets slower
    task = TASKS[kind]
    settings.report(f"{task}: {n_beads} beads, batch {batch}")
    data = settings.data(n_beads)
    names = [DENSE, *settings.kernels] if kind == "cgschnet" else list(settings.kernels)
    trainees: dict[str, Callable[[], object]] = {}
    parts: dict[str, int] = {}
    megabytes: dict[str, float | None] = {}
    for name in names:
        part = costs.part(name, n_beads, batch, settings)
        place = {"task": task, "n_beads": n_beads, "batch": batch, "kernel": name}
        try:
            trainee, seconds, megabytes[name] = _prepare(name, kind, data, part, settings, place, result)
        except InputError as error:
            result.note(place, f"skipped: {error}")
            continue
        if trainee is not None:
            trainees[name], parts[name] = trainee, part
            costs.note(name, n_beads, part, seconds, megabytes[name])
            if part < batch:
                result.note(place, f"measured on {part} frames and scaled to {batch}")
    peers = peer_steps(batch_of(data, batch, settings.device), settings, result) if kind == "cgschnet" else {}
    trainees |= peers
    parts |= dict.fromkeys(peers, batch)
    limits = Limits(settings.threads, settings.device)
    seconds_of_all = interleave(
        {**trainees, **limits.steps}, settings.device, settings.case_s, settings.min_rounds, settings.max_rounds
    )
    rates = limits.rates(seconds_of_all)
    work = _work(kind, n_beads, batch, settings, data)
    samples = {
        name: Samples([value * batch / parts[name] for value in seconds_of_all[name]], megabytes.get(name))
        for name in trainees
    }
    result.add(task, n_beads, batch, samples, DENSE, work, rates)
    result.add_leads({"task": task, "n_beads": n_beads, "batch": batch}, samples, peers)


def _prepare(
    name: str, kind: str, data: Frames, part: int, settings: Settings, place: dict[str, Any], result: Result
) -> tuple[Trainee | None, float, float | None]:
    """A kernel ready for timing (None if it is wrong), with the seconds and the memory (MB) of a step."""
    trainee = Trainee(kind, data, part, settings)
    memory = Memory(settings.device)  # network, optimizer and data are no working memory
    begun = time.perf_counter()
    trainee.use(name)
    first = time.perf_counter() - begun + seconds_of(trainee.loss, settings.device)
    if not _is_right(trainee, kind, data, part, settings, place, result):
        return None, 0.0, None
    seconds = seconds_of(trainee, settings.device)
    result.first_calls.append({**place, "seconds": max(0.0, first - seconds)})
    memory.restart()
    trainee()
    return trainee, seconds, memory.peak()


def _is_right(
    trainee: Trainee, kind: str, data: Frames, part: int, settings: Settings, place: dict[str, Any], result: Result
) -> bool:
    """Whether loss and gradient are those of the package's reference; found in parts, so that it needs little memory.

    At the smallest batch of each system only: larger ones take the same path, and the reference takes its time.
    """
    if place["kernel"] == REFERENCE or place["batch"] > min(settings.batches + settings.cgnet_batches):
        return True
    loss, gradient = trainee.loss(), trainee.gradient()
    judge = Trainee(kind, data, part, settings).use(REFERENCE)
    exact, exact_gradient = torch.zeros_like(loss), torch.zeros_like(gradient)
    coords, forces, weights = judge.coords, judge.forces, judge.weights
    for chosen in torch.arange(part, device=coords.device).split(32):
        judge.coords, judge.forces, judge.weights = coords[chosen], forces[chosen], weights[chosen]
        exact += judge.loss()
        exact_gradient += judge.gradient()
    loss_error = float((loss - exact).abs() / exact)
    gradient_error = float((gradient - exact_gradient).norm() / exact_gradient.norm())
    right = loss_error <= LOSS_TOLERANCE and gradient_error <= GRADIENT_TOLERANCE
    result.checks.append({**place, "loss_error": loss_error, "gradient_error": gradient_error, "right": right})
    if not right:
        result.note(place, f"WRONG: loss off by {loss_error:.1e}, gradient by {gradient_error:.1e} of the reference's")
    return right


def _work(kind: str, n_beads: int, batch: int, settings: Settings, data: Frames) -> Work:
    network = make_network(kind, n_beads, settings, data)
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    if not isinstance(network, CGnet):
        return schnet_training(n_beads, batch, settings.network, n_parameters)
    layers = [layer for layer in network.network if isinstance(layer, torch.nn.Linear)]
    return cgnet_training(layers[0].in_features, layers[0].out_features, len(layers) - 1, batch, n_parameters)
