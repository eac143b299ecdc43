"""What is measured: random chains, the networks, the package's default optimizer, prior and dynamics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cgexp.build import build
from cgexp.config.compose import compose
from cgexp.energy import EnergyTerm
from cgexp.frames import Frames
from cgexp.models.cgnet import CGnet
from cgexp.models.cgschnet import CGSchNet
from cgexp.systems.base import system_of
from cgexp.systems.beads import RESIDUES
from cgexp.systems.peptide import Peptide

CHIGNOLIN = "YYDPETGTWY"
TEMPERATURE = 300.0  # K
FORCE_SPREAD = 10.0  # standard deviation of a force component, kcal/mol/Å
BOND, BOND_SPREAD, CLOSEST = 3.8, 0.05, 4.2  # Å
EXTENT = 16.0  # largest distance within a chain of 10 beads, Å; it grows with the cube root of the number of beads
CANDIDATES, ATTEMPTS = 8, 40
NETWORK: dict[str, Any] = {"n_blocks": 3, "n_features": 128, "n_filters": 128, "n_rbf": 64, "cutoff": 30.0}
WIDE_CGNET: dict[str, Any] = {"width": 250, "depth": 5, "lipschitz": None}


@dataclass(frozen=True)
class Settings:
    """What to measure, and for how long.

    beads, batches: the grid of training; replicas: of simulations; kernels: names; network: sizes of CGSchNet;
    n_frames: chains that are made, at least those of the largest batch. round_limit_s: the longest step that
    is measured whole; one estimated longer, or of more memory than memory_limit_mb, is measured on a part of the batch
    and scaled. case_s: time spent on the rounds of one case. lightning_s: length of one stretch, 0 for none.
    """

    kernels: tuple[str, ...]
    beads: tuple[int, ...] = (10, 35, 80)
    batches: tuple[int, ...] = (64, 512, 4096)
    replicas: tuple[int, ...] = (1, 10, 100, 1000)
    cgnet_batches: tuple[int, ...] = (512,)
    device: str = "cpu"
    threads: int = 2
    round_limit_s: float = 1.5
    memory_limit_mb: float = 8000.0
    case_s: float = 15.0
    min_rounds: int = 3
    max_rounds: int = 15
    lightning_s: float = 6.0
    n_frames: int = 4096
    network: dict[str, Any] = field(default_factory=lambda: dict(NETWORK))
    report: Callable[[str], None] = print

    def data(self, n_beads: int) -> Frames:
        """All chains of one length."""
        return frames(max(self.n_frames, *self.batches, *self.cgnet_batches), n_beads)


def random_chains(n_frames: int, n_beads: int, seed: int = 0) -> Tensor:
    """Compact self-avoiding C-alpha chains [n_frames, n_beads, 3], float64, Å.

    Each bead is the first of several random candidates that keeps its distance to all before it, stays within the
    chain's extent and makes a bond angle between 66 and 166 degrees; a chain that comes to a dead end is dropped.
    """
    generator = torch.Generator().manual_seed(seed)
    extent = EXTENT * (n_beads / 10) ** (1 / 3)
    kept = torch.empty(0, n_beads, 3)
    while len(kept) < n_frames:
        kept = torch.cat([kept, _grow(n_frames - len(kept), n_beads, extent, generator)])
    centred = kept[:n_frames].to(torch.float64)
    return centred - centred.mean(1, keepdim=True)


def _grow(n_frames: int, n_beads: int, extent: float, generator: torch.Generator) -> Tensor:
    coords = torch.zeros(n_frames, n_beads, 3)
    alive = torch.ones(n_frames, dtype=torch.bool)
    for bead in range(1, n_beads):
        waiting = alive.nonzero()[:, 0]
        for _ in range(ATTEMPTS):
            before = coords[waiting, :bead]
            direction = torch.nn.functional.normalize(
                torch.randn(len(waiting), CANDIDATES, 3, generator=generator), dim=-1
            )
            length = BOND + BOND_SPREAD * torch.randn(len(waiting), CANDIDATES, 1, generator=generator)
            placed = before[:, -1:] + length * direction  # [n_waiting, CANDIDATES, 3]
            fits = torch.ones(placed.shape[:2], dtype=torch.bool)
            if bead > 1:
                r = torch.cdist(placed, before[:, :-1])
                back = before[:, -2:-1] - before[:, -1:]
                cosine = (back * (placed - before[:, -1:])).sum(-1) / BOND**2
                fits = (r.amin(-1) > CLOSEST) & (r.amax(-1) < extent) & (cosine > -0.97) & (cosine < 0.4)
            found, first = fits.any(1), fits.int().argmax(1)
            coords[waiting[found], bead] = placed[found, first[found]]
            waiting = waiting[~found]
            if not len(waiting):
                break
        alive[waiting] = False
    return coords[alive]


@cache
def peptide(n_beads: int) -> Peptide:
    """Chignolin for 10 beads, else a random sequence."""
    letters = np.random.default_rng(n_beads).choice(list(RESIDUES), n_beads)
    return Peptide(CHIGNOLIN if n_beads == len(CHIGNOLIN) else "".join(letters))


@cache
def frames(n_frames: int, n_beads: int) -> Frames:
    """Random chains with random forces."""
    coords = random_chains(n_frames, n_beads).numpy()
    return Frames(
        coords=coords,
        bead_types=peptide(n_beads).bead_types,
        block=np.arange(n_frames) // 10,
        units="molecular",
        temperature=TEMPERATURE,
        system=peptide(n_beads).name,
        system_spec=peptide(n_beads).spec,
        source="generated for a benchmark",
        forces=np.random.default_rng(0).normal(scale=FORCE_SPREAD, size=coords.shape),
    )


@cache
def defaults() -> dict[str, Any]:
    """The package's own configuration: optimizer, CGnet, prior and dynamics of a peptide."""
    return compose(["experiment=chignolin_cgnet", "prior=peptide", "simulation=peptide"])


def make_network(kind: str, n_beads: int, settings: Settings, data: Frames) -> EnergyTerm:
    """A fresh network with the same parameters each time: cgschnet, cgnet (wide) or cgnet_default."""
    torch.manual_seed(0)
    network: EnergyTerm
    if kind == "cgschnet":
        network = CGSchNet(n_beads=n_beads, rbf="expnorm", activation="tanh", **settings.network)
    elif kind == "cgnet":
        network = CGnet(n_beads=n_beads, **WIDE_CGNET)
    else:
        network = build({**defaults()["model"], "n_beads": n_beads}, EnergyTerm)
    network.fit(data, system_of(data))
    return network.to(settings.device)


def make_optimizer(network: EnergyTerm) -> torch.optim.Optimizer:
    """The package's default optimizer, its state already there (a step with no gradient changes nothing)."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = build(defaults()["optimizer"], torch.optim.Optimizer, params=parameters)
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return optimizer
