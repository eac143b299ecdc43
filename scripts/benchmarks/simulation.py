"""Steps of dynamics: BAOAB with CGSchNet and the peptide prior, every kernel against the eager reference path."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor

from benchmarks.clock import Memory, interleave, seconds_of
from benchmarks.dense import DenseCGSchNet
from benchmarks.limits import Limits, schnet_simulation
from benchmarks.result import Result, Samples
from benchmarks.subject import TEMPERATURE, Settings, defaults, make_network, peptide
from benchmarks.training import BF16, DENSE, REFERENCE
from cgexp.build import build
from cgexp.errors import InputError
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.potential import Potential
from cgexp.priors.prior import Prior
from cgexp.simulation.integrators import Bath, Evaluate
from cgexp.simulation.replicas import Replicas
from cgexp.simulation.simulation import Simulation
from cgexp.systems.base import system_of
from cgexp.units import unit_system

TASK = "simulate_cgschnet"
EVALUATOR = "cgexp.kernels.evaluator"
FORCE_TOLERANCE = 1e-3  # relative, float32
# A network at its initial weights pulls harder than the prior holds; after training it is the smaller part.
NETWORK_SHARE = 0.1


class Dynamics:
    """Replicas under one evaluator; a call is one step of the package's integrator, health checks as in Simulation."""

    def __init__(self, evaluate: Evaluate, coords: Tensor, settings: Simulation, masses: Tensor) -> None:
        self.evaluate, self.settings = evaluate, settings
        self.bath = Bath.at(settings.dt, settings.temperature, masses, unit_system("molecular"))
        self.replicas = Replicas.begin(coords, settings.integrator, evaluate, self.bath, seed=0)

    def __call__(self) -> None:
        self.replicas.advance(self.settings.integrator, self.evaluate, self.bath)
        if self.replicas.step % self.settings.health.every == 0:
            self.replicas.check(self.settings.health, self.bath)


def make_potential(n_beads: int, settings: Settings) -> Potential:
    """CGSchNet at its initial weights, scaled down, plus the peptide prior fitted to the chains; float32."""
    data = settings.data(n_beads)
    network = make_network("cgschnet", n_beads, settings, data)
    assert isinstance(network, CGSchNet)
    with torch.no_grad():
        last = network.readout[-1]
        assert isinstance(last, torch.nn.Linear)
        last.weight.mul_(NETWORK_SHARE)
    prior = build({**defaults()["prior"], "temperature": TEMPERATURE}, Prior)
    prior.fit(data, system_of(data))
    return Potential(network, prior).to(settings.device, torch.float32).eval()


def make_evaluate(name: str, potential: Potential, coords: Tensor) -> Evaluate:
    """Energy and forces by the kernel ``name``; raises InputError where the kernel does not serve a simulation."""
    potential = copy.deepcopy(potential).requires_grad_(False)
    if name == DENSE:
        assert isinstance(potential.network, CGSchNet)
        return Potential(DenseCGSchNet(potential.network), potential.prior).energy_and_forces
    if name == REFERENCE:
        return potential.energy_and_forces
    if name.endswith(BF16):
        raise InputError("a simulation has no parameter gradients")
    if find_spec(EVALUATOR) is None:
        raise InputError(f"kernel={name} has no evaluator for simulation yet")
    evaluate: Evaluate = import_module(EVALUATOR).make_evaluator(name, potential, coords)
    if getattr(evaluate, "__func__", None) is Potential.energy_and_forces:
        raise InputError(f"kernel={name} takes the reference path in a simulation")
    return evaluate


def measure(settings: Settings, result: Result) -> None:
    """All numbers of replicas, for the first number of beads."""
    if not settings.replicas:
        return
    n_beads = settings.beads[0]
    potential = make_potential(n_beads, settings)
    chains = torch.tensor(settings.data(n_beads).coords, dtype=torch.float32, device=settings.device)
    for n_replicas in settings.replicas:
        _case(potential, chains, n_replicas, settings, result)


def _case(potential: Potential, chains: Tensor, n_replicas: int, settings: Settings, result: Result) -> None:
    torch.compiler.reset()
    n_beads = chains.shape[1]
    settings.report(f"{TASK}: {n_beads} beads, {n_replicas} replicas")
    starts = chains[torch.arange(n_replicas) % len(chains)]
    dynamics_settings = build({**defaults()["simulation"], "temperature": TEMPERATURE}, Simulation)
    masses = torch.tensor(peptide(n_beads).masses).to(starts)
    steps: dict[str, Callable[[], object]] = {}
    megabytes: dict[str, float | None] = {}
    exact = potential.energy_and_forces(starts)[1]
    for name in dict.fromkeys((DENSE, REFERENCE, *settings.kernels)):
        place = {"task": TASK, "n_beads": n_beads, "batch": n_replicas, "kernel": name}
        memory = Memory(settings.device)
        begun = time.perf_counter()
        try:
            evaluate = make_evaluate(name, potential, starts)
        except InputError as error:
            result.note(place, f"skipped: {error}")
            continue
        deviation = float((evaluate(starts)[1] - exact).norm() / exact.norm())
        first = time.perf_counter() - begun
        right = deviation <= FORCE_TOLERANCE
        result.checks.append({**place, "force_error": deviation, "right": right})
        if not right:
            result.note(place, f"WRONG: forces off by {deviation:.1e} of the reference's")
            continue
        dynamics = Dynamics(evaluate, starts, dynamics_settings, masses)
        dynamics()
        seconds = seconds_of(dynamics, settings.device)
        result.first_calls.append({**place, "seconds": max(0.0, first - seconds)})
        memory.restart()
        dynamics()
        steps[name], megabytes[name] = dynamics, memory.peak()
    limits = Limits(settings.threads, settings.device)
    found = interleave({**steps, **limits.steps}, settings.device, settings.case_s, settings.min_rounds,
                       settings.max_rounds)  # fmt: skip
    for name, step in steps.items():
        assert isinstance(step, Dynamics)
        if step.replicas.failures:
            place = {"task": TASK, "n_beads": n_beads, "batch": n_replicas, "kernel": name}
            result.note(place, f"{len(step.replicas.failures)} of {n_replicas} replicas failed: speed only")
    n_parameters = sum(parameter.numel() for parameter in potential.parameters())
    work = schnet_simulation(n_beads, n_replicas, settings.network, n_parameters)
    samples = {name: Samples(found[name], megabytes[name]) for name in steps}
    result.add(TASK, n_beads, n_replicas, samples, DENSE, work, limits.rates(found))
